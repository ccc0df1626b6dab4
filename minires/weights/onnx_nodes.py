"""The counterpart of each operation in ONNX (opset 17): one node, sometimes two."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..autograd import Op
from ..errors import UsageError
from ..ops.arithmetic import Add, Div, Exp, Log, Mul, Neg, Pow, Sub
from ..ops.batchnorm import BatchNormInference
from ..ops.conv import Conv2d
from ..ops.loss import LogSoftmax
from ..ops.matmul import Linear, Matmul
from ..ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d, Pool2d
from ..ops.relu import ReLU
from ..ops.reshape import Index, Pad, Permute, Reshape

if TYPE_CHECKING:
    from .onnx import Recording

_TO_THE_END = 2**63 - 1

MakeNode: TypeAlias = Callable[..., str]  # (recording, op, the names of its inputs) -> its output's


def _same(kind: str, recording: "Recording", op: Op, *inputs: str) -> str:
    """Add an operation that has no attributes."""
    return recording.node(kind, *inputs)


def _conv(recording: "Recording", op: Conv2d, *inputs: str) -> str:
    return recording.node("Conv", *inputs, strides=op.stride, pads=op.padding * 2)


def _batch_norm(recording: "Recording", op: BatchNormInference, *inputs: str) -> str:
    moments = recording.name(op.mean), recording.name(op.var)
    return recording.node("BatchNormalization", *inputs, *moments, epsilon=op.eps)


def _pool(kind: str, recording: "Recording", op: Pool2d, x: str, **attributes: Any) -> str:
    window = {"kernel_shape": op.kernel, "strides": op.stride, "pads": op.padding * 2}
    return recording.node(kind, x, **window, **attributes)


def _global_pool(recording: "Recording", op: GlobalAvgPool2d, x: str) -> str:
    return recording.node("Flatten", recording.node("GlobalAveragePool", x), axis=1)


def _linear(recording: "Recording", op: Linear, *inputs: str) -> str:
    return recording.node("Gemm", *inputs, transB=1)


def _power(recording: "Recording", op: Pow, x: str) -> str:
    return recording.node("Pow", x, recording.constant("exponent", op.exponent, recording.dtype))


def _reshape(recording: "Recording", op: Reshape, x: str) -> str:
    shape = list(op.shape)
    if shape[:1] == list(op.input_shapes[0][:1]):
        shape[0] = 0  # as many as there are
    return recording.node("Reshape", x, recording.constant("shape", shape, np.int64))


def _permute(recording: "Recording", op: Permute, x: str) -> str:
    return recording.node("Transpose", x, perm=op.dims)


def _pad(recording: "Recording", op: Pad, x: str) -> str:
    before_then_after = np.transpose(op.widths).ravel()
    widths = recording.constant("widths", before_then_after, np.int64)
    return recording.node("Pad", x, widths, recording.constant("value", op.value, recording.dtype))


def _log_softmax(recording: "Recording", op: LogSoftmax, x: str) -> str:
    return recording.node("LogSoftmax", x, axis=op.dim)


def _index(recording: "Recording", op: Index, x: str) -> str:
    slices = _slices(op)
    ranges = {
        "starts": [part.start or 0 for part in slices.values()],
        "ends": [_TO_THE_END if part.stop is None else part.stop for part in slices.values()],
        "axes": list(slices),
        "steps": [part.step or 1 for part in slices.values()],
    }
    named = (recording.constant(what, numbers, np.int64) for what, numbers in ranges.items())
    return recording.node("Slice", x, *named)


def _slices(op: Index) -> dict[int, slice]:
    """Return the slice of each dimension that a key has.

    Raises:
        UsageError: the key has something other than slices, or a slice that goes backwards.
    """
    key = list(op.key)
    for part in key:
        if part is not ... and not (
            isinstance(part, slice) and (part.step is None or part.step > 0)
        ):
            raise UsageError(
                f"{op.label} cannot be exported with {part!r:.60} as an index; "
                "only slices that go forwards can"
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
