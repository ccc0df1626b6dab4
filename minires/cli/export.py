"""`minires export`: write a trained model as an ONNX file."""

from pathlib import Path
from typing import Annotated

import typer

from ..models import NetSpec
from ..weights import export_onnx, load_weights
from ..weights.loading import first_and_last, stored_tensors
from .app import command, say
from .output import sizes, writing
from .shared import NET, Input, Key, ShortcutOption, StrideIn


@command(
    "minires export resnet18 --weights resnet18.pth --out resnet18.onnx",
    "minires export resnet20 --weights net.safetensors --input 1x8x8 --out resnet20.onnx",
)
def export(
    net: Annotated[str, NET],
    weights: Annotated[Path, typer.Option(help="Its weights: safetensors, .pth or .pt.")],
    out: Annotated[Path, typer.Option(help="ONNX file to write; one that exists is replaced.")],
    image: Input = None,
    shortcut: ShortcutOption = None,
    stride_in: StrideIn = "3x3",
    key: Key = None,
) -> None:
    """Write a trained model as an ONNX file (opset 17), to be used without minires.

    The file takes any number of images of one size, normalised as for training, and gives logits.
    Needs the package onnx: pip install ".[onnx]", in a copy of the repository.
    """
    channels, classes = first_and_last(stored_tensors(weights, key)[0])
    channels = channels or 3
    spec = NetSpec.parse(net, "any", shortcut, stride_in)
    model = spec.build(classes, channels)
    load_weights(model, weights, key=key)
    size = image or spec.image(channels)
    with writing(out):
        export_onnx(model, out, size)
    images = sizes(("N", *size))
    say(f"model: {out} ({out.stat().st_size / 1e6:.1f} MB), which takes images {images}")
