"""What is said of measurements: their numbers, and nothing that they do not show."""

import numpy as np
import pytest

from minires.experiments.gradient_flow.cures import VARIANTS, Flow
from minires.experiments.gradient_flow.findings import of_flow, of_paths, of_responses, of_shattered
from minires.experiments.gradient_flow.paths import PathGradient
from minires.experiments.gradient_flow.responses import Response
from minires.experiments.gradient_flow.shattered import Shattering


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


def test_the_flow_of_the_deepest_plain_net_is_told():
    several = [*flows("plain20"), *flows("plain56", Xavier=1e-9, He=0.25), *flows("resnet110")]
    text = of_flow(several)[0]
    assert "From the last 3x3 layer of plain56 to its first" in text
    assert "0.25 with He," in text
    assert "1e-09 with Xavier" in text
    assert "multiplied by 4 to 4" in text
    assert "resnet110" in of_flow(flows("resnet20") + flows("resnet110"))[0]


def test_the_factor_a_layer_and_what_training_makes_of_it_are_told():
    text = of_flow(flows())[1]
    assert "4 is a factor of 2.00 a layer" in text  # two layers from the last to the first
    assert "= 1.21 for wide" in text
    assert "at step 10 of training the 4 have become 4" in text
    assert not any("of training the" in s for s in of_flow(flows(steps=(0,))))


def test_gradients_that_vanish_or_are_no_numbers_are_told_as_such():
    vanished = flows(He=0)
    for flow in vanished:
        if (flow.variant, flow.batch_norm) == ("He × 0.1", False):
            flow.gradient[:, :3] = 0
        if (flow.variant, flow.batch_norm) == ("He × 3", False):
            flow.gradient[:, 0] = np.nan
    text = of_flow(vanished)[0]
    assert "by 0 (none arrives) with He × 0.1" in text
    assert "0 with He," in text
    assert "what is no number with He × 3" in text


def test_trainings_that_ended_are_told():
    text = of_flow(flows(ended=2))[-1]
    assert text.startswith("The loss was not finite any more in plain20 without batch norm with")
    assert ", He at step 2, " in text
    assert not any("finite" in sentence for sentence in of_flow(flows()))


def responses(**spreads):
    return [Response(net, ("a", "b"), np.array(spread)) for net, spread in spreads.items()]


def test_responses_are_compared_at_the_same_depth():
    found = responses(plain20=[1, 1.01], plain56=[2.0, 4.0], resnet56=[1.0, 1.0], resnet20=[1, 1])
    numbers, verdict = of_responses(found, "after 3 steps of training")
    assert "after 3 steps of training" in numbers
    assert "3.00 in plain56 (at most 4.00, layer 2)" in numbers
    assert "those of 20 layers respond alike" in verdict
    assert "those of 56 layers respond more weakly (1.00 against 3.00)" in verdict
    stronger = of_responses(responses(plain20=[1, 1], resnet20=[2, 2]), "")[1]
    assert "more strongly (2.00 against 1.00)" in stronger
    assert len(of_responses(responses(plain20=[1, 1], resnet56=[1, 1]), "")) == 1


def test_correlations_are_told_of_the_smallest_and_the_largest_depth():
    angles = np.linspace(0, 90, 10)
    nets = [
        Shattering(net, np.array([c, c]), angles, angles)
        for net, c in (("plain20", 0.3), ("plain8", 0.9), ("plain56", -0.001), ("resnet8", 0.95))
    ]
    (text,) = of_shattered(nets)
    assert "inputs 10.0° apart" in text
    assert "by 0.90 in plain nets of 8 layers and by 0.00 in those of 56" in text
    assert "by 0.95 in residual nets of 8" in text


def paths(norms, net="resnet20"):
    n = len(norms) - 1
    return [PathGradient(net, n, k, np.array([norm, norm])) for k, norm in enumerate(norms)]


def test_the_lengths_that_carry_most_are_told_of_the_deepest_net():
    # n choose k is 1, 2, 1: the shares are 0.02, 0.96, 0.02
    text, more = of_paths(paths([0.02, 0.48, 0.02]) + paths([1, 1], "resnet8"), "after training")
    assert "In resnet20 after training, 90 % of the gradient" in text
    assert "through 1 to 1 of 2 branches, 1.0 on average" in text
    assert "average path goes through 1 " in text
    assert more.startswith("Those are 50 % of all paths")


@pytest.mark.parametrize(("factor", "low", "high"), [(1.0, 9, 18), (0.5, 5, 13)])
def test_shorter_paths_carry_more_where_branches_weaken(factor, low, high):
    """n paths with a factor a branch: a binomial distribution with p = factor / (1 + factor)."""
    text, _ = of_paths(paths([factor**k for k in range(28)]), "")
    assert f"through {low} to {high} of 27 branches, {27 * factor / (1 + factor):.1f} on" in text
