"""A forward pass as a graph of ONNX's operations (opset 17): one node for each of ours, or two."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..autograd import Op
from ..backend import Array
from ..errors import UsageError
from ..nn import Module
from ..ops.arithmetic import Add, Div, Exp, Log, Mul, Neg, Pow, Sub
from ..ops.batchnorm import BatchNormInference
from ..ops.conv import Conv2d
from ..ops.loss import LogSoftmax
from ..ops.matmul import Linear, Matmul
from ..ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d, Pool2d
from ..ops.relu import ReLU
from ..ops.reshape import Index, Pad, Permute, Reshape

INPUT, OUTPUT = "input", "output"
_TO_THE_END = 2**63 - 1


@dataclass
class Node:
    """A node of an ONNX graph; all fields but `made_by` go to the file."""

    name: str
    kind: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any]
    made_by: Op = field(compare=False)


class Recording:
    """A forward pass as a graph of ONNX's operations.

    Attributes:
        nodes: in the order they ran.
        constants: weights by their names in the model, and other arrays.
        image, output: shapes of the input and the output, without the batch.
        dtype: of all floating point arrays.
    """

    def __init__(self, model: Module, images: Array) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self.image = images.shape[1:]
        self.output: tuple[int, ...] = ()
        self.dtype = images.dtype
        self._op: Op | None = None  # the one whose counterpart is being made
        self._taken = {INPUT, OUTPUT}
        self._weights: dict[int, str] = {}
        for name, tensor in model.named_tensors():
            self._weights.setdefault(id(tensor.data), self._free(name))
        # Of arrays that an operation made: weak, so that the pass keeps no more than it needs.
        self._made: dict[int, tuple[weakref.ref[Array], str]] = {
            id(images): (weakref.ref(images), INPUT)
        }

    def see(self, op: Op, inputs: tuple[Array | None, ...], output: Array) -> None:
        """Add the counterpart of an operation that ran."""
        make = next((make for kind, make in COUNTERPARTS.items() if isinstance(op, kind)), None)
        if make is None:
            known = ", ".join(sorted(kind.__name__ for kind in COUNTERPARTS))
            raise UsageError(
                f"{op.label} cannot be exported: it has no counterpart in ONNX here; "
                f"those that have one are {known}"
            )
        self._op = op
        name = make(self, op, *(self.name(x) for x in inputs if x is not None))
        self._made[id(output)] = weakref.ref(output), name

    def end(self, output: Array) -> None:
        """Mark the array (N, ...) that the model returned as the output."""
        made_by = self._made.get(id(output))
        if made_by is None or made_by[0]() is not output or made_by[1] == INPUT:
            raise UsageError(
                "a model that is exported must make its output by operations of minires"
            )
        for node in self.nodes:
            node.inputs = [OUTPUT if x == made_by[1] else x for x in node.inputs]
            node.output = OUTPUT if node.output == made_by[1] else node.output
        self.output = output.shape[1:]

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        assert self._op is not None
        name = self._free(kind)
        self.nodes.append(Node(name, kind, list(inputs), name, attributes, self._op))
        return name

    def name(self, array: Array) -> str:
        """Return the name of an array: an operation's output, a weight, or else a new constant."""
        made, name = self._made.get(id(array), (None, ""))
        if made is not None and made() is array:
            return name
        if id(array) in self._weights:
            name = self._weights[id(array)]
            self.constants[name] = array
            return name
        return self.constant("constant", array)

    def constant(self, what: str, values: Any, dtype: Any = None) -> str:
        """Add a constant that is no weight and return its name."""
        name = self._free(what)
        self.constants[name] = np.asarray(values, dtype)
        return name

    def _free(self, what: str) -> str:
        """Return a new name within the operation: "layer1.0.Add", or "layer1.0.Add_2"."""
        path = self._op.path if self._op is not None else ""
        name = f"{path}.{what}".lstrip(".")
        number, free = 1, name
        while free in self._taken:
            number += 1
            free = f"{name}_{number}"
        self._taken.add(free)
        return free


def _same(kind: str, nodes: Recording, op: Op, *inputs: str, **attributes: Any) -> str:
    """Add an operation whose attributes are the same in every model."""
    return nodes.node(kind, *inputs, **attributes)


def _conv(nodes: Recording, op: Conv2d, *inputs: str) -> str:
    return nodes.node("Conv", *inputs, strides=op.stride, pads=op.padding * 2)


def _batch_norm(nodes: Recording, op: BatchNormInference, *inputs: str) -> str:
    moments = nodes.name(op.mean), nodes.name(op.var)
    return nodes.node("BatchNormalization", *inputs, *moments, epsilon=op.eps)


def _pool(kind: str, nodes: Recording, op: Pool2d, x: str, **attributes: Any) -> str:
    window = {"kernel_shape": op.kernel_size, "strides": op.stride, "pads": op.padding * 2}
    return nodes.node(kind, x, **window, **attributes)


def _global_pool(nodes: Recording, op: GlobalAvgPool2d, x: str) -> str:
    return nodes.node("Flatten", nodes.node("GlobalAveragePool", x), axis=1)


def _power(nodes: Recording, op: Pow, x: str) -> str:
    return nodes.node("Pow", x, nodes.constant("exponent", op.exponent, nodes.dtype))


def _reshape(nodes: Recording, op: Reshape, x: str) -> str:
    shape = list(op.shape)
    if shape[:1] == list(op.input_shapes[0][:1]):
        shape[0] = 0  # as many as there are
    return nodes.node("Reshape", x, nodes.constant("shape", shape, np.int64))


def _pad(nodes: Recording, op: Pad, x: str) -> str:
    before_then_after = np.transpose(op.widths).ravel()
    widths = nodes.constant("widths", before_then_after, np.int64)
    return nodes.node("Pad", x, widths, nodes.constant("value", op.value, nodes.dtype))


def _index(nodes: Recording, op: Index, x: str) -> str:
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
    ranges = {
        "starts": [part.start or 0 for part in key],
        "ends": [_TO_THE_END if part.stop is None else part.stop for part in key],
        "axes": list(range(len(key))),
        "steps": [part.step or 1 for part in key],
    }
    named = (nodes.constant(what, numbers, np.int64) for what, numbers in ranges.items())
    return nodes.node("Slice", x, *named)


# Each adds the nodes of an operation, called with (recording, op, *names of its inputs), and
# returns the name of the output.
COUNTERPARTS: dict[type[Op], Callable[..., str]] = {
    Add: partial(_same, "Add"),
    Sub: partial(_same, "Sub"),
    Mul: partial(_same, "Mul"),
    Div: partial(_same, "Div"),
    Neg: partial(_same, "Neg"),
    Exp: partial(_same, "Exp"),
    Log: partial(_same, "Log"),
    Pow: _power,
    Matmul: partial(_same, "MatMul"),
    Linear: partial(_same, "Gemm", transB=1),
    Reshape: _reshape,
    Permute: lambda nodes, op, x: nodes.node("Transpose", x, perm=op.dims),
    Pad: _pad,
    Index: _index,
    ReLU: partial(_same, "Relu"),
    Conv2d: _conv,
    BatchNormInference: _batch_norm,
    MaxPool2d: partial(_pool, "MaxPool"),
    AvgPool2d: partial(_pool, "AveragePool", count_include_pad=1),
    GlobalAvgPool2d: _global_pool,
    LogSoftmax: lambda nodes, op, x: nodes.node("LogSoftmax", x, axis=op.dim),
}
