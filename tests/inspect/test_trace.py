"""What is recorded of a training step: both ways, every operation, small images."""

import numpy as np
import pytest

from minires import Tensor, models, nn
from minires import functional as F
from minires.errors import UsageError
from minires.inspect.trace import BINS, Summary, record


@pytest.fixture(scope="module")
def trace():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 3, 8, 8), dtype=np.float32)
    return record(models.cifar_resnet(8, "B"), x, np.arange(4), channels=5, image=2)


def test_every_operation_is_recorded_both_ways(trace):
    assert [r.op.name for r in trace.records[:4]] == ["Conv2d", "BatchNorm", "ReLU", "Conv2d"]
    assert trace.records[-1].op.name == "CrossEntropy"
    assert all(r.gradient is not None for r in trace.records)
    assert trace.loss == pytest.approx(trace.records[-1].output.mean)
    assert trace.records[-1].gradient.norm == 1


def test_shapes_of_inputs_and_of_those_left_out(trace):
    conv = trace.records[0]
    assert conv.input_shapes == ((4, 3, 8, 8), (16, 3, 3, 3), None)
    assert conv.inputs == (None, None, None)
    assert conv.shape == (4, 16, 8, 8)


def test_kernels_and_their_gradient():
    x = np.random.default_rng(0).standard_normal((4, 3, 8, 8), dtype=np.float32)
    model = models.cifar_resnet(8, "B")
    conv, norm, *_ = record(model, x, np.arange(4), channels=5).records
    assert np.array_equal(conv.parts["w"], model.conv1.weight.data[:5])
    assert np.array_equal(conv.parts["gw"], model.conv1.weight.grad[:5])
    assert np.array_equal(norm.parts["gw"], model.bn1.weight.grad[:5])
    assert np.array_equal(norm.parts["gb"], model.bn1.bias.grad[:5])


@pytest.mark.parametrize("training", [True, False])
def test_the_channels_of_a_batch_norm(training):
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(3, 2, (8, 4, 5, 5)).astype(np.float32))
    norm = nn.BatchNorm2d(4).train(training)
    norm.weight.data[:] = 1, 2, 3, 4
    norm.bias.data[:] = 5, 6, 7, 8
    norm.running_mean.data[:], norm.running_var.data[:] = 2, 9
    own = record(lambda x: norm(x).mean(dim=(2, 3)), x, np.zeros(8, int), channels=3).records[0]
    expected = {"w": [1, 2, 3], "b": [5, 6, 7], "mean": [2] * 3, "std": [3] * 3}
    if training:
        expected |= {"mean": x.data.mean((0, 2, 3))[:3], "std": x.data.std((0, 2, 3))[:3]}
    y = norm(x).data
    expected |= {"mean after": y.mean((0, 2, 3))[:3], "std after": y.std((0, 2, 3))[:3]}
    for name, values in expected.items():
        assert own.parts[name] == pytest.approx(np.array(values), rel=1e-4), name


def test_the_pixel_that_won_a_max_pooling():
    x = np.zeros((2, 2, 4, 4), np.float32)
    x[1, 0, 1, 0] = x[1, 0, 0, 3] = x[1, 1, 3, 3] = 1
    x = Tensor(x, requires_grad=True)
    own = record(
        lambda x: F.max_pool2d(x, 3, 2, 1).reshape(2, 8), x, np.arange(2), channels=1, image=1
    ).records[0]
    assert own.parts["winner"].tolist() == [[[7, 5], [1, 0]]]


def test_gradients_are_those_of_backward(trace):
    """The norm that an operation hands on is the norm that comes in to where it goes."""
    checked = 0
    for r in trace.records:
        for given in r.input_gradients:
            if given.to is not None and not given.added:
                all_given = [g for o in trace.records for g in o.input_gradients]
                if sum(g.to == given.to for g in all_given) == 1:
                    norm = trace.records[given.to].gradient.norm
                    assert norm == pytest.approx(given.norm, 1e-5)
                    checked += 1
    assert checked > 10


def test_an_addition_gives_the_same_to_both_branches(trace):
    additions = [r for r in trace.records if r.op.name == "Add"]
    assert len(additions) == 3
    for r in additions:
        a, b = r.input_gradients
        assert a.norm == b.norm == pytest.approx(r.gradient.norm)
        assert (a.name, b.name) == ("a", "b")


def test_it_begins_with_the_image_and_ends_with_the_softmax(trace):
    loss = trace.records[-1]
    assert trace.label == 2
    assert trace.image.maps.shape == (3, 8, 8), "all of its channels"
    assert trace.probabilities.sum() == pytest.approx(1)
    logits = trace.records[-2].output.maps[0, 0]
    exp = np.exp(logits - logits.max())
    np.testing.assert_allclose(trace.probabilities, exp / exp.sum(), rtol=1e-5)
    assert loss.op.name == "CrossEntropy"
    gradient = 4 * trace.records[-2].gradient.maps[0, 0]
    np.testing.assert_allclose(trace.probabilities - np.eye(10)[2], gradient, atol=1e-6)


