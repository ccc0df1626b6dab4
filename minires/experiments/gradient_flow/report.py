"""The report of a gradient flow run: report.md, and NAME.md for each figure, filled with numbers.

The first paragraph of a section is the headline of its figure.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...models import NetSpec
from ...runs.markdown import fill_template, markdown_table
from ...text import markdown_text
from .ablations import BASELINE, VARIANTS, Ablations, Flow, deepest
from .config import FlowConfig
from .paths import CARRIED, PathGradient, carrying_lengths
from .responses import LayerResponses
from .shattered import Shattering

_TEXTS = Path(__file__).parent


def summary(config: FlowConfig, dataset: str, sections: Mapping[str, str]) -> str:
    """Return the content of summary.md: the settings, and a section for each figure so far."""
    return fill_template(
        _TEXTS / "report.md",
        config=config,
        dataset=dataset,
        nets=", ".join(config.nets),
        flow="flow" in config.only,
        ablations=Ablations,
        sections="\n".join(f"## {name}.png\n\n{text}" for name, text in sections.items()).strip(),
    )


def depth_section(flows: Sequence[Flow]) -> str:
    """Return the section on what depth does to the gradient, in the deepest net of each kind."""
    return fill_template(
        _TEXTS / "depth.md",
        growths=", ".join(f"{_growth(flow)} in {flow.net}" for flow in deepest(flows)),
    )


def ablations_section(nets: Sequence[NetSpec], flows: Sequence[Flow]) -> str:
    """Return the section on flows; its headline is on the deepest net, a plain one if any is."""
    told = str(max(nets, key=lambda net: (net.kind == "plain", net.depth)))
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
    return fill_template(
        _TEXTS / "flow.md",
        deepest=told,
        normed=", ".join(growths[told, True]),
        bare=", ".join(growths[told, False]),
        variants=", ".join(variants),
        table=markdown_table(["net", "batch norm", *variants, *heads], rows),
    )


def responses_section(nets: Sequence[LayerResponses], training: str) -> str:
    """Return the section on layer responses of nets that were trained as `training` says."""
    means = {net.net: float(net.std.mean()) for net in nets}
    rows = []
    for net in nets:
        mean = means[net.net]
        plain = means.get(NetSpec("plain", net.net.depth)) if net.net.kind == "resnet" else None
        largest = f"{net.std.max():.2f} in layer {net.std.argmax() + 1}"
        rows.append([str(net.net), f"{mean:.2f}", largest, f"{mean / plain:.2f}" if plain else ""])
    return fill_template(
        _TEXTS / "responses.md",
        training=markdown_text(training),
        means=", ".join(f"{mean} in {net}" for net, mean, *_ in rows),
        table=markdown_table(["net", "mean", "largest", "mean / plain net's mean"], rows),
    )


def shattered_section(nets: Sequence[Shattering]) -> str:
    """Return the section on correlations; its headline is on the smallest and largest depths."""
    ordered = sorted(nets, key=lambda net: net.net.depth)
    kinds = [[net.net for net in ordered if net.net.kind == kind] for kind in ("plain", "resnet")]
    ends = [net for of_kind in kinds if of_kind for net in (of_kind[0], of_kind[-1])]
    means = {net.net: f"{round(net.correlation.mean(), 2) + 0.0:.2f}" for net in nets}  # no -0.00
    rows = [[str(net.net), means[net.net], f"{net.correlation.std():.2f}"] for net in nets]
    return fill_template(
        _TEXTS / "shattered.md",
        angle=nets[0].angles[1] - nets[0].angles[0],
        means=", ".join(f"{means[net]} in {net}" for net in ends),
        table=markdown_table(["net", "mean correlation", "std over the draws"], rows),
    )


def paths_section(gradients: Sequence[PathGradient], state: str) -> str:
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
    return fill_template(
        _TEXTS / "paths.md",
        net=deepest,
        state=state,
        share=share,
        lengths=lengths,
        average=lengths.blocks / 2,
        table=markdown_table([*heads, "average path"], rows),
    )


def _growth(flow: Flow) -> str:
    """Return by what the gradient is multiplied at initialisation; 0 where none arrives."""
    return "0" if flow.gradient[0, 0] == 0 else _number(flow.growth[0])


def _number(value: float) -> str:
    """Return a number with two or more digits, or as a power of ten."""
    if value != 0 and not 1e-3 <= value < 1e5:
        return f"{value:.0e}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
