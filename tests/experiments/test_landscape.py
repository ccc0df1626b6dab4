import numpy as np
import pytest

from minires import Tensor, models, nn, no_grad, textbook
from minires import functional as F
from minires.backend import manual_seed
from minires.data import digits
from minires.errors import UsageError
from minires.experiments.landscape.surface import (
    Point,
    axis,
    batch_of,
    classification,
    coordinates,
    directions,
    moved,
    surface,
)

DATA = digits()
BATCH = batch_of(DATA, 32, seed=0)


def net(name="resnet8", seed=0):
    manual_seed(seed)
    return models.cifar_net(name, 10, 1)


def walk(generator):
    """All that a generator gives out, and its value."""
    given = []
    while True:
        try:
            given.append(next(generator))
        except StopIteration as end:
            return given, end.value


def state(model):
    """Everything a walk could leave changed: which arrays, what is in them, the modes."""
    tensors = [(name, id(t.data), t.data.tobytes()) for name, t in model.named_tensors()]
    return tensors, [module.training for _, module in model.named_modules()]


# --- directions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_each_filter_of_a_direction_has_the_norm_of_the_nets_own(dtype, rtol):
    model = net().to(dtype=dtype)
    weights = {name: p.numpy() for name, p in model.named_parameters()}
    for direction in directions(model, seed=0):
        for name, d in direction.items():
            w = weights[name]
            assert (d.shape, d.dtype, d.strides) == (w.shape, w.dtype, w.strides)
            norms = [np.linalg.norm(a.reshape(len(a), -1).astype(float), axis=1) for a in (d, w)]
            np.testing.assert_allclose(*norms, rtol=rtol)


def test_biases_and_the_parameters_of_batch_norm_stay():
    model = net()
    filters = {name for name, p in model.named_parameters() if p.ndim > 1}
    assert "fc.weight" in filters
    assert "layer1.0.conv1.weight" in filters
    for direction in directions(model, seed=0):
        assert set(direction) == filters


def test_a_filter_of_zeros_does_not_move():
    model = net()
    model.conv1.weight.data[3] = 0
    for direction in directions(model, seed=0):
        assert not direction["conv1.weight"][3].any()
        assert direction["conv1.weight"][2].any()


def test_the_directions_are_random_and_repeatable():
    def flat(direction):
        return np.concatenate([d.ravel() for d in direction.values()]).astype(float)

    first, second = map(flat, directions(net(), seed=0))
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert abs(cosine) < 0.02  # as those of 75,000 independent numbers are
    assert abs(first.mean()) < 0.02 * first.std()
    np.testing.assert_array_equal(first, flat(directions(net(), seed=0)[0]))
    assert (first != flat(directions(net(), seed=1)[0])).all()


def test_plain_and_residual_nets_get_the_same_directions_but_for_the_norms():
    plain, residual = net("plain8", seed=1), net("resnet8", seed=2)
    for d, e in zip(directions(plain, 0), directions(residual, 0), strict=True):
        for name in d:
            one, other = (a[name][0] / np.linalg.norm(a[name][0]) for a in (d, e))
            np.testing.assert_allclose(one, other, atol=1e-6)


# --- moving -------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_the_net_is_put_back_to_the_bit(training):
    model = net().train(training)
    model.layer1.train()  # a part in another mode is put back to that
    before = state(model)
    with moved(model, directions(model, 0), 0.5, -0.25), no_grad():
        model(BATCH[0])
        assert state(model)[0] != before[0]
    assert state(model) == before


