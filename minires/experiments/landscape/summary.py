"""What a run of `minires landscape` showed, in words."""

import math

import numpy as np

from ...data import Dataset
from ...models import NetSpec, cifar_net
from .config import LandscapeConfig
from .shape import downhill, not_convex
from .surface import Surface

_UNTRAINED = 50.0  # error at the centre, in %, above which a net is said to have hardly trained


def title(net: str, surface: Surface) -> str:
    """What is written above the map of a net."""
    loss, error = surface.centre
    note = ", hardly trained" if error > _UNTRAINED else ""
    return f"{net}: loss {loss:.3g}, error {error:.1f} % at ×{note}"


def caption(config: LandscapeConfig, dataset: Dataset) -> str:
    """What the picture shows, in a sentence, with its source."""
    return (
        f"The loss around trained nets (×), on {config.images} training images of {dataset.name}: "
        "α and β are steps along two random directions, each filter of which is as long as the "
        "net's own (Li et al. 2018, arXiv 1712.09913, section 4)."
    )


def summary(config: LandscapeConfig, dataset: Dataset, surfaces: dict[str, Surface]) -> str:
    """summary.md: a table, and sentences that say what was seen; of the surfaces that are whole."""
    classes = len(dataset.classes)
    missing = [net for net in config.nets if net not in surfaces]
    parts = [
        f"# The loss around {' and '.join(surfaces)}, on {dataset.name}",
        _settings(config, dataset),
        _table(surfaces),
        "Downhill is the share of all ups and downs that are downs, on the eight straight ways "
        "from the centre to the edge: 0 in a bowl, 50 where up and down are alike. Not convex is "
        "the share of the points inside the edge where the surface bends down in some direction "
        "of the plane, by second differences from point to point.",
        "## What was seen",
        *([f"The run is not finished: {', '.join(missing)} is still to come."] * bool(missing)),
        *(_seen(net, surface, classes) for net, surface in surfaces.items()),
        *_compared(surfaces),
        "## What this does not show",
        _limits(config, dataset, surfaces),
    ]
    return "\n\n".join(parts) + "\n"


def _settings(config: LandscapeConfig, dataset: Dataset) -> str:
    n = config.points
    return (
        f"The loss is the mean cross-entropy of {config.images} of the "
        f"{len(dataset.train_images):,} training images, not augmented and without weight decay, "
        f"at {n} x {n} points of a plane: through the weights of each net (of the training with "
        f"seed {config.net_seed}) and along two random directions (seed {config.seed}), each "
        "filter of which is as long as the net's own, while biases and batch norm's parameters "
        f"stay (Li et al. 2018, section 4). {config.span:g} is the largest step along either; at a "
        "step of 1 each filter has moved by its own length. Batch norm uses the statistics of the "
        "images at every point, as in training: the running ones, gathered at the centre, are "
        "wrong for any other weights."
    )


def _table(surfaces: dict[str, Surface]) -> str:
    lines = [
        "| net | loss at the centre | error there | lowest loss | highest | median at the edge "
        "| downhill | not convex |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for net, surface in surfaces.items():
        loss, error = surface.centre
        f = surface.losses
        numbers = [loss, f.min(), f.max(), float(np.median(_edge(surface)))]
        at, low, high, edge = (f"{number:.3g}" for number in numbers)
        rough = f"{downhill(f):.2f} % | {not_convex(f):.1f} %"
        lines.append(f"| {net} | {at} | {error:.1f} % | {low} | {high} | {edge} | {rough} |")
    return "\n".join(lines)


def _edge(surface: Surface) -> list[float]:
    f = surface.losses
    return [*f[0], *f[-1], *f[1:-1, 0], *f[1:-1, -1]]


def _seen(net: str, surface: Surface, classes: int) -> str:
    """One net: where it stands in its surroundings."""
    loss, error = surface.centre
    low, edge = surface.losses.min(), float(np.median(_edge(surface)))
    if error > _UNTRAINED:
        return (
            f"{net} has hardly trained: it is wrong about {error:.1f} % of the images, with a loss "
            f"of {loss:.3g}, where one that knows nothing has ln {classes} = "
            f"{math.log(classes):.3g}. These are the surroundings of a place where training got "
            f"stuck, not of a minimum; the median loss at the edge is {edge:.3g}."
        )
    lowest = (
        "no point of the map is lower"
        if loss <= low
        else f"the lowest point of the map, {low:.3g}, is beside it"
    )
    return (
        f"{net} has a loss of {loss:.3g} at the centre, where it is wrong about {error:.1f} % of "
        f"the images; {lowest}, and the median at the edge is {edge:.3g}, {edge / loss:.3g} times "
        "as high."
    )


def _compared(surfaces: dict[str, Surface]) -> list[str]:
    """Each depth that is there both ways."""
    sentences = []
    for depth in sorted({NetSpec.parse(net).depth for net in surfaces}):
        plain, residual = surfaces.get(f"plain{depth}"), surfaces.get(f"resnet{depth}")
        if plain and residual:
            before = downhill(plain.losses), not_convex(plain.losses)
            after = downhill(residual.losses), not_convex(residual.losses)
            smoother = (after[0] < before[0]) + (after[1] < before[1])
            verdict = ("no smoother", "smoother by one of the two", "smoother by both")[smoother]
            sentences.append(
                f"With shortcuts, {after[0]:.2f} % of the ups and downs around {depth} layers go "
                f"down instead of {before[0]:.2f} %, and {after[1]:.1f} % of the points are not "
                f"convex instead of {before[1]:.1f} %: {verdict}."
            )
    return sentences


def _limits(config: LandscapeConfig, dataset: Dataset, surfaces: dict[str, Surface]) -> str:
    sizes = []
    for net in surfaces:
        model = cifar_net(net, len(dataset.classes), dataset.channels)
        sizes.append(f"{net} has {sum(p.size for p in model.parameters()):,} weights")
    spacing = 2 * config.span / (config.points - 1)
    return (
        f"These are two random directions, while {', '.join(sizes)}. A random direction shows how "
        "the surface bends on the average of all directions, not along those that training takes, "
        "and a surface that looks convex in the plane can bend down outside it (Li et al. 2018, "
        f"section 6). What is narrower than the {spacing:.3g} between two points is not seen, and "
        f"{config.images} images are not all images. Other directions (`--seed`) give another "
        "picture."
    )
