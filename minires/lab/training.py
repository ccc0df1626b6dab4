"""The training of one of the two nets of a session, and what surgery does to it."""

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from ..arguments import shown
from ..autograd import norm
from ..backend import Array, manual_seed, stream
from ..data import Dataset
from ..errors import MiniresError, UsageError
from ..models.blocks import Block
from ..nn import BatchNorm2d, Conv2d, Identity, Linear, Module, Parameter
from ..nn.init import drawn, scaled
from ..optim import StepSchedule
from ..text import few
from ..train import Progress, Recipe, Trainer, restore_training, training_state
from .config import INITS, LabConfig, NetConfig
from .curve import Curve
from .gradients import operation_names, scaled_gradients
from .surgery import KINDS, LASTING, EditedBlock, Surgery

STEPS = 1_000_000  # of a training that is not ended otherwise


class Rate(StepSchedule):
    """A constant learning rate; it keeps the training error of the last batch, in %."""

    error = math.nan

    def observe(self, train_error: float) -> None:
        self.error = train_error


@dataclass(frozen=True)
class LayerNumbers:
    """A layer after a training step.

    Attributes:
        gradient: the norm of the gradient of its weights; NaN if there was none.
        update: the norm of the change of its weights relative to that of the weights.
    """

    gradient: float
    update: float


@dataclass(frozen=True)
class Edits:
    """What surgery has left in a block: whether it has a shortcut, its branch's factor, frozen."""

    shortcut: bool
    branch: float = 1.0
    frozen: bool = False


