"""The report of a landscape run: the surfaces in numbers, how to read these, and their limits."""

import math
from collections.abc import Mapping

from ...data import Dataset
from ...models import cifar_net
from ...runs.table import markdown_table
from .config import LandscapeConfig
from .shape import Shape
from .surface import Surface

_HARDLY_TRAINED = 50.0  # the error at the centre, in %, above which a net is called so
_COLUMNS = (
    *("net", "parameters", "loss at the centre", "error there", "lowest loss", "highest"),
    *("median at the edge", "edge / centre", "downhill", "not convex"),
)
_HOW_TO_READ = (
    "Downhill is the share of all ups and downs that are downs, on the eight straight ways from "
    "the centre to the edge: 0 in a bowl, 50 where up and down are alike. Not convex is the share "
    "of the points inside the edge where the surface bends down in some direction of the plane, by "
    "second differences from point to point. Of two surfaces the smoother one has less of both."
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
    """Return the content of summary.md.

    Args:
        config: what the run was asked for.
        dataset: the data of the nets.
        surfaces: those that are complete, by net.
    """
    missing = [net for net in config.nets if net not in surfaces]
    n, classes = config.points, len(dataset.classes)
    parts = [
        f"# The loss around {' and '.join(surfaces)}, on {dataset.name}",
        f"The loss is the mean cross-entropy of {config.images} of the "
        f"{len(dataset.train_images):,} training images, not augmented and without weight decay, "
        f"at {n} x {n} points of a plane: through the weights of each net (of the training with "
        f"seed {config.net_seed}) and along two random directions (seed {config.seed}), each "
        "filter of which is as long as the net's own, while biases and batch norm's parameters "
        f"stay (Li et al. 2018, section 4). {config.span:g} is the largest step along either; at a "
        "step of 1 each filter has moved by its own length. Batch norm uses the statistics of the "
        "images at every point, as in training: the running ones, gathered at the centre, are "
        "wrong for any other weights.",
        *([f"The run is not finished: {', '.join(missing)} is still to come."] if missing else []),
        markdown_table(_COLUMNS, [_row(net, s, dataset) for net, s in surfaces.items()]),
        f"{_HOW_TO_READ} A net with an error above {_HARDLY_TRAINED:g} % has hardly trained: its "
        "surface is that around weights where training got stuck, not around a minimum (a net that "
        f"knows nothing has a loss of ln {classes} = {math.log(classes):.3g}).",
        "## What this does not show",
        "These are two random directions of as many as there are parameters. A random direction "
        "shows how the surface bends on the average of all directions, not along those that "
        "training takes, and a surface that looks convex in the plane can bend down outside it (Li "
        f"et al. 2018, section 6). What is narrower than the {2 * config.span / (n - 1):.3g} "
        f"between two points is not seen, and {config.images} images are not all images. Other "
        "directions (`--seed`) give another surface.",
    ]
    return "\n\n".join(parts) + "\n"


def _row(net: str, surface: Surface, dataset: Dataset) -> list[str]:
    """Return a line of the table."""
    model = cifar_net(net, len(dataset.classes), dataset.channels)
    shape = Shape.of(surface.losses)
    loss, error = surface.centre
    ratio = shape.edge / loss if loss > 0 else math.inf
    return [
        net + (" (hardly trained)" if error > _HARDLY_TRAINED else ""),
        f"{sum(p.size for p in model.parameters()):,}",
        f"{loss:.3g}",
        f"{error:.1f} %",
        *(f"{value:.3g}" for value in (shape.lowest, shape.highest, shape.edge, ratio)),
        f"{shape.downhill:.2f} %",
        f"{shape.not_convex:.1f} %",
    ]
