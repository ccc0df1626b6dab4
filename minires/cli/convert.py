"""`minires convert`: write the weights in a file, PyTorch's or another, as safetensors."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..errors import UsageError
from ..weights.loading import renamed, stored_tensors
from ..weights.safetensors_file import write_tensors
from .app import command, say
from .options import old_and_new
from .output import writing
from .shared import Key


@command(
    "minires convert resnet50.pth resnet50.safetensors",
    "minires convert checkpoint.pth net.safetensors --key ema.state_dict --rename module.=",
)
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Weights: .pth, .pt, safetensors.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write: .safetensors.")],
    rename: Annotated[
        list[str] | None,
        typer.Option(
            help="OLD=NEW: another beginning for names, such as module.= to take it off; "
            "may be given several times.",
            metavar="OLD=NEW",
        ),
    ] = None,
    key: Key = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
) -> None:
    """Write the tensors of a weights file as safetensors, a format that cannot run code.

    Tensors keep their names, shapes and types (bfloat16 becomes float32). Nothing of IN is run:
    a file that asks for anything but tensors is an error. A file OUT is only replaced with --force.
    """
    if out.suffix != ".safetensors":
        raise UsageError(f"OUT must end in .safetensors, got {out}")
    if out.exists() and not force:
        raise UsageError(f"{out} exists; add --force to replace it")
    tensors, passed_over = stored_tensors(source, key)
    for beginning, other in map(old_and_new, rename or []):
        if not any(name.startswith(beginning) for name in tensors):
            raise UsageError(
                f"no tensor in {source} has a name that begins with {beginning!r}; "
                f"the first is {next(iter(tensors), 'none')}"
            )
        tensors = renamed(tensors, {beginning: other}, source)
    arrays = {name: np.asarray(tensor) for name, tensor in tensors.items()}
    with writing(out):
        write_tensors(out, arrays)
    for sentence in passed_over:
        say(sentence)
    numbers = sum(array.size for array in arrays.values())
    say(f"weights: {out} ({len(arrays):,} tensors of {numbers:,} numbers)")
