"""The operations of resnet-20 and of resnet-18's stem, in minires and in PyTorch, and their floors.

A floor is the least work there is: its arithmetic, or each input read once and each result
written once. (What fits in cache can beat the second.)
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as TF

from minires import Tensor, nn, no_grad
from minires import functional as F

Array = np.ndarray
SIZES = ((16, 32), (32, 16), (64, 8))  # channels and height of resnet-20's stages


@dataclass(frozen=True)
class Work:
    """Floating-point operations, and elements of 4 bytes read and written."""

    flops: float
    elements: float

    def seconds(self, gflops: float, gbytes: float) -> float:
        """The least time, at so many units a second."""
        return max(self.flops / gflops, 4 * self.elements / gbytes) / 1e9


@dataclass(frozen=True)
class Case:
    """An operation, called as `ours(*maps, *parameters)`.

    Attributes:
        maps: what other operations hand it, as they lay it in memory; they have gradients.
        image: whether the only map is a batch of images instead, which has none.
    """

    name: str
    ours: Callable[..., Tensor]
    theirs: Callable[..., torch.Tensor]
    maps: tuple[Array, ...]
    parameters: tuple[Tensor, ...]
    forward: Work
    backward: Work
    image: bool = False


def handed_on(*shape: int) -> Array:
    """Random numbers as an operation of minires hands them on, in its own order in memory."""
    x = np.random.default_rng(0).standard_normal((*shape, 1, 1)[:4], dtype=np.float32)
    through = np.eye(shape[1], dtype=np.float32)[:, :, None, None]
    with no_grad():
        y = F.conv2d(x, through)
        return (y if len(shape) == 4 else F.global_avg_pool2d(y)).data


def conv(N: int, C: int, H: int, O: int, k: int, stride: int, image: bool = False) -> Case:
    layer = nn.Conv2d(C, O, k, stride, k // 2, bias=False)
    if image:
        x = np.random.default_rng(0).standard_normal((N, C, H, H), dtype=np.float32)
    else:
        x = handed_on(N, C, H, H)
    y, w = N * O * (H // stride) ** 2, O * C * k * k
    flops = 2 * y * C * k * k
    return Case(
        f"conv {k}x{k}{f'/{stride}' if stride > 1 else ''}, {C} to {O} @ {H}²",
        lambda x, w: F.conv2d(x, w, None, stride, k // 2),
        lambda x, w: TF.conv2d(x, w, None, stride, k // 2),
        (x,),
        (layer.weight,),
        Work(flops, x.size + w + y),
        Work(flops, x.size + w + y) if image else Work(2 * flops, 2 * x.size + 2 * w + y),
        image,
    )


def _norm(C: int) -> tuple[Callable[..., Tensor], Callable[..., torch.Tensor], tuple[Tensor, ...]]:
    """Batch norm in training, ours and theirs, and its parameters."""
    layer = nn.BatchNorm2d(C)
    mean, var = layer.running_mean, layer.running_var
    their_mean, their_var = torch.zeros(C), torch.ones(C)
    return (
        lambda x, w, b: F.batch_norm(x, mean, var, w, b, training=True),
        lambda x, w, b: TF.batch_norm(x, their_mean, their_var, w, b, training=True),
        (layer.weight, layer.bias),
    )


def batch_norm(N: int, C: int, H: int) -> Case:
    ours, theirs, parameters = _norm(C)
    x = handed_on(N, C, H, H)
    work = Work(0, 2 * x.size), Work(0, 3 * x.size)
    return Case(f"batch norm, {C} @ {H}²", ours, theirs, (x,), parameters, *work)


def block_end(N: int, C: int, H: int) -> Case:
    ours, theirs, parameters = _norm(C)
    x, shortcut = handed_on(N, C, H, H), handed_on(N, C, H, H)
    return Case(
        f"BN + add + ReLU, {C} @ {H}²",
        lambda x, s, w, b: F.relu(ours(x, w, b) + s),
        lambda x, s, w, b: TF.relu(theirs(x, w, b) + s),
        (x, shortcut),
        parameters,
        Work(0, 3 * x.size),
        Work(0, 5 * x.size),
    )


def relu(N: int, C: int, H: int) -> Case:
    x = handed_on(N, C, H, H)
    work = Work(0, 2 * x.size), Work(0, 3 * x.size)
    return Case(f"ReLU, {C} @ {H}²", F.relu, TF.relu, (x,), (), *work)


def add(N: int, C: int, H: int) -> Case:
    a, b = handed_on(N, C, H, H), handed_on(N, C, H, H)
    work = Work(0, 3 * a.size), Work(0, 0)  # the gradient is handed on as it is
    return Case(f"add, {C} @ {H}²", lambda a, b: a + b, lambda a, b: a + b, (a, b), (), *work)


def shortcut(N: int, C: int, H: int) -> Case:
    x = handed_on(N, C, H, H)
    widths = (0, 0, 0, 0, C // 2, C - C // 2)
    return Case(
        f"shortcut A, {C} to {2 * C}, {H}² to {H // 2}²",
        lambda x: F.pad(x[:, :, ::2, ::2], widths),
        lambda x: TF.pad(x[:, :, ::2, ::2], widths),
        (x,),
        (),
        Work(0, 0.75 * x.size),
        Work(0, 1.25 * x.size),
    )


def max_pool(N: int, C: int, H: int) -> Case:
    x = handed_on(N, C, H, H)
    return Case(
        f"max pool 3x3/2, {C} @ {H}²",
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: TF.max_pool2d(x, 3, 2, 1),
        (x,),
        (),
        Work(0, 1.25 * x.size),
        Work(0, 1.25 * x.size),
    )


def global_avg_pool(N: int, C: int, H: int) -> Case:
    x = handed_on(N, C, H, H)
    return Case(
        f"global average pool, {C} @ {H}²",
        F.global_avg_pool2d,
        lambda x: x.mean((2, 3)),
        (x,),
        (),
        Work(0, x.size),
        Work(0, x.size),
    )


def linear(N: int, I: int, O: int) -> Case:
    layer = nn.Linear(I, O)
    assert layer.bias is not None
    x, flops, w = handed_on(N, I), 2 * N * I * O, I * O
    return Case(
        f"linear, {I} to {O}",
        F.linear,
        TF.linear,
        (x,),
        (layer.weight, layer.bias),
        Work(flops, x.size + w + N * O),
        Work(2 * flops, 2 * x.size + 2 * w + N * O),
    )


def cross_entropy(N: int, C: int) -> Case:
    x = handed_on(N, C)
    labels = np.random.default_rng(0).integers(0, C, N)
    theirs = torch.from_numpy(labels)
    return Case(
        f"cross entropy, {C} classes",
        lambda x: F.cross_entropy(x, labels),
        lambda x: TF.cross_entropy(x, theirs),
        (x,),
        (),
        Work(0, x.size),
        Work(0, 2 * x.size),
    )


def cases(N: int) -> Iterator[Case]:
    """One at a time, for their arrays are large; N images of 32x32, N / 8 of 224x224."""
    yield conv(N, 3, 32, 16, 3, 1, image=True)
    yield from (conv(N, C, H, C, 3, 1) for C, H in SIZES)
    yield from (conv(N, C, H, 2 * C, 3, 2) for C, H in SIZES[:2])
    yield from (conv(N, C, H, 2 * C, 1, 2) for C, H in SIZES[:2])
    for make in (batch_norm, relu, add, block_end):
        yield from (make(N, C, H) for C, H in SIZES)
    yield from (shortcut(N, C, H) for C, H in SIZES[:2])
    yield global_avg_pool(N, 64, 8)
    yield linear(N, 64, 10)
    yield cross_entropy(N, 10)
    few = max(N // 8, 1)
    yield conv(few, 3, 224, 64, 7, 2, image=True)
    yield max_pool(few, 64, 112)
