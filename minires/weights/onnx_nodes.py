"""What each operation is in ONNX (opset 17): a node, sometimes two."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..autograd import Op
from ..errors import UsageError, expect
from ..ops.arithmetic import Add, Div, Exp, Log, Mul, Neg, Pow, Sub
from ..ops.batchnorm import BatchNormInference
from ..ops.conv import Conv2d
from ..ops.loss import LogSoftmax
from ..ops.matmul import Linear, Matmul
from ..ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d, Pool2d
from ..ops.relu import ReLU
from ..ops.reshape import Index, Pad, Permute, Reshape

if TYPE_CHECKING:
    from .onnx import Watched

_TO_THE_END = 2**63 - 1

MakeNode: TypeAlias = Callable[..., str]  # (watched, op, the names of its inputs) -> its output's


def _same(kind: str, watched: "Watched", op: Op, *inputs: str) -> str:
    """An operation that has inputs alone."""
    return watched.node(kind, *inputs)


def _conv(watched: "Watched", op: Conv2d, *inputs: str) -> str:
    return watched.node("Conv", *inputs, strides=op.stride, pads=op.padding * 2)


def _batch_norm(watched: "Watched", op: BatchNormInference, *inputs: str) -> str:
    moments = watched.name(op.mean), watched.name(op.var)
    return watched.node("BatchNormalization", *inputs, *moments, epsilon=op.eps)


def _pool(kind: str, watched: "Watched", op: Pool2d, x: str, **attributes: Any) -> str:
    places = {"kernel_shape": op.kernel, "strides": op.stride, "pads": op.padding * 2}
    return watched.node(kind, x, **places, **attributes)


def _global_pool(watched: "Watched", op: GlobalAvgPool2d, x: str) -> str:
    return watched.node("Flatten", watched.node("GlobalAveragePool", x), axis=1)


def _linear(watched: "Watched", op: Linear, *inputs: str) -> str:
    return watched.node("Gemm", *inputs, transB=1)


def _power(watched: "Watched", op: Pow, x: str) -> str:
    return watched.node("Pow", x, watched.constant("exponent", op.exponent, watched.dtype))


def _reshape(watched: "Watched", op: Reshape, x: str) -> str:
    shape = list(op.shape)
    if shape[:1] == list(op.input_shapes[0][:1]):
        shape[0] = 0  # as many as there are
    return watched.node("Reshape", x, watched.constant("shape", shape, np.int64))


def _permute(watched: "Watched", op: Permute, x: str) -> str:
    return watched.node("Transpose", x, perm=op.dims)


def _pad(watched: "Watched", op: Pad, x: str) -> str:
    before_then_after = np.transpose(op.widths).ravel()
    widths = watched.constant("widths", before_then_after, np.int64)
    return watched.node("Pad", x, widths, watched.constant("value", op.value, watched.dtype))


def _log_softmax(watched: "Watched", op: LogSoftmax, x: str) -> str:
    return watched.node("LogSoftmax", x, axis=op.dim)


def _index(watched: "Watched", op: Index, x: str) -> str:
    slices = _slices(op)
    places = {
        "starts": [part.start or 0 for part in slices.values()],
        "ends": [_TO_THE_END if part.stop is None else part.stop for part in slices.values()],
        "axes": list(slices),
        "steps": [part.step or 1 for part in slices.values()],
    }
    named = (watched.constant(what, numbers, np.int64) for what, numbers in places.items())
    return watched.node("Slice", x, *named)


def _slices(op: Index) -> dict[int, slice]:
    """What a key takes, by dimension.

    Raises:
        UsageError: there is something other than slices in it, or one that goes backwards.
    """
    key = list(op.key)
    for part in key:
        expect(
            part is ... or (isinstance(part, slice) and (part.step is None or part.step > 0)),
            UsageError,
            f"{op.label} cannot be exported with {part!r:.60} as an index; "
            "only slices that go forwards can",
        )
    if ... in key:
        at = key.index(...)
        key[at : at + 1] = [slice(None)] * (len(op.input_shapes[0]) - len(key) + 1)
    return dict(enumerate(key))


COUNTERPARTS: dict[type[Op], MakeNode] = {
    Add: partial(_same, "Add"),
    Sub: partial(_same, "Sub"),
    Mul: partial(_same, "Mul"),
    Div: partial(_same, "Div"),
    Neg: partial(_same, "Neg"),
    Exp: partial(_same, "Exp"),
    Log: partial(_same, "Log"),
    Pow: _power,
    Matmul: partial(_same, "MatMul"),
    Linear: _linear,
    Reshape: _reshape,
    Permute: _permute,
    Pad: _pad,
    Index: _index,
    ReLU: partial(_same, "Relu"),
    Conv2d: _conv,
    BatchNormInference: _batch_norm,
    MaxPool2d: partial(_pool, "MaxPool"),
    AvgPool2d: partial(_pool, "AveragePool", count_include_pad=1),
    GlobalAvgPool2d: _global_pool,
    LogSoftmax: _log_softmax,
}