def test_the_net_is_put_back_after_an_error():
    model = net().eval()
    before = state(model)

    def interrupted(moved_net):
        moved_net(BATCH[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walk(surface(model, directions(model, 0), axis(3, 1.0), interrupted))
    assert state(model) == before


def test_a_walk_may_be_left_in_the_middle():
    model = net().eval()
    before = state(model)
    generator = surface(model, directions(model, 0), axis(3, 1.0), classification(*BATCH))
    for _ in range(4):
        next(generator)
    assert state(model) == before  # while the walk stands, too, and nothing is in its mode
    assert (Tensor(1.0, requires_grad=True) * 2).op is not None
    generator.close()
    assert state(model) == before


def test_no_graph_is_made():
    def measure(model):
        logits = model(BATCH[0])
        assert logits.op is None
        return 0.0, 0.0

    points, _ = walk(surface(net(), directions(net(), 0), axis(3, 1.0), measure))
    assert len(points) == 9


def test_the_weights_inside_are_those_of_the_plane():
    model = net()
    before = model.state_dict()
    d, e = directions(model, 0)
    with moved(model, (d, e), 0.5, -0.25):
        inside = model.state_dict()
    for name, w in before.items():
        step = 0.5 * d[name] - 0.25 * e[name] if name in d else 0
        np.testing.assert_allclose(inside[name], w + step, rtol=1e-6, atol=1e-7)


def test_batch_norm_uses_the_statistics_of_the_batch_whatever_the_mode():
    model = net()
    along, measure = directions(model, 0), classification(*BATCH)
    for name, tensor in model.named_tensors():
        if "running" in name:
            tensor.data += 7  # nothing the loss may depend on
    surfaces = [
        walk(surface(model.train(mode), along, axis(3, 1.0), measure))[1] for mode in (True, False)
    ]
    np.testing.assert_array_equal(surfaces[0].losses, surfaces[1].losses)


# --- the surface --------------------------------------------------------------------------------


def test_at_the_centre_the_surface_is_the_loss_of_the_net_itself():
    model = net().train()
    found = walk(surface(model, directions(model, 0), axis(3, 1.0), classification(*BATCH)))[1]
    x, labels = BATCH
    with no_grad():
        logits = model(x)
    assert found.centre[0] == F.cross_entropy(logits, labels).item()  # to the bit
    assert found.centre[1] == 100 * np.mean(logits.numpy().argmax(axis=1) != labels)
    assert found.losses[1, 1] == found.centre[0]
    assert len(np.unique(found.losses)) == 9


def test_a_scaled_filter_before_batch_norm_leaves_the_surface_as_it_is():
    """What filter normalisation is for: the same function, the same surface."""
    surfaces = []
    for scale in (1, 4):
        model = net()
        model.layer2[0].conv1.weight.data *= scale
        along = directions(model, 0)
        surfaces.append(walk(surface(model, along, axis(3, 0.5), classification(*BATCH)))[1])
    np.testing.assert_allclose(surfaces[0].losses, surfaces[1].losses, rtol=1e-3)


def test_the_surface_is_that_of_the_reference():
    model = net()
    along, measure = directions(model, 0), classification(*BATCH)
    _, fast = walk(surface(model, along, axis(3, 1.0), measure))
    with textbook():
        _, slow = walk(surface(model, along, axis(3, 1.0), measure))
    np.testing.assert_allclose(fast.losses, slow.losses, rtol=1e-3)


class Line(nn.Module):
    """x wᵀ in float64, so that the mean square of what it is wrong by is a parabola in w."""

    def __init__(self, rng):
        self.weight = nn.Parameter(rng.standard_normal((2, 3)))

    def forward(self, x):
        return F.linear(x, self.weight)


def test_the_surface_of_a_linear_net_is_its_parabola():
    rng = np.random.default_rng(0)
    model = Line(rng)
    x, t = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    along = directions(model, 0)
    d, e = (x @ direction["weight"].T for direction in along)
    r = x @ model.weight.data.T - t

    def square(model):
        return ((model(x) - t) ** 2).mean().item(), 0.0

    points, found = walk(surface(model, along, axis(7, 2.0), square))
    # |r + αd + βe|² = |r|² + 2α r·d + 2β r·e + α²|d|² + 2αβ d·e + β²|e|²
    a, b = np.meshgrid(axis(7, 2.0), axis(7, 2.0), indexing="ij")
    linear = 2 * a * (r * d).mean() + 2 * b * (r * e).mean()
    bent = a**2 * (d * d).mean() + 2 * a * b * (d * e).mean() + b**2 * (e * e).mean()
    np.testing.assert_allclose(found.losses, (r * r).mean() + linear + bent, rtol=1e-12)
    assert points[8] == Point(found.axis[1], found.axis[1], found.losses[1, 1], 0.0)


def test_a_walk_is_resumed_from_what_is_known_to_the_same_bits():
    model = net()
    along, measure = directions(model, 0), classification(*BATCH)
    points, whole = walk(surface(model, along, axis(3, 1.0), measure))
    rest, again = walk(surface(model, along, axis(3, 1.0), measure, known=points[:4]))
    assert points[4:] == rest
    assert again.losses.tobytes() == whole.losses.tobytes()
    assert again.errors.tobytes() == whole.errors.tobytes()


# --- where --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("points", "span"), [(3, 1.0), (25, 0.3), (49, 1.0), (7, 100.0)])
def test_an_axis_has_its_ends_and_exactly_nothing_in_the_middle(points, span):
    steps = axis(points, span)
    assert (steps[0], steps[points // 2], steps[-1]) == (-span, 0, span)
    np.testing.assert_allclose(np.diff(steps), 2 * span / (points - 1))


def test_the_second_direction_runs_faster():
    assert coordinates(np.array([-1.0, 0.0, 1.0]))[:4] == [(-1, -1), (-1, 0), (-1, 1), (0, -1)]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: axis(4, 1.0), r"points must be odd.*at least 3, got 4"),
        (lambda: axis(1, 1.0), "at least 3, got 1"),
        (lambda: axis(-3, 1.0), "at least 3, got -3"),
        (lambda: axis(5, 0.0), "span must be above 0 and at most 100, got 0.0"),
        (lambda: axis(5, float("nan")), "span must be above 0.*got nan"),
        (lambda: axis(5, 101.0), "at most 100, got 101.0"),
        (lambda: batch_of(DATA, 1, 0), "from 2 to the 1437 training images of digits, got 1"),
        (lambda: batch_of(DATA, 1438, 0), "from 2 to the 1437 training images of digits, got 1438"),
    ],
)
def test_what_cannot_be_meant_raises(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        call()


def test_a_batch_is_of_different_training_images_as_the_net_takes_them():
    x, labels = batch_of(DATA, 100, seed=3)
    everything = DATA.inputs(DATA.train_images)
    rows = {
        image.tobytes(): label for image, label in zip(everything, DATA.train_labels, strict=True)
    }
    assert [rows[image.tobytes()] for image in x] == labels.tolist()
    assert len({image.tobytes() for image in x}) == 100
    assert (batch_of(DATA, 100, seed=4)[1] != labels).any()
