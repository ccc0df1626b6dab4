"""Export of models to ONNX files.

A forward pass is recorded by a hook, and each operation becomes its counterpart in ONNX. The pass
runs with one image and again with two others: both must give the same graph with the same
constants, so that the file holds for any number of images.
"""

from pathlib import Path
from typing import Any

import numpy as np

from .. import arguments
from ..arguments import is_integer, shown
from ..autograd import Tensor
from ..backend import to_numpy
from ..errors import DataError, UsageError
from ..files import write_atomically
from ..inspect import forward_hook
from ..modes import no_grad
from ..nn import Module
from .onnx_nodes import INPUT, OUTPUT, Recording

OPSET = 17  # of ONNX's operators, of 2022
_IR = 8  # the file format that came with it
_BATCH = "N"


def export_onnx(model: Module, path: str | Path, image: tuple[int, ...]) -> None:
    """Write what `model` computes in evaluation, for any number of images of the shape `image`.

    The file has the input "input" (N, *image) and the output "output" (N, ...), both of the
    model's dtype, and the weights under their own names; its opset is 17.

    Raises:
        UsageError: the package `onnx` is missing; a size of `image` is below 1; an operation has
            no counterpart in ONNX, or does something else for another number of images.
        ShapeError: the model does not take such images.
        DataError: the file cannot be written.
    """
    if not isinstance(model, Module):
        raise UsageError(f"a model is exported, got {shown(model)}")
    path = arguments.path(path, "path")
    if not isinstance(image, tuple | list) or not all(is_integer(n) and n >= 1 for n in image):
        raise UsageError(
            f"an image that is exported for has sizes of at least 1, got {shown(image)}"
        )
    try:
        import onnx
    except ImportError as error:
        raise UsageError(
            f"an export to ONNX needs the package onnx, which cannot be imported ({error}); "
            'pip install ".[onnx]", in a copy of the repository, brings it'
        ) from error
    one, two = (_record(model, image, batch) for batch in (1, 2))
    _expect_same(one, two)
    content = _model(onnx, one).SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    try:
        write_atomically(path, content)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


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
        [make.make_tensor_value_info(INPUT, kind, [_BATCH, *recording.image])],
        [make.make_tensor_value_info(OUTPUT, kind, [_BATCH, *recording.output])],
        [
            onnx.numpy_helper.from_array(np.asarray(to_numpy(array), order="C"), name)
            for name, array in recording.constants.items()
        ],
    )
    versions = {"opset_imports": [make.make_opsetid("", OPSET)], "ir_version": _IR}
    return make.make_model(graph, producer_name="minires", **versions)
