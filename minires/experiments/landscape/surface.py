"""The loss around a net: two random directions, and the loss over the plane they span.

After Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets" (arXiv 1712.09913),
section 4.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ... import functional as F
from ...backend import Array, backend_name, move, placed
from ...data import Dataset
from ...errors import UsageError
from ...modes import no_grad
from ...nn import Module

Direction: TypeAlias = dict[str, Array]  # by the name of a parameter; others stay as they are
Measure: TypeAlias = Callable[[Module], tuple[float, float]]  # the loss and the error of a model


@dataclass(frozen=True)
class Point:
    """A point of the plane, w + alpha d + beta e, with loss and error there.

    Attributes:
        alpha, beta: steps along the first direction d and the second, e.
        loss: the mean cross-entropy of the images, without weight decay.
        error: the share of the images that are classified wrongly, in %.
    """

    alpha: float
    beta: float
    loss: float
    error: float


@dataclass(frozen=True)
class Surface:
    """The loss over the plane.

    Attributes:
        axis: (n,) the steps along either direction.
        losses, errors: (n, n); [i, j] is at alpha = axis[i], beta = axis[j].
    """

    axis: Array
    losses: Array
    errors: Array

    @classmethod
    def of(cls, axis: Array, points: Sequence[Point]) -> "Surface":
        """Return the surface from its points, one for each of `coordinates(axis)`."""
        values = np.array([(point.loss, point.error) for point in points])
        losses, errors = values.reshape(len(axis), len(axis), 2).transpose(2, 0, 1)
        return cls(axis, losses, errors)

    @property
    def centre(self) -> tuple[float, float]:
        """Loss and error of the net itself."""
        middle = len(self.axis) // 2
        return float(self.losses[middle, middle]), float(self.errors[middle, middle])


def axis(points: int, span: float) -> Array:
    """Return equally distant steps from -span to span, exactly 0 in the middle: (points,).

    Raises:
        UsageError: an even number of points, fewer than 3, or no span.
    """
    if points < 3 or points % 2 == 0:
        raise UsageError(
            "points must be odd, so that the net itself is one of them, and at least 3, got "
            f"{points}"
        )
    if not 0 < span <= 100:
        raise UsageError(f"span must be above 0 and at most 100, got {span}")
    half = points // 2
    return np.arange(-half, half + 1) / half * span


def coordinates(steps: Array) -> list[tuple[float, float]]:
    """Return all pairs (alpha, beta) of steps; beta changes faster."""
    return [(float(alpha), float(beta)) for alpha in steps for beta in steps]


def batch_of(dataset: Dataset, images: int, seed: int) -> tuple[Array, Array]:
    """Return random training images, not augmented, float32 (images, C, H, W), and labels.

    Raises:
        UsageError: fewer than 2 images, which have no statistics, or more than there are.
    """
    total = len(dataset.train_images)
    if not 2 <= images <= total:
        raise UsageError(
            f"images must be from 2 to the {total} training images of {dataset.name}, got {images}"
        )
    chosen = np.random.default_rng(seed).permutation(total)[:images]
    return dataset.inputs(dataset.train_images[chosen]), dataset.train_labels[chosen]


def directions(model: Module, seed: int) -> tuple[Direction, Direction]:
    """Return two random normal directions, each filter of which has the norm of the model's own.

    d_ij <- d_ij / |d_ij| · |w_ij| for filter j of layer i, a row of a linear layer being a filter
    too (Li et al. 2018, section 4). A net with batch norm computes the same when a filter is
    twice as large; with this scale a step means the same for every filter of every net. Biases
    and the parameters of batch norm, which have one dimension, are not in a direction.

    Models whose parameters have the same shapes get the same directions but for the norms.
    """
    rng = np.random.default_rng(seed)
    return _direction(model, rng), _direction(model, rng)


def _direction(model: Module, rng: np.random.Generator) -> Direction:
    direction = {}
    for name, parameter in model.named_parameters():
        w = parameter.numpy()
        if w.ndim > 1:
            d = rng.standard_normal(parameter.shape)
            scaled = np.empty_like(w)  # has the strides of w
            scaled[...] = d * (_norms(w) / _norms(d))
            direction[name] = move(scaled, backend_name(parameter.data))
    return direction


def _norms(w: Array) -> Array:
    """Return the norm of each filter: (O, ...) -> (O, 1, ...), in float64."""
    squares = np.square(w, dtype=np.float64)
    return np.sqrt(squares.sum(axis=tuple(range(1, w.ndim)), keepdims=True))


@contextmanager
def moved(
    model: Module, along: tuple[Direction, Direction], alpha: float, beta: float
) -> Iterator[None]:
    """Set the weights to w + alpha d + beta e inside; restore weights, buffers and modes after.

    Batch norm uses the statistics of the batch, as in training, whatever the mode of the model:
    the running ones were gathered at the centre and are wrong for any other weights, more so with
    every layer. They are not updated. (The code published with the paper uses the running ones.)
    """
    d, e = along
    arrays = [(tensor, tensor.data) for _, tensor in model.named_tensors()]
    modes = [(module, module.training) for _, module in model.named_modules()]
    try:
        for name, tensor in model.named_tensors():
            step = alpha * d[name] + beta * e[name] if name in d else 0
            tensor.data = tensor.data + step  # a new array, also of the running statistics
        model.train()
        yield
    finally:
        for tensor, array in arrays:
            tensor.data = array
        for module, mode in modes:
            module.training = mode


def classification(x: Array, labels: Array) -> Measure:
    """Return a measure of how a model classifies a batch: mean cross-entropy, and error in %.

    Args:
        x: images as the net takes them, (N, C, H, W).
        labels: integers, (N,).
    """
    x, labels = placed(x), placed(labels)  # once for all points

    def measure(model: Module) -> tuple[float, float]:
        logits = model(x)
        wrong = (logits.data.argmax(axis=1) != labels).mean()
        return F.cross_entropy(logits, labels).item(), 100 * float(wrong)

    return measure


def surface(
    model: Module,
    along: tuple[Direction, Direction],
    steps: Array,
    measure: Measure,
    known: Sequence[Point] = (),
) -> Generator[Point, None, Surface]:
    """Measure the loss at every point of the plane; return the surface.

    Between two points the model is as it was before, so that a caller may stop anywhere.

    Args:
        model: a model with the weights in the middle of the plane.
        along: the two directions.
        steps: (n,) along either of them, from `axis`.
        measure: returns the loss and the error of the model with its present weights.
        known: the first points, from an earlier call; they are not measured again.

    Yields:
        Each point that was measured.
    """
    points = list(known)
    for point in points_at(model, along, coordinates(steps)[len(points) :], measure):
        points.append(point)
        yield point
    return Surface.of(steps, points)


def points_at(
    model: Module,
    along: tuple[Direction, Direction],
    pairs: Iterable[tuple[float, float]],
    measure: Measure,
) -> Iterator[Point]:
    """Yield the point at each pair (alpha, beta); arguments and model as for `surface`."""
    for alpha, beta in pairs:
        with moved(model, along, alpha, beta), no_grad():
            point = Point(alpha, beta, *measure(model))
        yield point
