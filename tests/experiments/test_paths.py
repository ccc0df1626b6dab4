"""Paths through a residual net: together they are the whole gradient, to the last digit."""

import math
from itertools import combinations

import numpy as np
import pytest

from minires import Tensor, models
from minires import functional as F
from minires.errors import UsageError
from minires.experiments.gradient_flow.paths import PathGradient, Paths, blocks_of, path_gradient

LABELS = np.array([0, 1])


def images(dtype=np.float64):
    return np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(dtype)


@pytest.fixture(scope="module", params=["A", "B"])
def net(request):
    return models.cifar_resnet(8, request.param).to(np.float64)


def followed(net):
    x = Tensor(images(), requires_grad=True)
    return F.cross_entropy(net(x), LABELS), x


def test_all_paths_add_up_to_the_gradient(net):
    loss, x = followed(net)
    paths = [set(p) for length in range(4) for p in combinations(range(3), length)]
    along = [path_gradient(loss, x, path).copy() for path in paths]
    assert len(along) == 8
    assert all(np.abs(gradient).max() > 0 for gradient in along)
    x.zero_grad()
    loss.backward()
    np.testing.assert_allclose(sum(along), x.grad, rtol=1e-10, atol=1e-15)


def test_a_path_is_what_scaling_the_other_inputs_by_0_leaves(net):
    loss, x = followed(net)
    found = path_gradient(loss, x, {0, 2}).copy()
    x.zero_grad()
    for number, step in enumerate(loss.backward_steps(retain_graph=True, ops="Add")):
        step.scale(0, "b" if number in (0, 2) else "a")
    np.testing.assert_allclose(found, x.grad, rtol=1e-12)


def test_the_path_past_all_branches_is_that_of_a_net_without_them():
    """In a chain of identities, pools and ReLUs, which is computed here anew."""
    net = models.cifar_resnet(8).to(np.float64)
    x = Tensor(images(), requires_grad=True)
    loss = F.cross_entropy(net(x), LABELS)
    found = path_gradient(loss, x, ()).copy()

    x = Tensor(images(), requires_grad=True)
    y = F.relu(net.bn1(net.conv1(x)))
    for stage in (net.layer1, net.layer2, net.layer3):
        block = stage[0]
        branch = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(y)))))
        y = F.relu(block.identity(y) + branch.numpy())  # a constant: no gradient comes through it
    F.cross_entropy(net.fc(F.global_avg_pool2d(y)), LABELS).backward()
    np.testing.assert_allclose(found, x.grad, rtol=1e-9)


def measured(draws=4, **settings):
    nets = {"resnet8": models.cifar_resnet(8), "resnet14": models.cifar_resnet(14)}
    return Paths(nets, images(np.float32), LABELS, draws=draws, **settings)


def test_every_length_of_every_net_is_measured():
    found = list(measured())
    assert len(found) == len(measured()) == (3 + 1) + (6 + 1)
    assert [(g.net, g.length) for g in found[3:6]] == [
        *(("resnet8", 3), ("resnet14", 0), ("resnet14", 1))
    ]
    assert [g.paths for g in found[:4]] == [1, 3, 3, 1]
    assert sum(g.paths for g in found[4:]) == 2**6
    for gradient in found:
        assert gradient.norms.shape == (4,)
        assert (gradient.norms > 0).all()
    ends = [g for g in found if g.length in (0, g.blocks)]
    assert all(len(set(g.norms)) == 1 for g in ends), "there is one such path"
    assert len(set(found[6].norms)) > 1


def test_the_norms_are_those_of_paths_of_that_length():
    paths = measured(draws=20)
    net = paths.models["resnet8"]
    x = Tensor(paths.x, requires_grad=True)
    loss = F.cross_entropy(net(x), LABELS)
    for gradient in list(paths)[:4]:
        possible = [
            np.linalg.norm(path_gradient(loss, x, set(branches)).astype(np.float64))
            for branches in combinations(range(3), gradient.length)
        ]
        assert len(possible) == gradient.paths
        for size in gradient.norms:
            assert np.isclose(size, possible, rtol=1e-3).any()
        assert len(set(gradient.norms.round(9))) == gradient.paths, "20 draws find all three"


def test_nets_are_left_as_they_were():
    paths = measured()
    list(paths)
    for net in paths.models.values():
        assert all(p.requires_grad and p.grad is None for p in net.parameters())


def test_a_net_without_shortcuts_raises():
    plain = models.cifar_plain(8)
    assert blocks_of(plain) == 0
    with pytest.raises(UsageError, match="plain8 has no shortcuts"):
        Paths({"plain8": plain}, images(), LABELS)


def test_rows_and_means():
    gradient = PathGradient("resnet20", 9, 4, np.array([1.0, 3.0]))
    assert gradient.mean == 2
    assert gradient.paths == math.comb(9, 4)
    assert [(row["draw"], row["norm"], row["paths"]) for row in gradient.rows()] == [
        *((0, "1", 126), (1, "3", 126))
    ]
