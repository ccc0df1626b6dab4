"""The sections of the report: headlines with their numbers, and a table of all of them."""

import math

import numpy as np
import pytest

from minires.experiments.gradient_flow import FlowConfig
from minires.experiments.gradient_flow.ablations import VARIANTS, Flow
from minires.experiments.gradient_flow.paths import PathGradient, carrying_lengths
from minires.experiments.gradient_flow.report import (
    ablations_section as section_on,
)
from minires.experiments.gradient_flow.report import (
    depth_section,
    paths_section,
    responses_section,
    shattered_section,
    summary,
)
from minires.experiments.gradient_flow.responses import LayerResponses
from minires.experiments.gradient_flow.shattered import Shattering
from minires.models import NetSpec


def line(section, *start):
    """The cells of the one line of a section's table that starts so."""
    _, table, _ = section.split("\n\n")
    rows = [[c.strip() for c in row.strip("|").split("|")] for row in table.splitlines()]
    assert len({len(row) for row in rows}) == 1
    (found,) = [row for row in rows if row[: len(start)] == list(start)]
    return found


def ablations_section(flows):
    return section_on([NetSpec.parse(net) for net in {flow.net: 0 for flow in flows}], flows)


def headline(section):
    return section.partition("\n\n")[0]


def flows(net="plain20", steps=(0, 10), ended=None, **growths):
    """Flows whose gradient grows by so much: 1, or what is given for a variant without norm."""
    growths = {label.replace("_", " "): value for label, value in growths.items()}
    return [
        Flow(
            net,
            variant.label,
            batch_norm,
            ("conv1", "layer1.0.conv1", "layer1.0.conv2", "fc"),
            steps,
            np.ones((len(steps), 4)),
            np.array([[growths.get(variant.label, 1) if not batch_norm else 4, 1, 1, 9.0]] * 2)[
                : len(steps)
            ],
            ended if not batch_norm else None,
        )
        for batch_norm in (True, False)
        for variant in VARIANTS
    ]


def test_the_headline_is_on_the_deepest_plain_net_and_the_table_on_all():
    several = [*flows("plain20"), *flows("plain56", Xavier=1e-9, He=0.25), *flows("resnet110")]
    section = ablations_section(several)
    assert "From the last 3x3 layer of plain56 to its first" in headline(section)
    assert "multiplied by 4, 4, 4, 4, 4 with batch norm" in headline(section)
    assert "by 1, 1e-09, 0.25, 1, 1 without" in headline(section)
    assert headline(section).endswith("He × 0.1, Xavier, He, raw inputs (He), He × 3.")
    assert line(section, "plain56", "without")[2:7] == ["1", "1e-09", "0.25", "1", "1"]
    assert line(section, "resnet110", "with")[2:7] == ["4"] * 5
    section = ablations_section(flows("resnet20") + flows("resnet110"))
    assert "of resnet110 to its first" in headline(section)


def test_the_factor_a_layer_and_what_training_makes_of_it_are_in_the_table():
    section = ablations_section(flows())
    # two layers from the last to the first
    assert line(section, "plain20", "with")[7:] == ["2.00", "4 at 10", ""]
    theory = math.sqrt(math.pi / (math.pi - 1))
    assert f"= {theory:.2f} a layer" in section


def test_gradients_that_vanish_or_are_no_numbers_are_told_as_such():
    vanished = flows(He=0)
    for flow in vanished:
        if (flow.variant, flow.batch_norm) == ("He × 0.1", False):
            flow.gradient[:, :3] = 0
        if (flow.variant, flow.batch_norm) == ("He × 3", False):
            flow.gradient[:, 0] = np.nan
    section = ablations_section(vanished)
    assert "by 0, 1, 0, 1, nan without" in headline(section)


def test_trainings_that_ended_have_their_step_in_the_table():
    section = ablations_section(flows(ended=2))
    ended = "He × 0.1 at 2, Xavier at 2, He at 2, raw inputs (He) at 2, He × 3 at 2"
    assert line(section, "plain20", "without")[-1] == ended
    assert line(section, "plain20", "with")[-1] == ""


