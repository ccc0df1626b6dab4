"""How do time and memory of a training step grow with depth, batch, width and threads?

    python benchmarks/scaling.py

All points of a series take their steps in turn, each in a process of its own. Along depth and
batch a straight line is fitted, along width a power. Prints tables and writes
benchmarks/results/scaling.json and, beside it, scaling.png.
"""

import math
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from common import RESULTS, listed, machine, ms, timing, write
from processes import Engine, console, installed, medians, race
from rich.table import Table

TURN = 0.2  # seconds
UNITS = {"median_s": ("time of a step", "ms", 1000), "net_mb": ("memory", "MB", 1)}
LINES = {"depth": "a layer", "batch": "an image"}
POWERS = ("width",)


class Point(NamedTuple):
    """One measurement of a series."""

    x: int
    net: str
    batch: int
    threads: int


class Fit(NamedTuple):
    """y = start + slope x, or, between the logarithms, y = start · x^slope."""

    start: float
    slope: float
    r2: float
    power: bool

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.start * x**self.slope if self.power else self.start + self.slope * x


def fitted(x: list[float], y: list[float], power: bool) -> Fit:
    """The least squares fit, and how much of the variance it explains."""
    xs, ys = (np.log(x), np.log(y)) if power else (np.array(x, float), np.array(y, float))
    slope, start = np.polyfit(xs, ys, 1)
    r2 = 1 - float(np.var(ys - start - slope * xs) / np.var(ys))
    return Fit(math.exp(start) if power else float(start), float(slope), r2, power)


def measure(points: list[Point], engine: str, rounds: int, warmup: int) -> list[dict[str, Any]]:
    """Time and memory at each point, the points taken in turn."""
    engines: dict[str, Engine] = {}
    try:
        for p in points:
            label = f"{p.net} at batch {p.batch} with {p.threads} threads"
            engines[label] = Engine("training", engine, p.net, p.batch, p.threads)
        started = dict(zip(engines, points, strict=True))
        turns = race(engines, dict.fromkeys(engines, rounds), warmup, TURN)
        return [
            {
                **started[label]._asdict(),
                **timing(medians(turns[label])),
                **engine.memory(),
            }
            for label, engine in engines.items()
        ]
    finally:
        for process in engines.values():
            process.close()


def fits(name: str, points: list[dict[str, Any]]) -> dict[str, Fit]:
    """Of time and of memory, where the series has a form to be expected."""
    if name not in (*LINES, *POWERS) or len(points) < 3:
        return {}
    x = [p["x"] for p in points]
    columns = {key: [p[key] for p in points] for key in UNITS}
    return {key: fitted(x, y, name in POWERS) for key, y in columns.items() if min(y) > 0}


def show(name: str, points: list[dict[str, Any]]) -> None:
    """Print a series, and what was fitted to it."""
    shown = Table(name, "net", "batch", "threads", "median", "min", "max", "memory")
    for p in points:
        times = [ms(p[key]) for key in ("median_s", "min_s", "max_s")]
        settings = (str(p[key]) for key in ("x", "net", "batch", "threads"))
        shown.add_row(*settings, *times, f"{p['net_mb']:,.0f} MB")
    console.print(shown)
    for key, fit in fits(name, points).items():
        label, unit, scale = UNITS[key]
        per = LINES.get(name)
        form = f"{scale * fit.slope:.3g} {unit} {per}" if per else f"{name}^{fit.slope:.2f}"
        console.print(f"{label}: {form}, R² {fit.r2:.4f}")


def figure_of(series: dict[str, list[dict[str, Any]]], title: str) -> Any:
    """A panel for the time and one for the memory of each series."""
    from matplotlib.figure import Figure  # here, so that the parent of the processes is small

    figure = Figure(figsize=(3 * len(series), 6), dpi=150, layout="constrained")
    grid = figure.subplots(2, len(series), squeeze=False)
    for row, (key, (label, unit, scale)) in zip(grid, UNITS.items(), strict=True):
        for axes, (name, points) in zip(row, series.items(), strict=True):
            x = np.array([p["x"] for p in points])
            y = scale * np.array([p[key] for p in points])
            axes.plot(x, y, "o", color="#31688e")
            if fit := fits(name, points).get(key):
                dense = np.linspace(x.min(), x.max(), 100)
                axes.plot(dense, scale * fit(dense), color="#440154", lw=1.3)
                form = f"{name}$^{{{fit.slope:.2f}}}$, " if fit.power else ""
                axes.set_title(f"{form}R² {fit.r2:.4f}", fontsize=10)
            if name == "threads":
                axes.set_xticks(x)
            axes.set_xlabel(name)
            axes.set_ylim(0, 1.08 * y.max())
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel(f"{label} ({unit})")
    figure.suptitle(title, fontsize=10, color="#444444")
    return figure


def main(
    engine: Annotated[str, typer.Option(help="Whose steps.")] = "minires",
    depths: Annotated[str, typer.Option(help="Layers, by commas.")] = "8,20,32,44,56,80,110",
    batches: Annotated[str, typer.Option(help="Images.")] = "1,8,32,64,128,256,384,512",
    widths: Annotated[str, typer.Option(help="Times the channels.")] = "1,2,3,4",
    threads: Annotated[str, typer.Option(help="The last of them for all other series.")] = "1,2",
    base_batch: Annotated[int, typer.Option(help="Images where it is not the batch.")] = 128,
    rounds: Annotated[int, typer.Option(help="Turns that count.")] = 7,
    warmup: Annotated[int, typer.Option(help="Steps before them.")] = 2,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "scaling.json",
) -> None:
    """Time training steps along depth, batch, width and threads."""
    found = installed([engine], [])
    if not found:
        raise SystemExit(1)
    counts = [int(n) for n in listed(threads)]
    full = counts[-1]
    wanted = {
        "depth": [Point(int(d), f"resnet{d}", base_batch, full) for d in listed(depths)],
        "batch": [Point(int(n), "resnet20", int(n), full) for n in listed(batches)],
        "width": [Point(int(w), f"resnet20x{w}", base_batch, full) for w in listed(widths)],
        "threads": [Point(n, "resnet20", base_batch, n) for n in counts],
    }
    facts = {**machine(counts), "engines": {engine: found[engine][1]}}
    series: dict[str, list[dict[str, Any]]] = {}
    for name, points in wanted.items():
        series[name] = measure(points, engine, rounds, warmup)
        forms = {n: {k: f._asdict() for k, f in fits(n, ps).items()} for n, ps in series.items()}
        write(out, facts, engine=engine, series=series, fits=forms)
        show(name, series[name])
    title = f"A training step of {engine}; but for what varies: resnet-20, batch {base_batch}"
    figure_of(series, f"{title}, threads {full}").savefig(out.with_suffix(".png"))


if __name__ == "__main__":
    typer.run(main)
