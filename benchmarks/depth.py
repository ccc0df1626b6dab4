"""What does a training step of a very deep net cost, with checkpointing and without?

    python benchmarks/depth.py

Residual nets of 20 to 1202 layers on images of 3x32x32. With checkpointing, every so many blocks as
need the least memory (`minires memory` says how many). Each measurement is a process of its own;
the peak is VmHWM, the resident memory that Linux counts, less what the process took before the net.
To each series a power of the depth is fitted. Prints a table and writes
benchmarks/results/depth.json and, beside it, depth.png.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from common import RESULTS, listed, machine, timing, write
from rich.console import Console
from rich.table import Table
from scaling import Fit, fitted

from minires.inspect.memory import Profile
from minires.models import NetSpec

IMAGE = (3, 32, 32)
WAYS = {"all": "all is kept", "checkpointed": "checkpointed"}
COLUMNS = {"median_s": ("time of a step", "s"), "net_mb": ("memory", "MB")}

STEPS = """
import sys, time
from pathlib import Path
import numpy as np
import minires
from minires import functional as F, models, optim

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

depth, batch, every, steps, threads = map(int, sys.argv[1:])
minires.set_num_threads(threads)
before = peak()
minires.manual_seed(0)
model = models.cifar_resnet(depth, checkpoint_every=every or None)
optimiser = optim.SGD(model.parameters(), 0.001, 0.9, 1e-4)
x = np.random.default_rng(0).standard_normal((batch, 3, 32, 32), dtype=np.float32)
taken = []
for _ in range(1 + steps):
    started = time.perf_counter()
    loss = F.cross_entropy(model(x), np.arange(batch) % 10)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    taken.append(time.perf_counter() - started)
print(peak() - before, *taken[1:])
"""


def measure(depth: int, batch: int, every: int | None, steps: int, threads: int) -> dict[str, Any]:
    """Time and peak memory of a step; the first step does not count."""
    arguments = map(str, (depth, batch, every or 0, steps, threads))
    done = subprocess.run(
        [sys.executable, "-c", STEPS, *arguments],
        env={**os.environ, "OPENBLAS_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=True,
    )
    peak, *seconds = map(float, done.stdout.split())
    return {"depth": depth, "every": every, **timing(seconds), "net_mb": peak / 1e6}


def fits(points: list[dict[str, Any]]) -> dict[str, Fit]:
    """Powers of the depth, for time and memory."""
    depths = [p["depth"] for p in points]
    return {key: fitted(depths, [p[key] for p in points], power=True) for key in COLUMNS}


def table(series: dict[str, list[dict[str, Any]]], batch: int) -> Table:
    """The figures for a reader."""
    shown = Table("layers", title=f"residual nets, batch {batch} of 3x32x32", title_justify="left")
    for name in ("", "time of a step", "memory", "predicted"):
        shown.add_column(name, justify="right")
    for pair in zip(*series.values(), strict=True):
        for p in pair:
            way = "all is kept" if p["every"] is None else f"every {p['every']} blocks"
            memory = (f"{p[key]:,.0f} MB" for key in ("net_mb", "predicted_mb"))
            shown.add_row(str(p["depth"]), way, f"{p['median_s']:.2f} s", *memory)
    return shown


def figure_of(series: dict[str, list[dict[str, Any]]], title: str) -> Any:
    """Time and memory against depth, both by powers of ten: a power is a straight line."""
    from matplotlib.figure import Figure  # here, so that the parent of the processes is small

    figure = Figure(figsize=(10, 4.6), dpi=150, layout="constrained")
    styles = {"all": ("#440154", "-", "o"), "checkpointed": ("#35b779", "--", "s")}
    for axes, (key, (label, unit)) in zip(figure.subplots(1, 2), COLUMNS.items(), strict=True):
        for way, points in series.items():
            colour, dashes, marker = styles[way]
            depths = np.array([p["depth"] for p in points], float)
            fit = fits(points)[key]
            words = f"{WAYS[way]}: depth$^{{{fit.slope:.2f}}}$, R² {fit.r2:.4f}"
            axes.plot(depths, [p[key] for p in points], marker, color=colour)
            axes.plot(depths, fit(depths), dashes, color=colour, lw=1.6, marker="", label=words)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(depths, [f"{depth:.0f}" for depth in depths])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("layers")
        axes.set_ylabel(f"{label} ({unit})")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left")
    figure.suptitle(title, fontsize=10, color="#444444")
    return figure


def main(
    depths: Annotated[str, typer.Option(help="Layers, by commas.")] = "20,56,110,218,434,1202",
    batch: Annotated[int, typer.Option(help="Images a step.")] = 32,
    steps: Annotated[int, typer.Option(help="Steps that count.")] = 3,
    threads: Annotated[int, typer.Option(help="Of minires and of BLAS.")] = 2,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "depth.json",
) -> None:
    """Time training steps along depth."""
    console = Console(highlight=False)
    series: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for depth in map(int, listed(depths)):
        profile = Profile.of(NetSpec("resnet", depth), IMAGE)
        for way, every in (("all", None), ("checkpointed", profile.best_checkpoint(batch))):
            needed = profile.memory(batch, every).total
            measured = measure(depth, batch, every, steps, threads)
            series[way].append({**measured, "predicted_mb": needed / 1e6})
    console.print(table(series, batch))
    if len(series["all"]) > 2:
        forms = {way: fits(points) for way, points in series.items()}
        for way, found in forms.items():
            said = (f"{COLUMNS[key][0]} depth^{fit.slope:.2f}" for key, fit in found.items())
            console.print(f"{WAYS[way]}: {', '.join(said)}")
        slower = [c["median_s"] / a["median_s"] for a, c in zip(*series.values(), strict=True)]
        console.print(f"a checkpointed step takes {statistics.median(slower):.2f} times as long")
        title = f"A training step of residual nets, batch {batch} of 3x32x32, {threads} threads"
        figure_of(series, title).savefig(out.with_suffix(".png"))
        fitted_to = {w: {k: f._asdict() for k, f in fs.items()} for w, fs in forms.items()}
        write(out, machine(threads), batch=batch, steps=steps, series=series, fits=fitted_to)


if __name__ == "__main__":
    typer.run(main)