def responses(**stds):
    return [
        LayerResponses(NetSpec.parse(net), ("a", "b"), np.array(std)) for net, std in stds.items()
    ]


def test_responses_are_compared_at_the_same_depth():
    found = responses(plain20=[1, 1.01], plain56=[2.0, 4.0], resnet56=[1.0, 1.0], resnet20=[1, 1])
    section = responses_section(found, "after 3 steps of training")
    assert "after 3 steps of training" in headline(section)
    assert "3.00 in plain56" in headline(section)
    assert line(section, "plain56") == ["plain56", "3.00", "4.00 in layer 2", ""]
    assert line(section, "resnet56") == ["resnet56", "1.00", "1.00 in layer 1", "0.33"]
    alone = responses_section(responses(plain20=[1, 1], resnet56=[1, 1]), "")
    assert line(alone, "resnet56")[-1] == ""


def test_correlations_are_told_of_the_smallest_and_the_largest_depth():
    angles = np.linspace(0, 90, 10)
    correlations = {"plain20": 0.3, "plain8": 0.9, "plain56": -0.001, "resnet8": 0.95}
    nets = [
        Shattering(NetSpec.parse(net), np.array([c, c + 0.002]), angles, angles)
        for net, c in correlations.items()
    ]
    section = shattered_section(nets)
    assert "inputs 10.0° apart" in headline(section)
    assert "by 0.90 in plain8, 0.00 in plain56, 0.95 in resnet8" in headline(section)
    assert "plain20" not in headline(section)
    assert line(section, "plain20") == ["plain20", "0.30", "0.00"]


def test_what_depth_does_is_told_of_the_deepest_net_of_each_kind():
    several = [*flows("plain8"), *flows("plain14"), *flows("resnet8")]
    said = headline(depth_section(several))
    assert "is multiplied by 4 in plain14, 4 in resnet8, at initialisation with batch norm" in said


def paths(norms, net="resnet20"):
    n = len(norms) - 1
    return [PathGradient(net, n, k, np.array([norm, norm])) for k, norm in enumerate(norms)]


def test_the_lengths_that_carry_most_are_told_of_the_deepest_net():
    # n choose k is 1, 2, 1: the shares are 0.02, 0.96, 0.02
    both = paths([1, 1], "resnet8") + paths([0.02, 0.48, 0.02])
    section = paths_section(both, "after training")
    assert "In resnet20 after training, 90 % of the gradient" in headline(section)
    assert "through 1 to 1 of 2 branches, 1.0 on average" in headline(section)
    assert "average path goes through 1 " in headline(section)
    assert line(section, "resnet20") == ["resnet20", "2", "1 to 1", "50 %", "1.0", "1"]
    assert line(section, "resnet8") == ["resnet8", "1", "0 to 1", "100 %", "0.5", "0.5"]


@pytest.mark.parametrize(("factor", "first", "last"), [(1.0, 9, 18), (0.5, 5, 13)])
def test_shorter_paths_carry_more_where_branches_weaken(factor, first, last):
    """n paths with a factor a branch: a binomial distribution with p = factor / (1 + factor)."""
    found = carrying_lengths(paths([factor**k for k in range(28)]))
    assert (found.blocks, found.first, found.last) == (27, first, last)
    assert found.mean == pytest.approx(27 * factor / (1 + factor))
    inside = sum(math.comb(27, k) for k in range(first, last + 1))
    assert found.paths == pytest.approx(inside / 2**27)


def test_the_summary_has_the_settings_and_a_part_for_each_section():
    sections = {"paths": "A headline.\n\n| a |\n\nA note.\n", "flow": "Another.\n"}
    t = summary(FlowConfig(nets=("resnet8",), seed=3, only=("paths",)), "digits", sections)
    settings = "# Gradient flow on digits\n\nNets resnet8; seed 3.\n\n"
    paths = "## paths.png\n\nA headline.\n\n| a |\n\nA note.\n\n"
    assert t == f"{settings}{paths}## flow.png\n\nAnother.\n"
    t = summary(FlowConfig(nets=("resnet8",), only=("flow",)), "digits", {})
    assert "enlarged to 32 pixels and the nets trained by SGD: steps 10, batch 16" in t
