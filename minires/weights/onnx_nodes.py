"""The counterpart of each operation in ONNX (opset 17): one node, sometimes two."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np

from ..autograd import Op
from ..backend import Array
from ..errors import UsageError
from ..ops.arithmetic import Add, Div, Exp, Log, Mul, Neg, Pow, Sub
from ..ops.batchnorm import BatchNormInference
from ..ops.conv import Conv2d
from ..ops.loss import LogSoftmax
from ..ops.matmul import Linear, Matmul
from ..ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d, Pool2d
from ..ops.relu import ReLU
from ..ops.reshape import Index, Pad, Permute, Reshape

_TO_THE_END = 2**63 - 1


class Nodes(Protocol):
    """The part of a recording that makes nodes; see `minires.weights.onnx.Recording`."""

    @property
    def dtype(self) -> Any:
        """The type of all numbers."""

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of its output."""

    def name(self, array: Array) -> str:
        """Return the name of an array."""

    def constant(self, what: str, values: Any, dtype: Any = None) -> str:
        """Return the name of a constant."""


MakeNode: TypeAlias = Callable[..., str]  # (nodes, op, the names of its inputs) -> its output's


def _same(kind: str, nodes: Nodes, op: Op, *inputs: str) -> str:
    """Add an operation that has no attributes."""
    return nodes.node(kind, *inputs)


def _conv(nodes: Nodes, op: Conv2d, *inputs: str) -> str:
    return nodes.node("Conv", *inputs, strides=op.stride, pads=op.padding * 2)


def _batch_norm(nodes: Nodes, op: BatchNormInference, *inputs: str) -> str:
    moments = nodes.name(op.mean), nodes.name(op.var)
    return nodes.node("BatchNormalization", *inputs, *moments, epsilon=op.eps)


def _pool(kind: str, nodes: Nodes, op: Pool2d, x: str, **attributes: Any) -> str:
    window = {"kernel_shape": op.kernel_size, "strides": op.stride, "pads": op.padding * 2}
    return nodes.node(kind, x, **window, **attributes)


def _global_pool(nodes: Nodes, op: GlobalAvgPool2d, x: str) -> str:
    return nodes.node("Flatten", nodes.node("GlobalAveragePool", x), axis=1)


def _linear(nodes: Nodes, op: Linear, *inputs: str) -> str:
    return nodes.node("Gemm", *inputs, transB=1)


def _power(nodes: Nodes, op: Pow, x: str) -> str:
    return nodes.node("Pow", x, nodes.constant("exponent", op.exponent, nodes.dtype))


def _reshape(nodes: Nodes, op: Reshape, x: str) -> str:
    shape = list(op.shape)
    if shape[:1] == list(op.input_shapes[0][:1]):
        shape[0] = 0  # as many as there are
    return nodes.node("Reshape", x, nodes.constant("shape", shape, np.int64))


def _permute(nodes: Nodes, op: Permute, x: str) -> str:
    return nodes.node("Transpose", x, perm=op.dims)


def _pad(nodes: Nodes, op: Pad, x: str) -> str:
    before_then_after = np.transpose(op.widths).ravel()
    widths = nodes.constant("widths", before_then_after, np.int64)
    return nodes.node("Pad", x, widths, nodes.constant("value", op.value, nodes.dtype))


def _log_softmax(nodes: Nodes, op: LogSoftmax, x: str) -> str:
    return nodes.node("LogSoftmax", x, axis=op.dim)


def _index(nodes: Nodes, op: Index, x: str) -> str:
    slices = _slices(op)
    ranges = {
        "starts": [part.start or 0 for part in slices.values()],
        "ends": [_TO_THE_END if part.stop is None else part.stop for part in slices.values()],
        "axes": list(slices),
        "steps": [part.step or 1 for part in slices.values()],
    }
    named = (nodes.constant(what, numbers, np.int64) for what, numbers in ranges.items())
    return nodes.node("Slice", x, *named)


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
