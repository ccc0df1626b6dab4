"""A session: two nets that take a training step in turn, and surgery on them."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import groupby
from typing import Any

from ..data import Dataset
from ..errors import UsageError
from ..inspect.memory import check_memory
from ..kernels import blas_threads
from .address import format_address, parse_address
from .config import LabConfig
from .surgery import Surgery
from .training import NetTraining

_UNDO = 5  # surgeries that can be undone: each keeps the parameters of both nets
_MOST = 100  # surgeries of a session


class Session:
    """Two nets that are trained side by side on the same images.

    The same settings and surgeries give the same curves, to the bit, on the same machine.

    Args:
        config: the settings.
        dataset: the data named there.
        surgeries: done when their steps come, which are in order.

    Attributes:
        step: training steps taken so far, by each net that has not ended.
        trainings: of the two nets.
        done: the surgeries so far; coming: those whose steps are still to come.

    Raises:
        UsageError: a surgery is on a module that its net does not have, or takes away an operation
            whose gradient is changed next; there are too many, or a net would not fit into memory.
    """

    def __init__(
        self, config: LabConfig, dataset: Dataset, surgeries: Iterable[Surgery] = ()
    ) -> None:
        self.config = config
        self.dataset = _first(dataset, config.images)
        for net in config.nets:
            check_memory(net.spec, self.dataset.train_images.shape[1:], config.batch, None)
        self.step = 0
        self.trainings = tuple(NetTraining(net, config, self.dataset) for net in config.nets)
        self.done: list[Surgery] = []
        self.coming = deque(surgeries)
        if len(self.coming) > _MOST:
            raise UsageError(f"a session has at most {_MOST} surgeries, got {len(self.coming)}")
        self._rehearse()
        self._saved: deque[Any] = deque(maxlen=_UNDO)
        self._do_what_is_due()

    @classmethod
    def open(cls, address: str, load_data: Callable[[str], Dataset]) -> "Session":
        """Return the session of an address.

        Args:
            address: see `parse_address`.
            load_data: returns the dataset of a name.

        Raises:
            UsageError: it is not the address of a session.
        """
        config, surgeries = parse_address(address)
        return cls(config, load_data(config.dataset), surgeries)

    @property
    def address(self) -> str:
        """The settings, the surgeries so far and those to come."""
        return format_address(self.config, [*self.done, *self.coming])

    @property
    def ended(self) -> bool:
        """Whether neither net is trained any further."""
        return all(training.ended is not None for training in self.trainings)

    @property
    def can_undo(self) -> bool:
        """Whether the last surgery can be undone."""
        return bool(self._saved)

    def run(self) -> Generator[None, None, None]:
        """Train until both nets have ended; yield after every training step.

        Each takes a step in turn; then the surgeries that are due are done. On small images one
        thread computes a matrix product, which is too small to be shared.
        """
        H, W = self.dataset.train_images.shape[2:]
        with blas_threads(1) if H * W < 16 * 16 else nullcontext():
            while not self.ended:
                for training in self.trainings:
                    training.step()
                self.step += 1
                self._do_what_is_due()
                yield

    def operate(self, net: int, kind: str, path: str = "", value: float = 1) -> None:
        """Do a surgery now.

        Args:
            net: 0 or 1.
            kind, path, value: see `surgery.KINDS`.

        Raises:
            UsageError: there is no such surgery or module, too many, or the net has ended.
            NonFiniteError: a parameter of a net is not finite.
        """
        surgery = Surgery(self.step, net, kind, path, value)
        if len(self.done) + len(self.coming) >= _MOST:
            raise UsageError(f"a session has at most {_MOST} surgeries; start again")
        training = self.trainings[net]
        training.check(surgery)
        if training.ended is not None:
            raise UsageError(f"{training.settings.net} is trained no further; undo, or start again")
        self._operate(surgery)

    def undo(self) -> None:
        """Return both nets to the moment before the last surgery, which is forgotten.

        Raises:
            UsageError: there is none, or it is too long ago.
        """
        if not self._saved:
            raise UsageError("there is no surgery to undo")
        self._return_to(*self._saved.pop())

    def _return_to(self, step: int, count: int, states: Sequence[Any]) -> None:
        """Return to the moment of a step and of so many surgeries."""
        self.step = step
        del self.done[count:]
        for number, (training, state) in enumerate(zip(self.trainings, states, strict=True)):
            training.restore(state, [s for s in self.done if s.net == number])

    def _rehearse(self) -> None:
        """Check the surgeries to come; what is left of one is there when the next is checked."""
        for _, at_once in groupby(self.coming, lambda surgery: surgery.step):
            for surgery in at_once:
                training = self.trainings[surgery.net]
                training.check(surgery)
                if surgery.kind != "init":
                    training.operate(surgery)
                training.check_operations()
            for training in self.trainings:
                training.factors.clear()
        for training in self.trainings:
            training.forget_edits()

    def _do_what_is_due(self) -> None:
        while self.coming and self.coming[0].step <= self.step:
            surgery = self.coming.popleft()
            if self.trainings[surgery.net].ended is None:
                self._operate(surgery)

    def _operate(self, surgery: Surgery) -> None:
        saved = self.step, len(self.done), [training.saved() for training in self.trainings]
        training = self.trainings[surgery.net]
        training.operate(surgery)
        try:
            training.check_operations()
        except UsageError:
            self._return_to(*saved)
            raise
        self._saved.append(saved)
        self.done.append(surgery)


def _first(dataset: Dataset, images: int) -> Dataset:
    """Return a dataset with its first training images alone; with all of them for 0."""
    if not images:
        return dataset
    return replace(
        dataset,
        train_images=dataset.train_images[:images],
        train_labels=dataset.train_labels[:images],
    )
