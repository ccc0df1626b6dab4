"""Cases for gradient checks: the operations that layers and losses apply."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd import Tensor
from ..ops.batchnorm import BatchNorm, BatchNormInference
from ..ops.conv import Conv2d
from ..ops.loss import CrossEntropy, LogSoftmax, NegativeLogLikelihood
from ..ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from .smooth_inputs import Case, Draw


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

    return [
        Case(BatchNorm, "(N, C)", training, (normal(5, 3), nonzero(3), normal(3))),
        Case(BatchNorm, "(N, C, H, W)", training, (normal(2, 3, 2, 3), nonzero(3), normal(3))),
        Case(BatchNorm, "of fixed x", training, (fixed(2, 3, 2, 3), nonzero(3), normal(3))),
        Case(
            BatchNorm,
            "without w and b",
            lambda x: F.batch_norm(x, None, None, training=True),
            (normal(5, 3),),
        ),
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
    weight, ignored = draw.positive(5).data, int(labels[0])
    return [
        Case(LogSoftmax, "rows", F.log_softmax, (normal(3, 4),)),
        Case(LogSoftmax, "columns", lambda x: F.log_softmax(x, 0), (normal(3, 4),)),
        Case(LogSoftmax, "softmax", lambda x: x.softmax(1), (normal(3, 4),)),
        Case(CrossEntropy, "alone", lambda x: F.cross_entropy(x, labels), (normal(4, 5),)),
        Case(
            CrossEntropy,
            "label smoothing 0.1",
            lambda x: F.cross_entropy(x, labels, label_smoothing=0.1),
            (normal(4, 5),),
        ),
        Case(
            NegativeLogLikelihood,
            "classes weighted, one image ignored",
            lambda x: F.cross_entropy(x, labels, weight, ignore_index=ignored, reduction="none"),
            (normal(4, 5),),
        ),
        Case(
            NegativeLogLikelihood,
            "classes weighted, label smoothing 0.1",
            lambda x: F.cross_entropy(x, labels, weight, label_smoothing=0.1),
            (normal(4, 5),),
        ),
    ]


FAMILIES = (_convolution, _norm, _pools, _losses)
