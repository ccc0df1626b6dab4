"""The report of a landscape run: report.md, filled with the numbers of the surfaces."""

import math
from collections.abc import Mapping
from pathlib import Path

from ...data import Dataset
from ...models import cifar_net
from ...runs.markdown import fill_template, markdown_table
from .config import LandscapeConfig
from .shape import downhill, edge, not_convex
from .surface import Surface

_HARDLY_TRAINED = 50.0  # the error at the centre, in %, above which a net is called so
_COLUMNS = (
    *("net", "parameters", "loss at the centre", "error there", "lowest loss", "highest"),
    *("median at the edge", "edge / centre", "downhill", "not convex"),
)


def title(net: str, surface: Surface) -> str:
    """Return what is written above the surface of a net."""
    loss, error = surface.centre
    note = ", hardly trained" if error > _HARDLY_TRAINED else ""
    return f"{net}: loss {loss:.3g}, error {error:.1f} % at ×{note}"


def caption(config: LandscapeConfig, dataset: Dataset) -> str:
    """Return the sentence below the figure: what it shows, and the source."""
    return (
        f"The loss around trained nets (×), on {config.images} training images of {dataset.name}: "
        "α and β are steps along two random directions, each filter of which is as long as the "
        "net's own (Li et al. 2018, arXiv 1712.09913, section 4)."
    )


def summary(config: LandscapeConfig, dataset: Dataset, surfaces: Mapping[str, Surface]) -> str:
    """Return the content of summary.md; `surfaces` are those that are complete, by net."""
    missing = ", ".join(net for net in config.nets if net not in surfaces)
    return fill_template(
        Path(__file__).with_name("report.md"),
        config=config,
        dataset=dataset,
        nets=" and ".join(surfaces),
        missing=missing,
        table=markdown_table(_COLUMNS, [_row(net, s, dataset) for net, s in surfaces.items()]),
        hardly=_HARDLY_TRAINED,
        classes=len(dataset.classes),
        unknowing=math.log(len(dataset.classes)),
        gap=2 * config.span / (config.points - 1),
    )


def _row(net: str, surface: Surface, dataset: Dataset) -> list[str]:
    model = cifar_net(net, len(dataset.classes), dataset.channels)
    losses, (loss, error) = surface.losses, surface.centre
    ratio = edge(losses) / loss if loss > 0 else math.inf
    return [
        net + (" (hardly trained)" if error > _HARDLY_TRAINED else ""),
        f"{sum(p.size for p in model.parameters()):,}",
        f"{loss:.3g}",
        f"{error:.1f} %",
        *(f"{value:.3g}" for value in (losses.min(), losses.max(), edge(losses), ratio)),
        f"{downhill(losses):.2f} %",
        f"{not_convex(losses):.1f} %",
    ]
