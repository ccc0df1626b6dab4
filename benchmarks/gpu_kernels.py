"""Which kernels does a training step on a GPU consist of, and how long does each take?

    python benchmarks/gpu_kernels.py resnet56@128 --engines minires-graph,minires-graph-tf32

Needs an NVIDIA GPU, CuPy and a PyTorch for CUDA, whose profiler looks at one step of each engine.
Prints a table for each and writes benchmarks/results/gpu_kernels.json. `busy` is the sum over the
kernels, `span` the time from the beginning of the first to the end of the last.
"""

import importlib
import sys
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from common import RESULTS, listed, machine, write
from engines import ON_GPU, Step
from engines.nets import net_of
from gpu_train_step import gpu
from processes import console
from rich.table import Table
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

WARMUP = 6  # steps: kernels are compiled and graphs captured in the first few


def looked_into(step: Step) -> dict[str, Any]:
    """The kernels of a step by the time they take, and their number, in microseconds."""
    for _ in range(WARMUP):
        step()
    torch.cuda.init()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        step()
        torch.cuda.synchronize()
    events = [event for event in seen.events() if event.device_type == DeviceType.CUDA]
    if not events:
        sys.exit("the profiler saw no kernel; it may not be allowed to look on this machine")
    taken: dict[str, list[float]] = defaultdict(list)
    for event in events:
        taken[event.name].append(event.time_range.elapsed_us())
    by_time = sorted(taken.items(), key=lambda item: -sum(item[1]))
    first = min(event.time_range.start for event in events)
    return {
        "kernels": [{"name": name, "count": len(us), "us": sum(us)} for name, us in by_time],
        "count": len(events),
        "busy_us": sum(map(sum, taken.values())),
        "span_us": max(event.time_range.end for event in events) - first,
    }


def table(title: str, result: dict[str, Any]) -> Table:
    """The kernels of a step for a reader."""
    head = f"{title}: {result['count']} kernels"
    total = f"busy {result['busy_us']:,.0f} us, span {result['span_us']:,.0f} us"
    shown = Table("kernel", "count", "us", "each", title=head, caption=total)
    for kernel in result["kernels"]:
        each = kernel["us"] / kernel["count"]
        shown.add_row(
            kernel["name"][:60], str(kernel["count"]), f"{kernel['us']:,.0f}", f"{each:.1f}"
        )
    return shown


def main(
    case: Annotated[str, typer.Argument(help="NET@BATCH.")] = "resnet56@128",
    engines: Annotated[str, typer.Option(help=f"By commas, of {', '.join(ON_GPU)}.")] = (
        "minires-graph,minires-graph-tf32"
    ),
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "gpu_kernels.json",
) -> None:
    """Look into one training step."""
    net, _, batch = case.partition("@")
    results: dict[str, Any] = {}
    facts = machine(1) | gpu()
    for name in listed(engines):
        kind = ON_GPU[name]
        module = importlib.import_module(f"engines.{kind.module}")
        step = module.training(net_of(net), int(batch or 128), **kind.settings)
        results[name] = looked_into(step)
        write(out, facts, case=case, results=results)
        console.print(table(f"{name}, {case}", results[name]))


if __name__ == "__main__":
    typer.run(main)
