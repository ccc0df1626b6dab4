"""Summarise a model: stages, blocks, sizes, parameters and multiply-adds, as in table 1."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ..autograd import Op, Tensor
from ..autograd.hooks import forward_hook
from ..backend import Array
from ..errors import UsageError
from ..modes import no_grad
from ..nn import Conv2d, Identity, Linear, Module
from .blocks import BasicBlock, Block, Bottleneck

# Multiply-adds for a 224x224 image, which the paper calls FLOPs (table 1), and parameters of the
# models for CIFAR-10 (table 6).
PAPER_FLOPS = {
    "resnet18": 1.8e9,
    "resnet34": 3.6e9,
    "resnet50": 3.8e9,
    "resnet101": 7.6e9,
    "resnet152": 11.3e9,
}
PAPER_PARAMETERS = {
    "resnet20": 0.27e6,
    "resnet32": 0.46e6,
    "resnet44": 0.66e6,
    "resnet56": 0.85e6,
    "resnet110": 1.7e6,
    "resnet1202": 19.4e6,
}


@dataclass(frozen=True)
class Part:
    """A block, or a layer outside blocks.

    Attributes:
        path: the module's path: "layer1.0", "conv1", "fc".
        layers: its convolutions or its matrix: "3x3, 64".
        shortcut: "identity", "zero channels", "projection", or "" where there is none.
        shape: the shape of its output for one image, without the batch.
        parameters: the number of its parameters.
        macs: the multiply-adds of its convolutions and matrices for one image.
    """

    path: str
    layers: tuple[str, ...]
    shortcut: str
    shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True)
class Stage:
    """Consecutive parts under one name: the paper's "conv2_x" is torchvision's `layer1`."""

    name: str
    parts: tuple[Part, ...]

    @property
    def parameters(self) -> int:
        """The parameters of all parts."""
        return sum(part.parameters for part in self.parts)

    @property
    def macs(self) -> int:
        """The multiply-adds of all parts."""
        return sum(part.macs for part in self.parts)


def summary(model: Module, image: tuple[int, int, int]) -> list[Stage]:
    """Return the stages of a model of blocks.

    Args:
        model: the model; its mode and its weights are left as they are.
        image: the size (C, H, W) of its input.

    Raises:
        UsageError, ShapeError: the model does not take images of that size.
    """
    if len(image) != 3 or min(image) < 1:
        raise UsageError(f"an image has channels, height and width, got {image}")
    macs, shapes = _measured(model, image)
    parts = [
        Part(path, _layers(module), _shortcut(module), shapes[path], _size(module), macs[path])
        for path, module in _parts(model)
        if path in shapes
    ]
    grouped = groupby(parts, lambda part: part.path.split(".")[0])
    return [Stage(_stage_name(name), tuple(group)) for name, group in grouped]


def compared(
    names: Sequence[str] = ("basic", "bottleneck"), channels: int = 256, size: int = 56
) -> dict[str, Part]:
    """Return a basic block and a bottleneck on the same feature maps (figure 5), without norms.

    Raises:
        UsageError: `names` has another name, or none.
    """
    blocks = {
        "basic": BasicBlock(channels, channels, 1, "A", norm=Identity),
        "bottleneck": Bottleneck(channels, channels // Bottleneck.expansion, 1, "A", norm=Identity),
    }
    if not names or not set(names) <= set(blocks):
        given = ", ".join(names) or "nothing"
        raise UsageError(f"--compare knows {', '.join(blocks)}; got {given}")
    image = channels, size, size
    return {name: summary(blocks[name], image)[0].parts[0] for name in names}


def _measured(
    model: Module, image: tuple[int, int, int]
) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """Return the multiply-adds, and the shape of the last output, of each part."""
    parts = {path for path, _ in _parts(model)}
    macs: dict[str, int] = dict.fromkeys(parts, 0)
    shapes: dict[str, tuple[int, ...]] = {}

    def see(op: Op, inputs: tuple[Array | None, ...], output: Array) -> None:
        path = next((p for p in parts if _is_inside(op.path, p)), "")
        if op.name in ("Conv2d", "Linear"):
            w = inputs[1]
            assert w is not None
            macs[path] = macs.get(path, 0) + output.size * math.prod(w.shape[1:])
        shapes[path] = output.shape[1:]

    training = model.training
    try:
        with no_grad(), forward_hook(see):
            model.eval()(Tensor(np.zeros((1, *image), np.float32)))
    finally:
        model.train(training)
    return macs, shapes


def _parts(model: Module) -> list[tuple[str, Module]]:
    """Return the blocks, and the modules outside blocks that contain no others."""
    found: list[tuple[str, Module]] = []
    for path, module in model.named_modules():
        inside = any(_is_inside(path, p) for p, m in found if isinstance(m, Block))
        leaf = not any(isinstance(m, Module) for m in vars(module).values())
        if not inside and (isinstance(module, Block) or leaf) and not isinstance(module, Identity):
            found.append((path, module))
    return found


def _is_inside(path: str, module: str) -> bool:
    """Return whether a path is a module's or inside it; all are inside "", the model."""
    return module in ("", path) or path.startswith(f"{module}.")


def _layers(module: Module) -> tuple[str, ...]:
    if isinstance(module, Block):
        return tuple(_conv(conv) for conv, _ in module.layers)
    if isinstance(module, Conv2d):
        return (_conv(module),)
    if isinstance(module, Linear):
        return (f"{module.weight.shape[1]} to {module.weight.shape[0]}",)
    return (type(module).__name__,)


def _conv(conv: Conv2d) -> str:
    O, _, kh, kw = conv.weight.shape
    stride = f", stride {conv.stride}" if conv.stride != 1 else ""
    return f"{kh}x{kw}, {O}{stride}"


def _shortcut(module: Module) -> str:
    if not isinstance(module, Block) or module.shortcut is None:
        return ""
    if hasattr(module, "downsample"):
        return "projection"
    return "zero channels" if module.shape_changes else "identity"


def _size(module: Module) -> int:
    return sum(p.size for p in module.parameters())


def _stage_name(name: str) -> str:
    return f"conv{int(name.removeprefix('layer')) + 1}_x" if name.startswith("layer") else name
