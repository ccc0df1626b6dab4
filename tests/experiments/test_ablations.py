"""The ablations: what is measured, and the training that goes with it."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from minires import functional as F
from minires.backend import manual_seed
from minires.data import digits
from minires.experiments.gradient_flow.ablations import BASELINE, VARIANTS, Ablations, Flow, scaled
from minires.inspect import watch_layers
from minires.models import cifar_net
from minires.nn import he_normal
from minires.optim import SGD

DATA = digits()
TINY = Ablations(DATA, ("plain8",), steps=2)
SMALL, XAVIER, _, RAW, LARGE = VARIANTS


def test_each_net_is_measured_with_each_variant_with_and_without_batch_norm():
    flows = list(TINY)
    assert len(flows) == len(TINY) == 10
    assert [(f.batch_norm, f.variant) for f in flows] == [
        (batch_norm, variant.label) for batch_norm in (True, False) for variant in VARIANTS
    ]
    for flow in flows:
        assert len(flow.layers) == 8
        assert flow.std.shape == flow.gradient.shape == (len(flow.steps), 8)
        assert (flow.std[0] > 0).all()
        assert (flow.gradient[0] > 0).all()


def test_the_measures_are_those_of_the_training_written_out():
    manual_seed(0)
    net = cifar_net("plain8", 10, 1)
    sgd = SGD(net.parameters(), TINY.lr, momentum=0.9, weight_decay=1e-4)
    batches = DATA.training_batches(16, seed=0, epoch=0)
    stds, gradients = [], []
    for _ in range(3):
        x, labels = next(batches)
        with watch_layers() as layers:
            sgd.zero_grad()
            F.cross_entropy(net(x), labels).backward()
        sgd.step()
        stds.append(layers.std)
        gradients.append(layers.gradient)
    flow = TINY.follow("plain8", BASELINE, batch_norm=True)
    assert flow.steps == (0, 1, 2)
    np.testing.assert_array_equal(flow.std, stds)
    np.testing.assert_array_equal(flow.gradient, gradients)
    assert (flow.gradient[0] != flow.gradient[2]).all()


def test_variants_differ_from_the_baseline_in_what_they_ablate():
    flows = {v.label: TINY.follow("plain8", v, batch_norm=False) for v in VARIANTS}
    first = {label: flow.std[0, 0] for label, flow in flows.items()}
    assert first[SMALL.label] == pytest.approx(0.1 * first[BASELINE.label], rel=1e-5)
    assert first[LARGE.label] == pytest.approx(3 * first[BASELINE.label], rel=1e-5)
    fan_in, fan_out = 9, 9 * 16
    xavier = np.sqrt(fan_in / (fan_in + fan_out))  # of He's standard deviation
    assert first[XAVIER.label] == pytest.approx(xavier * first[BASELINE.label], rel=1e-5)
    manual_seed(0)
    raw = replace(DATA, standardised=False)
    x, _ = next(raw.training_batches(16, seed=0, epoch=0))
    assert x.max() == 255
    w = cifar_net("plain8", 10, 1).conv1.weight
    assert first[RAW.label] == pytest.approx(F.conv2d(x, w, padding=1).numpy().std(), rel=1e-5)


def test_batch_norm_hides_the_initialisation():
    for variant in VARIANTS:
        flow = TINY.follow("plain8", variant, batch_norm=True)
        np.testing.assert_allclose(flow.std[0, :-1], 1, rtol=0.02)
    without = [
        TINY.follow("plain8", v, batch_norm=False).growth[0] for v in (SMALL, BASELINE, LARGE)
    ]
    assert without[0] < 1e-3 * without[1] < 1e-6 * without[2] * 1e3


def test_a_training_whose_loss_is_not_finite_ends_and_says_when():
    flow = replace(TINY, steps=20).follow("resnet20", LARGE, batch_norm=False)
    assert flow.ended is not None
    assert flow.ended >= 1
    assert flow.steps[-1] <= flow.ended
    assert np.isfinite(flow.gradient[0]).all(), "before the first step all is a number"
    assert TINY.follow("plain8", BASELINE, batch_norm=True).ended is None


def test_what_is_not_finite_from_the_start_is_kept_as_it_is():
    enormous = replace(LARGE, init=scaled(he_normal, 1e12))
    flow = TINY.follow("plain8", enormous, batch_norm=False)
    assert (flow.ended, flow.steps) == (0, (0,))
    assert np.isfinite(flow.std[0, 0])
    assert not np.isfinite(flow.std[0, -1])
    assert np.isnan(flow.gradient).all()
    assert [row["gradient"] for row in flow.rows()] == ["nan"] * 8


def test_a_row_of_the_file_is_one_step_of_one_layer():
    flow = TINY.follow("resnet8", BASELINE, batch_norm=True)
    rows = list(flow.rows())
    assert len(rows) == 3 * 8
    last = rows[-1]
    assert (last["net"], last["batch_norm"], last["variant"]) == ("resnet8", True, "He")
    assert (last["step"], last["layer"], last["path"]) == (2, 8, "fc")
    assert float(last["gradient"]) == pytest.approx(flow.gradient[2, 7], rel=1e-5)


def test_growth_is_from_the_last_3x3_layer_to_the_first():
    gradient = np.array([[6.0, 5.0, 3.0, 100.0], [0.0, 0.0, 0.0, 1.0], [np.inf, 1.0, 1.0, 1.0]])
    flow = Flow("plain8", "He", True, ("a", "b", "c", "fc"), (0, 1, 2), gradient, gradient, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(flow.growth, [2, np.nan, np.inf])


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        (0, (0,)),
        (1, (0, 1)),
        (7, (0, 1, 2, 5, 7)),
        (10, (0, 1, 2, 5, 10)),
        (120, (0, 1, 2, 5, 10, 20, 50, 100, 120)),
    ],
)
def test_it_is_measured_at_first_often_and_later_seldom(steps, shown):
    assert Ablations(DATA, steps=steps).shown == shown


def test_the_seed_decides_all():
    again = replace(TINY, nets=("plain8",)).follow("plain8", BASELINE, batch_norm=True)
    one = TINY.follow("plain8", BASELINE, batch_norm=True)
    other = replace(TINY, seed=1).follow("plain8", BASELINE, batch_norm=True)
    np.testing.assert_array_equal(again.gradient, one.gradient)
    assert (other.gradient != one.gradient).any()


def test_training_continues_into_further_epochs():
    few = replace(DATA, train_images=DATA.train_images[:40], train_labels=DATA.train_labels[:40])
    assert Ablations(few, steps=5).follow("plain8", BASELINE, batch_norm=True).steps == (0, 1, 2, 5)
