"""How long do a net's weights take to load, and how much memory, the model included?

    python benchmarks/loading.py

Each way is a process of its own, and they take turns. The peak is VmHWM, the resident memory that
Linux counts: of the interpreter, the libraries, the model, and mapped pages of the file. PyTorch
and safetensors, the peers, only make a dict of tensors, without a model. Files are in the cache of
the system. Prints a table and writes benchmarks/results/loading.json.
"""

import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from common import RESULTS, machine, ms, timing, write
from rich.console import Console
from rich.table import Table

from minires import save_weights
from minires.models import imagenet_net
from minires.nn import Module

_MINIRES = (
    "import minires; from minires.models import imagenet_net",
    "net = imagenet_net(NET)",
    "minires.load_weights(net, PATH)",
)
# What a process imports, makes, and does while its time is taken; and the file it reads.
WAYS = {
    "minires, .pth": ("pth", *_MINIRES),
    "minires, .safetensors": ("safetensors", *_MINIRES),
    "torch.load, a dict": ("pth", "import torch", "pass", "weights = torch.load(PATH)"),
    "safetensors.numpy, a dict": (
        *("safetensors", "from safetensors.numpy import load_file", "pass"),
        "weights = load_file(PATH)",
    ),
}

_PROCESS = """
import time
from pathlib import Path

def memory(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) * 1024

NET, PATH = {net!r}, {path!r}
{imports}
before = memory("VmRSS")
{make}
started = time.perf_counter()
{load}
print(time.perf_counter() - started, memory("VmHWM"), before)
"""


def save(net: str, folder: Path) -> dict[str, Path]:
    """The net's weights as both kinds of file."""
    model: Module = imagenet_net(net)
    files = {kind: folder / f"{net}.{kind}" for kind in ("pth", "safetensors")}
    save_weights(model, files["safetensors"])
    torch.save({k: torch.from_numpy(a) for k, a in model.state_dict().items()}, files["pth"])
    return files


def turn(way: str, net: str, files: dict[str, Path]) -> tuple[float, int, int]:
    """Seconds, the peak and what was there before, in bytes."""
    kind, imports, make, load = WAYS[way]
    code = _PROCESS.format(net=net, path=str(files[kind]), imports=imports, make=make, load=load)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, peak, before = done.stdout.split()
    return float(seconds), int(peak), int(before)


def measure(net: str, rounds: int, folder: Path) -> dict[str, Any]:
    """Figures by way."""
    files = save(net, folder)
    turns: dict[str, list[tuple[float, int, int]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            turns[way].append(turn(way, net, files))
    ways: dict[str, Any] = {}
    for way, taken in turns.items():
        size = files[WAYS[way][0]].stat().st_size
        peak, before = (statistics.median(t[i] for t in taken) for i in (1, 2))
        ways[way] = {
            **timing([t[0] for t in taken]),
            "file_mb": size / 1e6,
            "peak_mb": peak / 1e6,
            "before_mb": before / 1e6,
            "peak_of_file": peak / size,
        }
    return {"net": net, "rounds": rounds, "ways": ways}


def table(result: dict[str, Any]) -> Table:
    """The figures for a reader."""
    shown = Table(result["net"], "seconds", "file", "peak", "peak / file", "before")
    for way, r in result["ways"].items():
        sizes = (f"{r['file_mb']:.0f} MB", f"{r['peak_mb']:.0f} MB", f"{r['peak_of_file']:.2f}")
        shown.add_row(way, ms(r["median_s"]), *sizes, f"{r['before_mb']:.0f} MB")
    return shown


def main(
    net: Annotated[str, typer.Option(help="A net for large images.")] = "resnet152",
    rounds: Annotated[int, typer.Option(help="Turns of each way.")] = 5,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "loading.json",
) -> None:
    """Load weights in several ways."""
    with tempfile.TemporaryDirectory() as folder:
        result = measure(net, rounds, Path(folder))
    facts = {name: version(name) for name in ("torch", "safetensors")}
    write(out, {**machine(1), **facts}, loading=result)
    Console(highlight=False).print(table(result))


if __name__ == "__main__":
    typer.run(main)
