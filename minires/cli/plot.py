"""`minires plot`: draw figures from the files of runs."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from ..experiments.degradation import Config
from ..experiments.degradation.figure import degradation_figure
from ..experiments.degradation.published import check_comparable
from ..files import brief, write_atomically
from ..runs import RunFolder, read_history
from .app import command, say
from .output import writing

_FORMATS = ("png", "svg", "pdf")
_LONGEST_TITLE = 80  # letters


@command(
    "minires plot runs/degradation-1",
    "minires plot runs/degradation-1 runs/degradation-2 --out both.png",
)
def plot(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Figure to write; the run's own degradation.png for a single run."),
    ] = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Add published curves to runs on CIFAR-10 by the paper's schedule.",
        ),
    ] = False,
) -> None:
    """Draw the figure of one or several runs again, from their files."""
    panels = []
    for path in runs:
        _, facts = RunFolder.open(path)
        if (kind := facts.get("experiment")) is not None:
            raise UsageError(
                f"the run in {path} is one of minires {brief(kind, 20)}, whose figures are in its "
                "folder; plot draws those of minires degradation"
            )
        if published:
            check_comparable(Config.from_facts(facts, path), path)
        rows = read_history(path / "history.csv") if any(path.glob("history*.csv")) else []
        if not rows:
            raise UsageError(
                f"the run in {path} has no finished epoch to draw: it was stopped in its first, "
                "or its loss became NaN or infinite"
            )
        title = brief(facts.get("data", path.name), _LONGEST_TITLE)
        panels.append((title if len(runs) == 1 else f"{path.name} ({title})", rows))
    if out is None:
        if len(runs) > 1:
            raise UsageError("several runs make one figure: say where to write it with --out")
        out = runs[0] / "degradation.png"
    form = out.suffix.removeprefix(".")
    if form not in _FORMATS:
        raise UsageError(f"--out must end in .{', .'.join(_FORMATS)}, got {out}")
    with writing(out):
        write_atomically(out, degradation_figure(panels, form, published=published))
    say(f"figure: {out}")
