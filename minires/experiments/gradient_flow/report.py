"""The report of a gradient flow run: a headline, a table and how to read it for each figure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...models import NetSpec
from ...runs.table import markdown_table
from .ablations import BASELINE, VARIANTS, Ablations, Flow
from .config import FlowConfig
from .paths import CARRIED, PathGradient, carrying_lengths
from .responses import LayerResponses
from .shattered import Shattering


@dataclass(frozen=True)
class Section:
    """The part of the report on one figure.

    Attributes:
        headline: a sentence, which stands above the figure, too.
        table: all numbers, in Markdown.
        note: how to read the table, and what others have found.
    """

    headline: str
    table: str
    note: str


def summary(config: FlowConfig, dataset: str, sections: Mapping[str, Section]) -> str:
    """Return the content of summary.md: the settings, and a section for each figure so far."""
    ablations = (
        f"; for the flow, images enlarged to {config.size} pixels and SGD, steps {config.steps}, "
        f"batch {Ablations.batch_size}, learning rate {Ablations.lr:g}"
    )
    settings = f"Nets {', '.join(config.nets)}; seed {config.seed}"
    parts = [f"# Gradient flow on {dataset}", settings + ablations * ("flow" in config.only) + "."]
    for name, section in sections.items():
        parts += [f"## {name}.png", section.headline, section.table, section.note]
    return "\n\n".join(parts) + "\n"


def ablations_section(flows: Sequence[Flow]) -> Section:
    """Return the section on flows; its headline is on the deepest net, a plain one if any is."""
    specs = {flow.net: NetSpec.parse(flow.net) for flow in flows}
    deepest = max(specs, key=lambda net: (specs[net].kind == "plain", specs[net].depth))
    growths, rows = {}, []
    for net, norm in dict.fromkeys((flow.net, flow.batch_norm) for flow in flows):
        ours = {flow.variant: flow for flow in flows if (flow.net, flow.batch_norm) == (net, norm)}
        he = ours[BASELINE.label]
        growths[net, norm] = [_growth(flow) for flow in ours.values()]
        ended = [f"{v} at {flow.ended}" for v, flow in ours.items() if flow.ended is not None]
        per_layer = he.growth[0] ** (1 / (len(he.layers) - 2))
        after = f"{_number(he.growth[-1])} at {he.steps[-1]}"
        cells = [*growths[net, norm], f"{per_layer:.2f}", after, ", ".join(ended)]
        rows.append([net, "with" if norm else "without", *cells])
    variants = [variant.label for variant in VARIANTS]
    heads = [f"{BASELINE.label}, a layer", f"{BASELINE.label}, at the last step", "not finite"]
    return Section(
        f"From the last 3x3 layer of {deepest} to its first, at initialisation, the gradient is "
        f"multiplied by {', '.join(growths[deepest, True])} with batch norm (Yang et al., "
        f"1902.08129), by {', '.join(growths[deepest, False])} without (He et al., 1502.01852); "
        f"weights and inputs: {', '.join(variants)}.",
        markdown_table(["net", "batch norm", *variants, *heads], rows),
        "The gradient at the first layer over that at the last 3x3 layer, at initialisation; the "
        "last column has the steps at which the loss was not finite, which ended training. In "
        "theory batch norm and He's weights give wide, fully connected plain nets a factor of "
        f"√(π / (π − 1)) = {math.sqrt(math.pi / (math.pi - 1)):.2f} a layer (Yang et al.).",
    )


def responses_section(nets: Sequence[LayerResponses], training: str) -> Section:
    """Return the section on layer responses of nets that were trained as `training` says."""
    means = {net.net: float(net.std.mean()) for net in nets}
    rows = []
    for net in nets:
        mean = means[net.net]
        plain = means.get(NetSpec("plain", net.net.depth)) if net.net.kind == "resnet" else None
        largest = f"{net.std.max():.2f} in layer {net.std.argmax() + 1}"
        ratio = f"{mean / plain:.2f}" if plain else ""
        rows.append([str(net.net), f"{mean:.2f}", largest, ratio])
    return Section(
        f"The standard deviation of the responses of 3x3 layers, {training}, is on average "
        f"{', '.join(f'{mean} in {net}' for net, mean, *_ in rows)} (He et al., 1512.03385, "
        "figure 7).",
        markdown_table(["net", "mean", "largest", "mean / plain net's mean"], rows),
        "In the paper, after 64,000 steps on CIFAR-10, residual nets respond more weakly than "
        "plain ones of the same depth, with a ratio below 1 in the last column.",
    )


def shattered_section(nets: Sequence[Shattering]) -> Section:
    """Return the section on correlations; its headline is on the smallest and largest depths."""
    ordered = sorted(nets, key=lambda net: net.net.depth)
    kinds = [[net for net in ordered if net.net.kind == kind] for kind in ("plain", "resnet")]
    ends = [net for of_kind in kinds if of_kind for net in (of_kind[0], of_kind[-1])]
    means = {net.net: f"{round(net.correlation.mean(), 2) + 0.0:.2f}" for net in nets}  # no -0.00
    return Section(
        f"The gradients at inputs {nets[0].angles[1] - nets[0].angles[0]:.1f}° apart correlate at "
        f"initialisation by {', '.join(f'{means[net.net]} in {net.net}' for net in ends)} "
        "(shattered gradients: Balduzzi et al., 1702.08591).",
        markdown_table(
            ["net", "mean correlation", "std over the draws"],
            [[str(net.net), means[net.net], f"{net.correlation.std():.2f}"] for net in nets],
        ),
        "In theory the correlation of inputs that have little in common halves with every layer of "
        "a plain net, and falls as 1 / √depth in a residual net with batch norm.",
    )


def paths_section(gradients: Sequence[PathGradient], state: str) -> Section:
    """Return the section on paths through nets in a `state`; its headline is on the deepest."""
    nets = list(dict.fromkeys(gradient.net for gradient in gradients))
    found = {net: carrying_lengths([g for g in gradients if g.net == net]) for net in nets}
    deepest = max(nets, key=lambda net: found[net].blocks)
    share, lengths = f"{100 * CARRIED:.0f} %", found[deepest]
    rows = [
        [
            *(net, f"{c.blocks}", f"{c.first} to {c.last}", f"{100 * c.paths:.0f} %"),
            *(f"{c.mean:.1f}", f"{c.blocks / 2:g}"),
        ]
        for net, c in found.items()
    ]
    heads = ["net", "branches", f"{share} come through", "which are of all paths", "mean length"]
    return Section(
        f"In {deepest} {state}, {share} of the gradient that paths carry comes along those through "
        f"{lengths.first} to {lengths.last} of {lengths.blocks} branches, {lengths.mean:.1f} on "
        f"average, where the average path goes through {lengths.blocks / 2:g} (Veit et al., "
        "1605.06431).",
        markdown_table([*heads, "average path"], rows),
        "What a length carries is the number of its paths times the mean norm of the gradient "
        "along one, as in the paper: as if all pointed the same way. The paper finds 5 to 17 of "
        "the 54 branches of a trained net of 110 layers.",
    )


def _growth(flow: Flow) -> str:
    """Return by what the gradient is multiplied at initialisation; 0 where none arrives."""
    return "0" if flow.gradient[0, 0] == 0 else _number(flow.growth[0])


def _number(value: float) -> str:
    """Return a number with two or more digits, or as a power of ten."""
    if value != 0 and not 1e-3 <= value < 1e5:
        return f"{value:.0e}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
