"""A net, fine-tuned on a folder of pictures: a run that can be stopped, and gone on with."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from ...backend import manual_seed
from ...data.dataset import Source
from ...errors import DataError, RunError, UsageError, expect
from ...models import imagenet_net
from ...models.imagenet import ImageNet
from ...nn import Module
from ...optim import StepSchedule
from ...runs import RunFolder
from ...runs.autosave import Event, kept
from ...runs.config import expect_same_options
from ...train import Progress, Recipe, Trainer
from ...train.recipe import epoch_length
from ...weights import load_weights
from ..folders import ImageFolder, image_folder
from ..frozen import FrozenFeatures, load_all_but_the_last_layer
from ..pictures import WORKERS, Pictures
from ..split import split
from .config import FinetuneConfig
from .outcomes import Outcome, validate
from .report import write_report
from .result import Found, Result, best

START, BEST = "start", "best"  # what the run's weights files are called


class Finetune:
    """A run of fine-tuning: made with `start` or `resume`, then `run`.

    It has worker processes, which `close` ends; it is a context manager too.

    Attributes:
        stopped: whether `run` ended because it was asked to, with something left to train.
        net: the net; after a whole `run` with the best weights, in evaluation.
        trainer: trains it, or its last stages.
    """

    def __init__(
        self, config: FinetuneConfig, found: Found, net: ImageNet, out: RunFolder, workers: int
    ) -> None:
        self.config = config
        self.found = found
        self.net = net
        self.out = out
        self.stopped = False
        self.pictures = Pictures(found.folder, config.size, config.augment, workers)
        self.trainer = self._trainer()

    @classmethod
    def start(
        cls, config: FinetuneConfig, out: Path, workers: int = WORKERS, strict: bool = False
    ) -> "Finetune":
        """Begin a new run in the folder `out`; looks at all pictures first.

        Args:
            config: what is asked for.
            out: the folder to make.
            workers: processes that decode pictures.
            strict: stop at pictures that cannot be decoded, which are left out otherwise.

        Raises:
            UsageError: `out` holds something already, or there is no folder of pictures.
            DataError: pictures that cannot be learnt from, or with `strict` one that is bad.
            StateDictError: the weights are those of another net.
            RunError: `out` cannot be written.
        """
        folder = RunFolder(out)
        folder.expect_empty()
        listed = image_folder(config.data, config.val_split, config.seed)
        net = _new_net(config, len(listed.classes))
        with Pictures(listed, config.size, workers=workers) as pictures:
            found = _readable(listed, pictures.problems(), strict)
        facts = {
            "experiment": "finetune",
            **asdict(config),
            "classes": found.folder.classes,
            "data_sha256": found.folder.digest,
            "left_out": found.left_out,
        }
        folder = RunFolder.create(out, facts)
        folder.save_weights(START, net)
        return cls(config, found, net, folder, workers)

    @classmethod
    def resume(
        cls, asked: dict[str, Any], out: Path, data: Path | None = None, workers: int = WORKERS
    ) -> "Finetune":
        """Go on with the run in the folder `out`.

        Args:
            asked: fields of FinetuneConfig the user gave again; each must be what the run has.
            out: the folder.
            data: where the pictures are now, if they are not where they were.
            workers: processes that decode pictures.

        Raises:
            UsageError: no run there, another configuration, or other pictures.
            RunError: the run was altered.
        """
        folder, facts = RunFolder.open(out)
        config = FinetuneConfig.from_facts(facts, out)
        expect_same_options(config, asked, out)
        listed = image_folder(data or config.data, config.val_split, config.seed)
        try:
            left_out = {str(path): str(reason) for path, reason in facts["left_out"].items()}
            digest = facts["data_sha256"]
        except (KeyError, AttributeError) as error:
            raise RunError(f"the configuration of the run in {out} was altered: {error}") from error
        found = Found(listed.without(left_out), left_out)
        expect(
            found.folder.digest == digest,
            UsageError,
            f"the pictures in {listed.root} are not those that the run in {out} was started on: "
            "files were added, removed, renamed or changed since",
        )
        net = _first_net(config, len(listed.classes), folder)
        return cls(config, found, net, folder, workers)

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train what is left to train, giving out every step; save, draw and sum up on the way.

        Args:
            stop: asked after every step; True saves the state, draws what there is, and ends.

        Raises:
            RunError: another process is at work in the folder, or it cannot be written.
            NonFiniteError: a loss is NaN or infinite.
        """
        with self.out.locked():
            yield from self._run(stop)

    def _run(self, stop: Callable[[], bool]) -> Iterator[Event]:
        trainer = self.trainer
        started = time.monotonic()

        def save(progress: Progress) -> None:
            # The weights first: after a kill in between, the checkpoint leads to them again.
            if progress.row is not None and progress.row == best(trainer.rows):
                self.out.save_weights(BEST, self.net)
            self.out.save(trainer)
            self.out.write_history(trainer.rows)

        if trainer.finished:
            yield Event(trainer, None)
        else:
            self.stopped = yield from kept(trainer, trainer.run(), save, stop)
        self.report(time.monotonic() - started)

    def report(self, seconds: float) -> None:
        """Write history, pictures and summary; `seconds` is how long it has been running."""
        result = Result(
            self.config,
            self.found,
            self.trainer.rows,
            self.trainer.finished,
            seconds,
            self.pictures.waited,
        )
        outcomes: list[Outcome] = []
        if self.trainer.finished:
            load_weights(self.net, self.out.weights(BEST))
            outcomes = validate(self.net.eval(), self.pictures)
        write_report(self.out, result, outcomes)

    @property
    def description(self) -> str:
        """A sentence about what is trained on what."""
        folder, left_out = self.found
        skipped = f" ({len(left_out)} files left out)" if left_out else ""
        return (
            f"{len(folder.train):,} training and {len(folder.val):,} validation pictures of "
            f"{len(folder.classes)} classes{skipped}; {self.config.trained}"
        )

    def close(self) -> None:
        """End the worker processes."""
        self.pictures.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _trainer(self) -> Trainer:
        """The training, where its checkpoint left it."""
        config = self.config
        source: Source = self.pictures
        model: Module = self.net
        if config.freeze:
            frozen, model = split(self.net, config.stages)
            source = FrozenFeatures(self.pictures, frozen)
        iterations = config.epochs * epoch_length(source, config.batch)
        recipe = Recipe(config.batch, config.lr, iterations, momentum=0.9, weight_decay=0.0)
        schedule = StepSchedule(config.lr)
        trainer = Trainer(config.model, model, source, recipe, schedule, config.seed)
        self.out.restore(trainer)
        return trainer


def _readable(listed: ImageFolder, problems: dict[str, str], strict: bool) -> Found:
    """What is left of a folder without its bad files."""
    if not problems:
        return Found(listed, {})
    first = next(iter(problems.values()))
    said = f"{len(problems)} of {len(listed.paths)} files cannot be decoded"
    expect(not strict, DataError, f"{said}, and --strict was given: {first}")
    try:
        return Found(listed.without(problems), problems)
    except DataError as error:
        raise DataError(f"{error}; {said}: {first}") from None


def _new_net(config: FinetuneConfig, num_classes: int) -> ImageNet:
    """The net as its training begins."""
    manual_seed(config.seed)
    net = imagenet_net(config.model, num_classes)
    if config.weights is not None:
        load_all_but_the_last_layer(net, Path(config.weights))
    return net


def _first_net(config: FinetuneConfig, num_classes: int, out: RunFolder) -> ImageNet:
    """The same of a run that was started before, which may have been killed before it was saved."""
    if not out.weights(START).is_file():
        net = _new_net(config, num_classes)
        out.save_weights(START, net)
        return net
    net = imagenet_net(config.model, num_classes)
    load_weights(net, out.weights(START))
    return net
