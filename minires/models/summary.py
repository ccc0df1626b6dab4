"""What a net is made of: stages, blocks, sizes, weights and multiply-adds, as in table 1."""

import math
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ..autograd import Op, Tensor
from ..autograd.hooks import forward_hook
from ..backend import Array
from ..errors import UsageError, expect
from ..modes import no_grad
from ..nn import Conv2d, Identity, Linear, Module
from .blocks import BasicBlock, Block, Bottleneck

# Multiply-adds of a 224x224 image, which the paper calls FLOPs (table 1), by net; and parameters of
# the nets for CIFAR-10 in millions (table 6).
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
    """A block, or a layer outside of blocks.

    Attributes:
        path: of the module: "layer1.0", "conv1", "fc".
        layers: its convolutions or its matrix, in words: "3x3, 64".
        shortcut: "identity", "zero channels", "projection", or "" where there is none.
        shape: of its output for one image, without the batch.
        parameters: how many numbers are trained in it.
        macs: multiplications of convolutions and matrices for one image.
    """

    path: str
    layers: tuple[str, ...]
    shortcut: str
    shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True)
class Stage:
    """Parts that belong together: "conv2_x" of the paper is `layer1` of torchvision."""

    name: str
    parts: tuple[Part, ...]

    @property
    def parameters(self) -> int:
        """Of all parts."""
        return sum(part.parameters for part in self.parts)

    @property
    def macs(self) -> int:
        """Of all parts."""
        return sum(part.macs for part in self.parts)


def summary(model: Module, image: tuple[int, int, int]) -> list[Stage]:
    """The stages of a net of blocks, for an image (C, H, W).

    Raises:
        UsageError, ShapeError: the image is none that the net takes.
    """
    expect(
        len(image) == 3 and all(n >= 1 for n in image),
        UsageError,
        f"an image has channels, height and width, got {image}",
    )
    macs, shapes = _measured(model, image)
    parts = [
        Part(path, _layers(module), _shortcut(module), shapes[path], _size(module), macs[path])
        for path, module in _parts(model)
        if path in shapes
    ]
    grouped = groupby(parts, lambda part: part.path.split(".")[0])
    return [Stage(_stage_name(name), tuple(group)) for name, group in grouped]


def compared(channels: int = 256, size: int = 56) -> dict[str, Part]:
    """A basic block and a bottleneck on the same maps (figure 5), without their norms."""
    blocks = {
        "basic": BasicBlock(channels, channels, 1, "A", norm=Identity),
        "bottleneck": Bottleneck(channels, channels // Bottleneck.expansion, 1, "A", norm=Identity),
    }
    image = channels, size, size
    return {name: summary(block, image)[0].parts[0] for name, block in blocks.items()}


def _measured(
    model: Module, image: tuple[int, int, int]
) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """Multiplications, and the shape of the last output, of each part."""
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
    """Blocks, and what is outside of them and has no modules of its own."""
    found: list[tuple[str, Module]] = []
    for path, module in model.named_modules():
        inside = any(_is_inside(path, p) for p, m in found if isinstance(m, Block))
        leaf = not any(isinstance(m, Module) for m in vars(module).values())
        if not inside and (isinstance(module, Block) or leaf) and not isinstance(module, Identity):
            found.append((path, module))
    return found


def _is_inside(path: str, module: str) -> bool:
    """Whether a path is that of a module, or of something in it; all are inside of "", the net."""
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
