"""A gradient check for every operation, for the tests and for a user's machine."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd import Op, Tensor
from ..autograd.gradcheck import gradcheck
from ..errors import MiniresError
from ..ops.arithmetic import Add, Div, Exp, Log, Mul, Neg, Pow, Sub
from ..ops.batchnorm import BatchNorm, BatchNormInference, SyncBatchNorm
from ..ops.conv import Conv2d
from ..ops.loss import CrossEntropy, LogSoftmax
from ..ops.matmul import Linear, Matmul
from ..ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from ..ops.reduce import Max, Mean, Sum
from ..ops.relu import ReLU
from ..ops.reshape import Index, Pad, Permute, Reshape
from .smooth_inputs import Draw


@dataclass(frozen=True)
class Case:
    """One use of an operation: `function(*inputs)` runs `op` and is smooth around `inputs`."""

    op: type[Op]
    label: str
    function: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Result:
    """The outcome of a case.

    Attributes:
        case: the case.
        error: the largest difference, as a share of the largest gradient; NaN after a failure.
        seconds: the time it took.
        failure: what is wrong, or None.
    """

    case: Case
    error: float
    seconds: float
    failure: str | None


def check(case: Case) -> Result:
    """Compare the backward pass of a case with differences."""
    error, failure, started = np.nan, None, time.perf_counter()
    try:
        error = gradcheck(case.function, case.inputs)
    except MiniresError as raised:
        failure = str(raised)
    return Result(case, error, time.perf_counter() - started, failure)


def cases(seed: int = 0) -> list[Case]:
    """Return cases for every class of `minires.ops.ALL`; the same ones for the same seed."""
    draw = Draw(seed)
    families = (_arithmetic, _products, _reductions, _shapes, _convolution, _norm, _pools, _losses)
    return [case for family in families for case in family(draw)]


def _arithmetic(draw: Draw) -> list[Case]:
    normal, positive, nonzero = draw.normal, draw.positive, draw.nonzero
    return [
        Case(Add, "same shapes", lambda a, b: a + b, (normal(2, 3), normal(2, 3))),
        Case(Add, "a row and a column", lambda a, b: a + b, (normal(3), normal(2, 1))),
        Case(Add, "a single number", lambda a, b: a + b, (normal(2, 3), normal())),
        Case(Add, "x + x", lambda x: x + x, (normal(2, 3),)),
        Case(Add, "residual addition x + f(x)", lambda x: x + (x * x).exp(), (normal(2, 3),)),
        Case(Sub, "same shapes", lambda a, b: a - b, (normal(2, 3), normal(2, 3))),
        Case(Sub, "a row and a column", lambda a, b: a - b, (normal(3), normal(2, 1))),
        Case(Mul, "same shapes", lambda a, b: a * b, (nonzero(2, 3), nonzero(2, 3))),
        Case(Mul, "a row and a column", lambda a, b: a * b, (nonzero(3), nonzero(2, 1))),
        Case(Mul, "x x", lambda x: x * x, (nonzero(2, 3),)),
        Case(Div, "same shapes", lambda a, b: a / b, (nonzero(2, 3), nonzero(2, 3))),
        Case(Div, "a row and a column", lambda a, b: a / b, (nonzero(3), nonzero(2, 1))),
        Case(Div, "a number by x", lambda x: 2 / x, (nonzero(2, 3),)),
        Case(Neg, "alone", lambda x: -x, (normal(2, 3),)),
        Case(Pow, "square", lambda x: x**2, (nonzero(2, 3),)),
        Case(Pow, "cube", lambda x: x**3, (nonzero(2, 3),)),
        Case(Pow, "root", lambda x: x**0.5, (positive(2, 3),)),
        Case(Pow, "inverse", lambda x: x**-1, (nonzero(2, 3),)),
        Case(Exp, "alone", lambda x: x.exp(), (normal(2, 3),)),
        Case(Log, "alone", lambda x: x.log(), (positive(2, 3),)),
        Case(ReLU, "alone", F.relu, (nonzero(3, 4),)),
        Case(
            ReLU,
            "residual addition relu(x + relu(x))",
            lambda x: F.relu(x + F.relu(x)),
            (nonzero(3, 4),),
        ),
    ]


def _products(draw: Draw) -> list[Case]:
    normal, fixed = draw.normal, draw.fixed
    return [
        Case(Matmul, "matrices", lambda a, b: a @ b, (normal(2, 3), normal(3, 4))),
        Case(Matmul, "stacks", lambda a, b: a @ b, (normal(2, 2, 3), normal(2, 3, 2))),
        Case(Matmul, "stacks broadcast", lambda a, b: a @ b, (normal(2, 1, 2, 3), normal(3, 3, 2))),
        Case(Matmul, "one of them twice", lambda x: x @ x.T, (normal(2, 3),)),
        Case(Linear, "with bias", F.linear, (normal(3, 4), normal(2, 4), normal(2))),
        Case(Linear, "without bias", F.linear, (normal(3, 4), normal(2, 4))),
        Case(Linear, "of fixed x", F.linear, (fixed(3, 4), normal(2, 4), normal(2))),
    ]


def _reductions(draw: Draw) -> list[Case]:
    normal, distinct = draw.normal, draw.distinct
    return [
        Case(Sum, "all", lambda x: x.sum(), (normal(2, 3),)),
        Case(Sum, "columns", lambda x: x.sum(0), (normal(2, 3),)),
        Case(Sum, "two dimensions, kept", lambda x: x.sum((0, -1), True), (normal(2, 3, 2),)),
        Case(Mean, "all", lambda x: x.mean(), (normal(2, 3),)),
        Case(Mean, "rows", lambda x: x.mean(-1), (normal(2, 3),)),
        Case(Mean, "two dimensions, kept", lambda x: x.mean((0, 2), True), (normal(2, 3, 2),)),
        Case(Max, "all", lambda x: x.max(), (distinct(2, 3),)),
        Case(Max, "rows", lambda x: x.max(1), (distinct(2, 3),)),
        Case(Max, "two dimensions, kept", lambda x: x.max((0, 2), True), (distinct(2, 3, 2),)),
    ]


def _shapes(draw: Draw) -> list[Case]:
    normal, mask = draw.normal, np.array([True, False, True])
    repeated = np.array([0, 2, 0, 0])
    return [
        Case(Reshape, "alone", lambda x: x.reshape(3, -1), (normal(2, 3),)),
        Case(Reshape, "flatten", lambda x: x.flatten(1), (normal(2, 3, 2),)),
        Case(Permute, "turn", lambda x: x.permute(1, 2, 0), (normal(2, 3, 4),)),
        Case(Permute, "exchange", lambda x: x.transpose(0, -1), (normal(2, 3, 4),)),
        Case(Pad, "feature maps", lambda x: F.pad(x, (1, 2, 0, 1)), (normal(1, 2, 2, 3),)),
        Case(Pad, "channels, not 0", lambda x: F.pad(x, (0, 0, 1, 1), 3.0), (normal(2, 2, 3),)),
        Case(Index, "an element", lambda x: x[1, 2], (normal(2, 3),)),
        Case(Index, "slices", lambda x: x[1:, ::-2], (normal(3, 4),)),
        Case(Index, "a new dimension", lambda x: x[..., None, 1], (normal(2, 3),)),
        Case(Index, "a mask", lambda x: x[mask], (normal(3, 2),)),
        Case(Index, "rows, some repeated", lambda x: x[repeated], (normal(3, 2),)),
        Case(Index, "elements, repeated", lambda x: x[[0, 1, 0], [2, 2, 2]], (normal(2, 3),)),
        Case(Index, "shortcut A", lambda x: F.shortcut_a(x, 5, 2), (normal(2, 2, 3, 4),)),
        Case(Pad, "shortcut A", lambda x: F.shortcut_a(x, 5, 2), (normal(2, 2, 3, 4),)),
    ]


def _convolution(draw: Draw) -> list[Case]:
    normal, fixed = draw.normal, draw.fixed

    def conv(stride: Any = 1, padding: Any = 0) -> Callable[..., Tensor]:
        return lambda x, w, b=None: F.conv2d(x, w, b, stride, padding)

    x, w, b = (2, 2, 5, 4), (3, 2, 3, 3), 3
    return [
        Case(Conv2d, "3x3", conv(), (normal(*x), normal(*w))),
        Case(Conv2d, "3x3, bias", conv(), (normal(*x), normal(*w), normal(b))),
        Case(Conv2d, "3x3, padding 1", conv(1, 1), (normal(*x), normal(*w))),
        Case(Conv2d, "3x3, stride 2, padding 1", conv(2, 1), (normal(*x), normal(*w))),
        Case(Conv2d, "3x3, last row left over", conv(2), (normal(1, 2, 6, 6), normal(*w))),
        Case(Conv2d, "1x1", conv(), (normal(*x), normal(3, 2, 1, 1))),
        Case(Conv2d, "1x1, stride 2", conv(2), (normal(*x), normal(3, 2, 1, 1))),
        Case(
            Conv2d,
            "2x3, stride (1, 2), padding (0, 1), bias",
            conv((1, 2), (0, 1)),
            (normal(*x), normal(3, 2, 2, 3), normal(b)),
        ),
        Case(Conv2d, "of fixed x", conv(1, 1), (fixed(*x), normal(*w), normal(b))),
        Case(Conv2d, "with fixed w", conv(2, 1), (normal(*x), fixed(*w))),
    ]


def _norm(draw: Draw) -> list[Case]:
    normal, nonzero, fixed = draw.normal, draw.nonzero, draw.fixed
    # float32, which goes with inputs of either type.
    mean, var = (Tensor(t, dtype=np.float32) for t in (fixed(3), draw.positive(3)))

    def training(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, w, b, training=True)

    def inference(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return F.batch_norm(x, mean, var, w, b)

    def on_one_rank(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, w, b, training=True, total=lambda own: own)

    return [
        Case(BatchNorm, "(N, C)", training, (normal(5, 3), nonzero(3), normal(3))),
        Case(BatchNorm, "(N, C, H, W)", training, (normal(2, 3, 2, 3), nonzero(3), normal(3))),
        Case(BatchNorm, "of fixed x", training, (fixed(2, 3, 2, 3), nonzero(3), normal(3))),
        Case(SyncBatchNorm, "one rank", on_one_rank, (normal(2, 3, 2, 3), nonzero(3), normal(3))),
        Case(BatchNormInference, "(N, C)", inference, (normal(5, 3), nonzero(3), normal(3))),
        Case(
            BatchNormInference,
            "(N, C, H, W)",
            inference,
            (normal(2, 3, 2, 3), nonzero(3), normal(3)),
        ),
    ]


def _pools(draw: Draw) -> list[Case]:
    windows: tuple[tuple[str, tuple[Any, ...], tuple[int, ...]], ...] = (
        ("2x2", (2,), (2, 2, 4, 4)),
        ("3x3, stride 2, padding 1", (3, 2, 1), (2, 2, 5, 6)),
        ("3x2, stride (1, 2), padding (1, 0)", ((3, 2), (1, 2), (1, 0)), (1, 2, 4, 5)),
    )
    pools = ((MaxPool2d, F.max_pool2d, draw.distinct), (AvgPool2d, F.avg_pool2d, draw.normal))
    return [
        *(
            Case(op, label, lambda x, pool=pool, window=window: pool(x, *window), (make(*shape),))
            for op, pool, make in pools
            for label, window, shape in windows
        ),
        Case(GlobalAvgPool2d, "alone", F.global_avg_pool2d, (draw.normal(2, 3, 2, 3),)),
    ]


def _losses(draw: Draw) -> list[Case]:
    normal, labels = draw.normal, draw.labels(4, 5)
    return [
        Case(LogSoftmax, "rows", F.log_softmax, (normal(3, 4),)),
        Case(LogSoftmax, "columns", lambda x: F.log_softmax(x, 0), (normal(3, 4),)),
        Case(CrossEntropy, "alone", lambda x: F.cross_entropy(x, labels), (normal(4, 5),)),
        Case(
            CrossEntropy,
            "label smoothing 0.1",
            lambda x: F.cross_entropy(x, labels, label_smoothing=0.1),
            (normal(4, 5),),
        ),
    ]
