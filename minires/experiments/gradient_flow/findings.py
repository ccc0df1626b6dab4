"""What measurements of gradient flow showed, in sentences: their numbers, and whose finding it is.

Each function gives a sentence to stand above the figure, and further ones for the summary.
"""

import math
from collections.abc import Sequence

import numpy as np

from ...models import NetSpec
from .cures import CURED, VARIANTS, Flow
from .paths import PathGradient
from .responses import Response
from .shattered import Shattering

_MOST = 0.9  # of the gradient that comes along paths
_ALIKE = 0.05  # responses that differ by less are called alike


def of_flow(flows: Sequence[Flow]) -> list[str]:
    """What becomes of the gradient, in the deepest net; the deepest plain one, if there is one."""
    kinds = {flow.net: NetSpec.parse(flow.net) for flow in flows}
    net = max(kinds, key=lambda name: (kinds[name].kind == "plain", kinds[name].depth))
    ours = {(flow.variant, flow.batch_norm): flow for flow in flows if flow.net == net}
    without = ", ".join(
        f"{_factor(ours[variant.label, False])} with {variant.label}" for variant in VARIANTS
    )
    normed = [ours[variant.label, True].growth[0] for variant in VARIANTS]
    sentences = [
        f"From the last 3x3 layer of {net} to its first, at initialisation, with batch norm the "
        f"gradient is multiplied by {_number(min(normed))} to {_number(max(normed))}, whatever "
        "weights and inputs are (Yang et al., 1902.08129); without it they decide: by "
        f"{without} (He et al., 1502.01852)."
    ]
    flow = ours[CURED.label, True]
    if flow.steps[-1] > 0:
        per_layer = flow.growth[0] ** (1 / (len(flow.layers) - 2))
        sentences.append(
            f"With batch norm and He's weights, {_number(flow.growth[0])} is a factor of "
            f"{per_layer:.2f} a layer (√(π / (π − 1)) = {math.sqrt(math.pi / (math.pi - 1)):.2f} "
            "for wide, fully connected plain nets, Yang et al.); at step "
            f"{flow.steps[-1]} of training the {_number(flow.growth[0])} have become "
            f"{_number(flow.growth[-1])}."
        )
    ended = _ended(flows)
    if ended:
        sentences.append(f"The loss was not finite any more {'; '.join(ended)}.")
    return sentences


def of_responses(responses: Sequence[Response], training: str) -> list[str]:
    """How strong the responses are; plain against residual at each depth that there is of both."""
    listed = ", ".join(
        f"{r.spread.mean():.2f} in {r.net} (at most {r.spread.max():.2f}, layer "
        f"{r.spread.argmax() + 1})"
        for r in responses
    )
    mean = {
        (spec.kind, spec.depth): float(r.spread.mean())
        for r in responses
        for spec in [NetSpec.parse(r.net)]
    }
    verdicts = [
        f"those of {depth} layers {_compared(mean['resnet', depth], mean['plain', depth])}"
        for kind, depth in mean
        if kind == "plain" and ("resnet", depth) in mean
    ]
    sentences = [
        f"The standard deviation of the responses of 3x3 layers, {training}, is on average "
        f"{listed} (He et al., 1512.03385, figure 7)."
    ]
    if verdicts:
        sentences.append(
            "In the paper, after 64,000 steps on CIFAR-10, residual nets respond more weakly than "
            f"plain ones; here {', and '.join(verdicts)}."
        )
    return sentences


def of_shattered(nets: Sequence[Shattering]) -> list[str]:
    """The correlations at the smallest and at the largest depth."""
    degrees = nets[0].angles[1] - nets[0].angles[0]
    told = []
    for kind, name in (("plain", "plain nets"), ("resnet", "residual nets")):
        depths = {spec.depth: net for net in nets if (spec := NetSpec.parse(net.net)).kind == kind}
        low, high = min(depths), max(depths)
        told.append(
            f"by {_correlation(depths[low])} in {name} of {low} layers and by "
            f"{_correlation(depths[high])} in those of {high}"
        )
    return [
        f"The gradients at inputs {degrees:.1f}° apart correlate at initialisation "
        f"{'; '.join(told)} (shattered gradients: Balduzzi et al., 1702.08591)."
    ]


def of_paths(gradients: Sequence[PathGradient], state: str) -> list[str]:
    """Which lengths most of the gradient comes along, in the deepest net."""
    blocks = max(g.blocks for g in gradients)
    ours = [g for g in gradients if g.blocks == blocks]
    shares = np.array([g.paths * g.mean for g in ours])
    below = np.cumsum(shares) / shares.sum()
    first, last = np.searchsorted(below, ((1 - _MOST) / 2, (1 + _MOST) / 2))
    inside = sum(g.paths for g in ours[first : last + 1]) / 2**blocks
    mean = float((shares * np.arange(blocks + 1)).sum() / shares.sum())
    return [
        f"In {ours[0].net} {state}, {100 * _MOST:.0f} % of the gradient that paths carry comes "
        f"along those through {first} to {last} of {blocks} branches, {mean:.1f} on average, where "
        f"the average path goes through {blocks / 2:g} (Veit et al., 1605.06431).",
        f"Those are {100 * inside:.0f} % of all paths. What a length carries is the number of its "
        "paths times the mean norm of the gradient along one, as in the paper: as if all pointed "
        "the same way. The paper finds 5 to 17 of the 54 branches of a trained net of 110 layers.",
    ]


def _correlation(net: Shattering) -> str:
    return f"{round(net.correlation.mean(), 2) + 0.0:.2f}"  # never -0.00


def _ended(flows: Sequence[Flow]) -> list[str]:
    """The trainings that ended before they should have, a phrase a net."""
    phrases = []
    for net, batch_norm in dict.fromkeys((flow.net, flow.batch_norm) for flow in flows):
        steps = [
            f"{flow.variant} at step {flow.ended}"
            for flow in flows
            if (flow.net, flow.batch_norm) == (net, batch_norm) and flow.ended is not None
        ]
        if steps:
            norm = "with" if batch_norm else "without"
            phrases.append(f"in {net} {norm} batch norm with {', '.join(steps)}")
    return phrases


def _compared(residual: float, plain: float) -> str:
    if abs(residual / plain - 1) < _ALIKE:
        return "respond alike"
    word = "more weakly" if residual < plain else "more strongly"
    return f"respond {word} ({residual:.2f} against {plain:.2f})"


def _factor(flow: Flow) -> str:
    """By what the gradient is multiplied on its way, at initialisation."""
    growth, (first, last) = flow.growth[0], flow.gradient[0, [0, -2]]
    return "0 (none arrives)" if first == 0 and not last > 0 else _number(growth)


def _number(value: float) -> str:
    """Two or more digits, or a power of ten."""
    if value == 0:
        return "0"
    if not 1e-3 <= value < 1e5:
        return f"{value:.0e}" if math.isfinite(value) else "what is no number"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
