"""How long does one training step take on a GPU, beside PyTorch, and what does it consist of?

    python benchmarks/gpu_train_step.py                                # about 6 minutes
    python benchmarks/gpu_train_step.py --nets resnet110@128,resnet50@64

Needs an NVIDIA GPU, CuPy and a PyTorch for CUDA. Engines run in processes of their own and take
turns; afterwards each is alone on the GPU for one step that is looked into. Prints a table and
writes benchmarks/results/gpu_train_step.json.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from common import RESULTS, listed, machine, ms, ratio, timing, write
from engines import ON_GPU
from engines.minires import built
from engines.nets import net_of
from processes import Engine, StoppedError, compare, console, installed, medians
from rich.table import Table

from minires.backend import load
from minires.errors import DeviceError
from minires.models.summary import summary

TURN = 0.2  # seconds
THREADS = 4  # on the CPU, for what launches the kernels
FEW = "minires-graph,minires-graph-tf32,pytorch-graph,pytorch-graph-tf32,pytorch-eager"
WARMUP = 6  # steps: kernels are compiled and graphs captured in the first few
LANES = {(8, 0): 64}  # float32 multiply-adds a clock and multiprocessor, where they are not 128


def gpu() -> dict[str, Any]:
    """The GPU, and how many float32 operations it can do in a second.

    Ends the program with a sentence where there is none to be measured on.
    """
    try:
        cupy = load("cupy")
    except DeviceError as error:
        sys.exit(f"this benchmark needs a GPU: {error}")
    if not torch.cuda.is_available():
        sys.exit("this benchmark needs a PyTorch that can use the GPU, beside which to measure")
    facts = torch.cuda.get_device_properties(0)
    capability = (facts.major, facts.minor)
    hertz = 1000 * cupy.cuda.Device().attributes["ClockRate"]
    return {
        "gpu": facts.name,
        "gpu_mb": facts.total_memory / 2**20,
        "flops": 2 * LANES.get(capability, 128) * facts.multi_processor_count * hertz,
        "cupy": cupy.__version__,
        "cuda": torch.version.cuda,
    }


def floor(net: str, batch: int, flops: float) -> float:
    """The seconds that the arithmetic of a step takes at the most that the GPU can do in float32.

    Forward and two gradients are three products of as many multiply-adds.
    """
    net_, image = built(net_of(net)), net_of(net).image
    macs = sum(stage.macs for stage in summary(net_, image))
    return 3 * 2 * macs * batch / flops


def looked_into(name: str, net: str, batch: int, python: str) -> dict[str, float]:
    """Launches, kernels and memory of a step of an engine that is alone on the GPU.

    Nothing, if its process ends: not every machine lets a profiler look.
    """
    engine = Engine("training", name, net, batch, THREADS, python)
    try:
        engine.warm_up(WARMUP)
        launches, kernels, megabytes = engine.ask("gpu")
    except StoppedError:
        console.print(f"{name} could not be looked into: its process ended", markup=False)
        return {}
    finally:
        engine.close()
    return {"launches": launches, "kernels": kernels, "gpu_mb": megabytes}


def measure(
    net: str, batch: int, pythons: dict[str, str], rounds: int, flops: float
) -> dict[str, Any]:
    """Seconds a step by engine, taken in turn, and what a step consists of."""
    turns = dict.fromkeys(pythons, rounds)
    raced = compare("training", net, batch, pythons, THREADS, turns, WARMUP, TURN)
    seconds = {name: medians(turns) for name, (turns, _) in raced.items()}
    first = next(iter(seconds.values()))
    least = floor(net, batch, flops)
    figures = {
        name: {
            **timing(taken),
            "ratio": ratio(taken, first),
            "share_of_float32_peak": least / timing(taken)["median_s"],
        }
        for name, taken in seconds.items()
    }
    return {"net": net, "batch": batch, "float32_floor_s": least, "engines": figures}


def table(result: dict[str, Any]) -> Table:
    """The figures of a net and batch size for a reader."""
    first = next(iter(result["engines"]))
    floor_ = ms(result["float32_floor_s"])
    title = f"{result['net']}, batch {result['batch']}; float32 arithmetic alone: {floor_}"
    columns = ("median", "min", "max", f"/ {first}", "of float32 peak", "launches", "kernels")
    shown = Table(title, *columns, "memory, MB")
    for name, r in result["engines"].items():
        times = [ms(r[key]) for key in ("median_s", "min_s", "max_s")]
        keys = ("launches", "kernels", "gpu_mb")
        counts = [f"{r[key]:,.0f}" if key in r else "" for key in keys]
        shares = f"{r['ratio']:.2f}", f"{100 * r['share_of_float32_peak']:.0f} %"
        shown.add_row(name, *times, *shares, *counts)
    return shown


def main(
    nets: Annotated[
        str, typer.Option(help="By commas, each with its batch size.")
    ] = "resnet56@128,resnet20@128",
    engines: Annotated[str, typer.Option(help=f"By commas, of {', '.join(ON_GPU)}.")] = FEW,
    rounds: Annotated[int, typer.Option(help="Turns that count.")] = 9,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "gpu_train_step.json",
) -> None:
    """Time training steps of minires on a GPU beside those of PyTorch."""
    facts = machine(THREADS) | gpu()
    found = installed(listed(engines), [])
    pythons = {name: python for name, (python, _) in found.items()}
    facts["engines"] = {name: versions for name, (_, versions) in found.items()}
    results: list[dict[str, Any]] = []
    for case in listed(nets):
        net, _, batch = case.partition("@")
        result = measure(net, int(batch or 128), pythons, rounds, facts["flops"])
        results.append(result)
        write(out, facts, results=results)  # whatever happens when a step is looked into
        for name, figures in result["engines"].items():
            figures.update(looked_into(name, net, int(batch or 128), pythons[name]))
        write(out, facts, results=results)
        console.print(table(result))


if __name__ == "__main__":
    typer.run(main)
