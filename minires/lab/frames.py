"""What a page is sent of a session: dataclasses, made into JSON.

A `Scene` comes once for every session: what stays as it is. A `Frame` comes many times a second:
where training stands. A `Look` costs a forward pass on some test images, and comes less often. A
`Notice` is a message.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd import Op
from ..autograd.hooks import forward_hook
from ..backend import Array
from ..inspect.layers import watch_layers
from ..inspect.step_page import maps_of
from ..modes import no_grad, set_modes
from .config import LabConfig, limits
from .session import Session
from .surgery import Surgery
from .training import Edits, NetTraining

IMAGES = 40  # test images that are looked at
_CHANNELS = 8  # feature maps of a block
_POINTS = 400  # test errors of a curve
_DIGITS = 4


@dataclass(frozen=True)
class Scene:
    """What stays as it is until the next session.

    Attributes:
        number: of the session; config: the settings; limits: the ranges of the settings.
        data: the dataset's name; classes, labels: of it, and of the images that are looked at.
        images: those images, each the mean of its channels; see `maps_of`.
        layers: the paths of each net's layers; blocks: of its blocks.
    """

    number: int
    config: LabConfig
    limits: dict[str, Any]
    data: str
    classes: tuple[str, ...]
    labels: list[int]
    images: dict[str, Any]
    layers: list[list[str]]
    blocks: list[list[str]]


@dataclass(frozen=True)
class NetFrame:
    """Where the training of one net stands.

    Attributes:
        ended: why it has ended, or None.
        epoch: passes over the training images.
        stride: training steps of a point; errors: the training error of each point, in %.
        tests: training steps and the test error after them, in %.
        lr, momentum: of the next step.
        gradient, update: of each layer, see `LayerNumbers`.
        edits: of each block, see `Edits`.
    """

    ended: str | None
    epoch: float
    stride: int
    errors: list[float]
    tests: list[tuple[int, float]]
    lr: float
    momentum: float
    gradient: list[float]
    update: list[float]
    edits: list[Edits]


@dataclass(frozen=True)
class Frame:
    """Where a session stands.

    Attributes:
        number: that of its scene; step: training steps taken.
        running: whether it trains; rate: training steps of both nets a second.
        walk: the number of the recording of the step that comes, while one is shown; or 0.
        address: of the session; surgeries: those so far; undo: whether the last can be undone.
        nets: of the two nets.
    """

    number: int
    step: int
    running: bool
    rate: float
    walk: int
    address: str
    surgeries: list[Surgery]
    undo: bool
    nets: list[NetFrame]


@dataclass(frozen=True)
class NetLook:
    """What one net makes of the images.

    Attributes:
        std: the standard deviation of each layer's response, over all images, as in training.
        maps: in evaluation, the first feature maps of the stem and of each block, of the image
            chosen.
        probabilities: of the image chosen, one a class.
        wrong: for each image, whether it is classified wrongly.
    """

    std: list[float]
    maps: list[dict[str, Any]]
    probabilities: list[float]
    wrong: list[bool]


@dataclass(frozen=True)
class Look:
    """What both nets make of the images; `image` is the one chosen, `step` when it was."""

    number: int
    step: int
    image: int
    nets: list[NetLook]


@dataclass(frozen=True)
class Notice:
    """A message: `kind` is error, saved or script."""

    kind: str
    text: str


def scene_of(session: Session, number: int) -> Scene:
    """Return the scene of a session."""
    dataset = session.dataset
    images = dataset.test_images[:IMAGES].mean(axis=1)
    return Scene(
        number,
        session.config,
        limits(),
        dataset.name,
        dataset.classes,
        dataset.test_labels[:IMAGES].tolist(),
        maps_of(images, signed=False),
        [list(training.layers) for training in session.trainings],
        [list(training.blocks) for training in session.trainings],
    )


def frame_of(session: Session, number: int, running: bool, rate: float, walk: int = 0) -> Frame:
    """Return the frame of a session."""
    return Frame(
        number,
        session.step,
        running,
        rate,
        walk,
        session.address,
        list(session.done),
        session.can_undo,
        [_net_frame(training) for training in session.trainings],
    )


def _net_frame(training: NetTraining) -> NetFrame:
    trainer, numbers = training.trainer, list(training.numbers())
    rows = trainer.rows[:: len(trainer.rows) // _POINTS + 1]
    return NetFrame(
        training.ended,
        trainer.iteration * trainer.recipe.batch_size / trainer.dataset.train_size,
        training.curve.stride,
        training.curve.means,
        [(row.iteration, row.test_error) for row in rows],
        trainer.schedule.lr,
        trainer.optimiser.momentum,
        [layer.gradient for layer in numbers],
        [layer.update for layer in numbers],
        list(training.edits.values()),
    )


def look_of(session: Session, number: int, image: int) -> Look:
    """Return what both nets make of the images now."""
    images = session.dataset.test_images[:IMAGES]
    labels = session.dataset.test_labels[:IMAGES]
    nets = [_net_look(training, images, labels, image) for training in session.trainings]
    return Look(number, session.step, image, nets)


def _net_look(training: NetTraining, images: Array, labels: Array, image: int) -> NetLook:
    maps: dict[str, Array] = {}

    def see(op: Op, _inputs: Sequence[Array | None], output: Array) -> None:
        maps[op.path] = output[image, :_CHANNELS]  # a block's last ReLU is what stays

    # Of an exploding net, what is computed may be infinite.
    with no_grad(), np.errstate(all="ignore"):
        x = training.inputs(images)
        # By the statistics of these images, as in training, but the running ones stay as they are.
        with set_modes(recomputing=True), watch_layers() as layers:
            training.model(x)
        with forward_hook(see, ops="ReLU"):
            logits = training.model.eval()(x)
        training.model.train()
        chosen = np.exp(F.log_softmax(logits).data[image])
    std = dict(zip(layers.paths, layers.std.tolist(), strict=True))
    return NetLook(
        [std[path] for path in training.layers],
        [maps_of(maps[path], signed=False) for path in ("", *training.blocks)],
        chosen.tolist(),
        (logits.data.argmax(axis=1) != labels).tolist(),
    )


def message(value: Any) -> bytes:
    """Return a dataclass as JSON; a number that is not finite becomes null."""
    return json.dumps(_plain(value), separators=(",", ":"), allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