class NetTraining:
    """The training of one net of a session.

    Attributes:
        trainer: takes its training steps.
        curve: the training error of each step, in %.
        ended: why it is trained no further, such as a loss that is not finite; or None.
        blocks: those that the model was made of, by path; edits: what surgery has done to each.
        layers: its convolutions and its linear layer by path, without those of projections.
        factors: of gradients in the next training step, see `scaled_gradients`.
        inputs: makes images an input of the model, see `Dataset.inputs`.
    """

    def __init__(self, settings: NetConfig, config: LabConfig, dataset: Dataset) -> None:
        self.settings = settings
        self.seed = config.seed
        manual_seed(config.seed)
        self.init = scaled(INITS[settings.init], settings.factor)
        model = settings.spec.build(
            len(dataset.classes),
            dataset.channels,
            norm=BatchNorm2d if settings.norm else Identity,
            init=self.init,
        )
        self.inputs = (dataset := replace(dataset, standardised=settings.standardised)).inputs
        self.trainer = Trainer(
            settings.net,
            model,
            dataset,
            Recipe(config.batch, settings.lr, STEPS, settings.momentum),
            Rate(settings.lr),
            config.seed,
        )
        modules = dict(model.named_modules())
        self.blocks = {path: m for path, m in modules.items() if isinstance(m, Block)}
        self.layers: dict[str, Conv2d | Linear] = {
            path: m
            for path, m in modules.items()
            if isinstance(m, Conv2d | Linear) and "downsample" not in path
        }
        self.curve = Curve()
        self.ended: str | None = None
        self.factors: dict[str, float] = {}
        self.edits: dict[str, Edits] = {}
        self.forget_edits()
        self._steps = self.trainer.run()

    @property
    def model(self) -> Module:
        """The net, with what surgery has left in it."""
        return self.trainer.model

    def step(self) -> Progress | None:
        """Take a training step; return None if the training has ended, now or before."""
        if self.ended is not None:
            return None
        try:
            with scaled_gradients(self.factors):
                progress = next(self._steps)
        except MiniresError as error:
            self.ended = str(error)
            return None
        self.factors.clear()
        self.curve.add(self._rate.error)
        return progress

    def coming(self) -> tuple[Array, Array]:
        """Return the images, as the model gets them, and the labels of the next training step."""
        return next(self.trainer.coming_batches())

    def numbers(self) -> Iterator[LayerNumbers]:
        """Yield what the last training step did to each layer."""
        optimiser = self.trainer.optimiser
        velocities = dict(zip(map(id, optimiser.parameters), optimiser.velocities, strict=True))
        for layer in self.layers.values():
            w = layer.weight
            if w.grad is None:
                yield LayerNumbers(math.nan, 0.0)
            else:
                change = optimiser.lr * norm(velocities[id(w)])
                yield LayerNumbers(norm(w.grad), change / (norm(w.data) or math.nan))

    # --- surgery ----------------------------------------------------------------------------

    def check(self, surgery: Surgery) -> None:
        """Raise UsageError for a surgery on what the net does not have."""
        what, *_ = KINDS[surgery.kind]
        if what == "operation":
            paths = self._operations()
        else:
            paths = {"block": list(self.blocks), "layer": list(self.layers)}.get(what, [""])
        if surgery.path not in paths:
            raise UsageError(
                f"{surgery.kind} of {self.settings.net} is for {', '.join(few(paths)) or 'no path'}"
                f"; got {shown(surgery.path)}"
            )

    def check_operations(self) -> None:
        """Raise UsageError if an operation whose gradient is changed next is in the net no more."""
        gone = set(self.factors).difference(self._operations()) if self.factors else set()
        if gone:
            raise UsageError(
                f"{', '.join(sorted(gone))} of {self.settings.net} would be gone, whose gradient "
                "is changed in the step that comes; undo that, or take the step first"
            )

    def _operations(self) -> list[str]:
        return operation_names(self.model, *(part[:2] for part in self.coming()))

    def operate(self, surgery: Surgery) -> None:
        """Do a surgery that was checked."""
        path, value = surgery.path, surgery.value
        if surgery.kind == "init":
            self._draw(self.layers[path], surgery)
        elif surgery.kind == "zero":
            self.factors[f"{path}.{type(self.layers[path]).__name__}"] = 0
        elif surgery.kind == "gradient":
            self.factors[path] = value
        elif surgery.kind == "lr":
            self._rate.lr = value
        elif surgery.kind == "momentum":
            self.trainer.optimiser.momentum = value
        elif surgery.kind == "shortcut":
            self._edit(path, replace(self.edits[path], shortcut=bool(value)))
        elif surgery.kind == "branch":
            self._edit(path, replace(self.edits[path], branch=value))
        else:
            self._edit(path, replace(self.edits[path], frozen=bool(value)))

    def _edit(self, path: str, edits: Edits) -> None:
        """Put a block with these edits in the place of the one that is there."""
        original = self.blocks[path]
        changed = (edits.shortcut, edits.branch) != (original.shortcut is not None, 1.0)
        stage, name = path.rsplit(".", 1)
        block = EditedBlock(original, edits.shortcut, edits.branch) if changed else original
        setattr(getattr(self.model, stage), name, block)
        for p in original.parameters():
            p.requires_grad = not edits.frozen
        self.edits[path] = edits

    def _draw(self, layer: Conv2d | Linear, surgery: Surgery) -> None:
        """Draw the weights of a layer anew; the step decides which."""
        w: Parameter = layer.weight
        place = [self.seed, surgery.step, list(self.layers).index(surgery.path)]
        manual_seed(int(stream(place).integers(2**31)))
        w.data[...] = drawn(self.init, w.shape)
        optimiser = self.trainer.optimiser
        for p, velocity in zip(optimiser.parameters, optimiser.velocities, strict=True):
            if p is w:
                velocity[...] = 0

    def forget_edits(self) -> None:
        """Set blocks, learning rate and momentum to those at the start."""
        for path, block in self.blocks.items():
            self._edit(path, Edits(block.shortcut is not None))
        self._rate.lr = self.settings.lr
        self.trainer.optimiser.momentum = self.settings.momentum

    # --- undo -------------------------------------------------------------------------------

    def saved(self) -> Any:
        """Return what `restore` needs.

        Raises:
            NonFiniteError: a parameter is not finite.
        """
        return training_state(self.trainer), deepcopy(self.curve), self.ended, dict(self.factors)

    def restore(self, saved: Any, surgeries: list[Surgery]) -> None:
        """Return to a moment that was saved, after these surgeries on this net."""
        state, curve, self.ended, factors = saved
        self.curve, self.factors = deepcopy(curve), dict(factors)
        restore_training(self.trainer, *state)
        self.forget_edits()
        for surgery in surgeries:
            if surgery.kind in LASTING:
                self.operate(surgery)
        self._steps = self.trainer.run()

    @property
    def _rate(self) -> Rate:
        schedule = self.trainer.schedule
        assert isinstance(schedule, Rate)
        return schedule
