"""Export of models to ONNX files.

A forward pass is recorded by a hook, and each operation becomes its counterpart in ONNX. The pass
runs with one image and again with two others: both must give the same graph with the same
constants, so that the file holds for any number of images.
"""

import weakref
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import Op, Tensor
from ..backend import Array, to_numpy
from ..errors import UsageError
from ..files import write_atomically
from ..inspect import forward_hook
from ..modes import no_grad
from ..nn import Module
from .onnx_nodes import COUNTERPARTS

OPSET = 17  # of ONNX's operators, of 2022
_IR = 8  # the file format that came with it
_INPUT, _OUTPUT, _BATCH = "input", "output", "N"


def export_onnx(model: Module, path: str | Path, image: tuple[int, ...]) -> None:
    """Write what `model` computes in evaluation, for any number of images of the shape `image`.

    The file has the input "input" (N, *image) and the output "output" (N, ...), both of the
    model's dtype, and the weights under their own names; its opset is 17.

    Raises:
        UsageError: the package `onnx` is missing; a size of `image` is below 1; an operation has
            no counterpart in ONNX, or does something else for another number of images.
        ShapeError: the model does not take such images.
    """
    if any(n < 1 for n in image):
        raise UsageError(f"an image that is exported for has sizes of at least 1, got {image}")
    onnx = _onnx()
    one, two = (_record(model, image, batch) for batch in (1, 2))
    _expect_same(one, two)
    content = _model(onnx, one).SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    write_atomically(path, content)


def _onnx() -> Any:
    try:
        return import_module("onnx")
    except ImportError as error:
        raise UsageError(
            f"an export to ONNX needs the package onnx, which cannot be imported ({error}); "
            "install minires[onnx]"
        ) from error


# --- recording ----------------------------------------------------------------------------


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
        self._taken = {_INPUT, _OUTPUT}
        self._weights: dict[int, str] = {}
        for name, tensor in model.named_tensors():
            self._weights.setdefault(id(tensor.data), self._free(name))
        # Of arrays that an operation made: weak, so that the pass keeps no more than it needs.
        self._made: dict[int, tuple[weakref.ref[Array], str]] = {}
        self._remember(images, _INPUT)

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
        self._remember(output, make(self, op, *(self.name(x) for x in inputs if x is not None)))

    def end(self, output: Array) -> None:
        """Mark the array (N, ...) that the model returned as the output."""
        made_by = self._made.get(id(output))
        if made_by is None or made_by[0]() is not output or made_by[1] == _INPUT:
            raise UsageError(
                "a model that is exported must make its output by operations of minires"
            )
        for node in self.nodes:
            node.inputs = [_OUTPUT if x == made_by[1] else x for x in node.inputs]
            node.output = _OUTPUT if node.output == made_by[1] else node.output
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

    def _remember(self, array: Array, name: str) -> None:
        self._made[id(array)] = weakref.ref(array), name

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


def _record(model: Module, image: tuple[int, ...], batch: int) -> Recording:
    """Record a pass of random images in evaluation."""
    weight = next((tensor for _, tensor in model.named_tensors()), None)
    dtype = np.dtype(np.float32) if weight is None else weight.dtype
    x = Tensor(np.random.default_rng(batch).standard_normal((batch, *image)), dtype=dtype)
    recording = Recording(model, x.data)
    training = model.training
    try:
        with no_grad(), forward_hook(recording.see):
            y = model.eval()(x).data
    finally:
        model.train(training)
    if y.shape[:1] != (batch,):
        raise UsageError(
            f"a model that is exported must make one output an image; for {batch} images it made "
            f"the shape {y.shape}"
        )
    recording.end(y)
    return recording


def _expect_same(one: Recording, two: Recording) -> None:
    """Raise UsageError if the graphs of two numbers of images differ."""
    for a, b in zip(one.nodes, two.nodes, strict=False):
        constants = [
            (one.constants[name], two.constants[name])
            for name in a.inputs
            if name in one.constants and name in two.constants
        ]
        if a != b or not all(u is v or np.array_equal(u, v) for u, v in constants):
            raise UsageError(
                f"{a.made_by.label} ({a.made_by.where}) does one thing for one image and another "
                "for two; a model that is exported must take any number"
            )
    if one.output != two.output:
        raise UsageError(
            f"the output for an image has the shape {one.output} where there is one image, and "
            f"{two.output} where there are two; a model that is exported must take any number"
        )


def _model(onnx: Any, recording: Recording) -> Any:
    """Return the graph as an ONNX model."""
    make = onnx.helper
    kind = make.np_dtype_to_tensor_dtype(recording.dtype)
    graph = make.make_graph(
        [
            make.make_node(n.kind, n.inputs, [n.output], name=n.name, **n.attributes)
            for n in recording.nodes
        ],
        "minires",
        [make.make_tensor_value_info(_INPUT, kind, [_BATCH, *recording.image])],
        [make.make_tensor_value_info(_OUTPUT, kind, [_BATCH, *recording.output])],
        [
            onnx.numpy_helper.from_array(np.asarray(to_numpy(array), order="C"), name)
            for name, array in recording.constants.items()
        ],
    )
    versions = {"opset_imports": [make.make_opsetid("", OPSET)], "ir_version": _IR}
    return make.make_model(graph, producer_name="minires", **versions)
