"""Options that are no settings of a run, each declared once."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from .. import data
from ..backend import use
from ..data import Dataset
from ..experiments.degradation import Config
from ..kernels import all_threads
from ..models.blocks import Shortcut
from ..vision.folder_images import WORKERS
from .completion import nets_of
from .options import INTEGER, shape


def _use(context: typer.Context, name: str | None) -> str | None:
    """Make a backend that was asked for the default one, until the command has ended."""
    if name is not None:
        context.with_resource(use(name))
    return name


def _limit(context: typer.Context, threads: int | None) -> int | None:
    """Use so many threads, if a number was given, until the command has ended."""
    if threads is not None:
        context.with_resource(all_threads(threads))
    return threads


Threads: TypeAlias = Annotated[
    int | None,
    typer.Option(
        callback=_limit,
        help="Threads to compute with; OMP_NUM_THREADS, or the number of CPUs, by default.",
        **INTEGER,
    ),
]
_BACKEND = Config.__dataclass_fields__["backend"].metadata["help"]
Backend: TypeAlias = Annotated[str | None, typer.Option(callback=_use, help=_BACKEND)]
NET: Any = typer.Argument(
    autocompletion=nets_of("any"),
    help="A model such as resnet110, preact164, resnet50 or cifar-resnet50.",
)
DataDir: TypeAlias = Annotated[
    Path | None, typer.Option(help="Folder with CIFAR-10's binary files, or their archive.")
]
Download: TypeAlias = Annotated[
    bool, typer.Option("--download", help="Fetch CIFAR-10 from its home page (170 MB), once.")
]
Input: TypeAlias = Annotated[
    Any,
    typer.Option(
        "--input",
        parser=shape,
        metavar="<str>",
        help="Channels, height and width, such as 3x224x224; the model's usual ones by default.",
    ),
]
ShortcutOption: TypeAlias = Annotated[
    Shortcut | None, typer.Option("--shortcut", parser=str, metavar="<str>", help="A, B or C.")
]
Key: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Where in a .pth file the tensors are, such as net or ema.state_dict; by default they "
        "are found."
    ),
]
StrideIn: TypeAlias = Annotated[
    str,
    typer.Option(
        help="Where a bottleneck has its stride: 3x3 (the default) or 1x1.", show_default=False
    ),
]
GraphOption: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--graph/--no-graph",
        help="Record a training step and replay it, which changes nothing but the time: NumPy's "
        "calls without the Python between them, or one CUDA graph. Default: on a CPU.",
        show_default=False,
    ),
]
Until: TypeAlias = Annotated[
    int | None,
    typer.Option(
        help="Stop each model after so many epochs of its schedule; --resume trains on.", **INTEGER
    ),
]
Decoders: TypeAlias = Annotated[
    int,
    typer.Option(
        help=f"Processes that decode images, {WORKERS} by default; the result does not depend on "
        "it.",
        show_default=False,
        **INTEGER,
    ),
]
Out: TypeAlias = Annotated[
    Path | None, typer.Option(help="Run folder to make; runs/COMMAND-N by default.")
]
Resume: TypeAlias = Annotated[
    bool, typer.Option("--resume", help="Resume the run in --out, where it stopped.")
]
Strict: TypeAlias = Annotated[
    bool,
    typer.Option("--strict", help="Stop at files that cannot be decoded, not leave them out."),
]


def data_loader(data_dir: Path | None, download: bool) -> Callable[[Config], Dataset]:
    """Return a function that loads the dataset of a configuration."""
    return lambda config: data.load(config.dataset, data_dir, download)