@pytest.mark.parametrize(("left", "cut"), [("branch", "b"), ("shortcut", "a")])
@pytest.mark.parametrize("shortcut", ["A", "B", None])
def test_norms_through_the_branch_or_the_shortcut_alone(left, cut, shortcut):
    """Those of a walk at whose additions the other one's gradient is multiplied by 0."""
    x = np.random.default_rng(1).standard_normal((4, 3, 8, 8), dtype=np.float32)
    model = models.cifar_net("plain8") if shortcut is None else models.cifar_resnet(8, shortcut)
    trace = record(model, x, np.arange(4))
    gradients = [p.grad for p in model.parameters()]
    model.zero_grad()
    F.cross_entropy(model(x), np.arange(4)).backward()
    for p, gradient in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_allclose(gradient, p.grad, rtol=1e-4, atol=1e-6)
    norms = []
    for step in F.cross_entropy(model(x), np.arange(4)).backward_steps():
        norms.append(step.norm)
        if step.op.name == "Add":
            step.scale(0, cut)
    recorded = [r.alone[left] for r in reversed(trace.records)]
    np.testing.assert_allclose(recorded, norms, rtol=1e-4)
    same = [r.gradient.norm for r in reversed(trace.records)]
    assert (recorded == pytest.approx(same)) == (shortcut is None)


def test_maps_are_some_channels_of_one_image(trace):
    assert trace.records[0].output.maps.shape == (5, 8, 8)
    assert trace.records[-2].output.maps.shape == (1, 1, 10)
    assert trace.records[-1].output.maps is None
    array = np.arange(2.0 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(Summary.of(array, 2, 1).maps, array[1, :2])


def test_a_summary_is_right():
    s = Summary.of(np.array([[0.0, 1.0, 2.0, 5.0]]), 8, 0)
    assert (s.norm, s.mean, s.low, s.high) == (np.sqrt(30), 2, 0, 5)
    assert s.std == pytest.approx(np.sqrt(3.5))
    assert sum(s.histogram) == 4
    assert len(s.histogram) == BINS
    assert (s.histogram[0], s.histogram[-1]) == (1, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).standard_normal((4, 8, 6, 6)),
        np.random.default_rng(1).standard_normal((8, 6, 6, 4)).transpose(3, 0, 1, 2).clip(0),
        np.random.default_rng(2).integers(-16, 17, (4, 8, 6, 6)) / 16,  # on the ends of bins
        1e6 + np.random.default_rng(3).random((4, 8, 6, 6)),
        np.full((2, 3), 0.7),
        np.array([[0.0, 1e-40, 3e38]]),
    ],
    ids=["normal", "transposed", "ends", "offset", "one value", "tiny and huge"],
)
def test_a_histogram_is_numpys_to_the_count(values, dtype):
    values = values.astype(dtype)
    exact = values.astype(np.float64)
    expected, _ = np.histogram(exact, BINS, (exact.min(), exact.max()))
    assert Summary.of(values, 8, 0).histogram == expected.tolist()


def test_a_range_too_small_for_its_bins_is_no_error():
    """np.histogram raises there: outputs that are equal up to rounding, in float64."""
    s = Summary.of(np.array([[1.0, 1.0, np.nextafter(1, 2)]]), 8, 0)
    assert sum(s.histogram) == 3


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_range_that_is_infinite_has_no_histogram():
    assert sum(Summary.of(np.array([[-1.7e308, 1.7e308]]), 8, 0).histogram) == 0


def test_numbers_that_are_none_have_no_histogram():
    s = Summary.of(np.array([[np.nan, np.inf]]), 8, 0)
    assert sum(s.histogram) == 0
    assert np.isnan(s.mean)


def test_a_part_keeps_its_numbers_straight(trace):
    part = trace.within("layer2")
    assert {r.op.path.split(".")[0] for r in part.records} == {"layer2"}
    assert part.loss == trace.loss
    assert part.image is None
    assert trace.within("conv1").image is trace.image
    addition = next(r for r in part.records if r.op.name == "Add")
    assert [part.records[i].op.path for i in addition.inputs] == [
        "layer2.0.bn2",
        "layer2.0.downsample.1",
    ]
    first = part.records[0]
    assert first.op.path == "layer2.0.conv1"
    assert first.inputs[0] is None
    assert [g.to for g in first.input_gradients] == [None, None]
    with pytest.raises(UsageError, match="no operation fits path='layer7'"):
        trace.within("layer7")


def test_any_function_can_be_recorded():
    w = Tensor(np.ones((3, 2)), requires_grad=True)
    trace = record(lambda x: F.linear(x, w), np.ones((2, 2)), np.array([0, 1]))
    assert [r.op.name for r in trace.records] == ["Linear", "CrossEntropy"]
    assert trace.records[0].input_gradients[0].label == "a leaf"
