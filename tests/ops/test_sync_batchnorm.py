"""Batch norm over ranks: on any number of them, what one rank gives that has the whole batch."""

import numpy as np
import pytest
from oracles import assert_same, run
from simulated_ranks import on_ranks

from minires import Op, Tensor, gradcheck
from minires import functional as F
from minires.errors import GradientError, UsageError
from minires.nn import SyncBatchNorm2d
from minires.ops import SyncBatchNorm


class OnRanks(Op):
    """`SyncBatchNorm` of a batch that is spread over ranks, which are threads."""

    def __init__(self, *cuts, broken=False):
        self.cuts = cuts  # where the batch is cut
        self.broken = broken

    def forward(self, x, w, b):
        parts = np.split(x, self.cuts)

        def norm(rank, total):
            op = SyncBatchNorm(total)
            op.needs_grad = (True, True, True)
            return op, op.forward(parts[rank], w, b)

        norms = on_ranks(len(parts), norm)
        self.save(*(op for op, _ in norms))
        return np.concatenate([y for _, y in norms])

    def backward(self, gy):
        parts = np.split(gy, self.cuts)

        def norm(rank, total):
            op = self.saved[rank]
            op.total = (lambda own: own) if self.broken else total
            return op.backward(parts[rank])

        gxs, gws, gbs = zip(*on_ranks(len(parts), norm), strict=True)
        return np.concatenate(gxs), sum(gws), sum(gbs)


def batch(*shape):
    rng = np.random.default_rng(0)
    return rng.normal(3, 2, shape), rng.normal(size=shape[1]), rng.normal(size=shape[1])


CUTS = [(), (3,), (1,), (2, 3)]


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("shape", [(5, 2, 2, 3), (5, 3, 2)])
def test_it_is_batch_norm_of_the_whole_batch(cuts, shape):
    arrays = batch(*shape)
    whole = run(lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), *arrays)
    over_ranks = run(lambda x, w, b: OnRanks(*cuts)(x, w, b), *arrays)
    assert_same(over_ranks[:2], whole[:2], 1e-12)


@pytest.mark.parametrize("cuts", CUTS)
def test_its_backward_is_that_of_its_forward(cuts):
    inputs = [Tensor(a, requires_grad=True) for a in batch(4, 2, 1, 2)]
    assert gradcheck(lambda *xs: OnRanks(*cuts)(*xs), inputs) < 1e-7


def test_a_backward_without_the_sums_of_other_ranks_is_seen():
    inputs = [Tensor(a, requires_grad=True) for a in batch(4, 2, 1, 2)]
    with pytest.raises(GradientError, match="input 0"):
        gradcheck(lambda *xs: OnRanks(2, broken=True)(*xs), inputs)


def test_running_statistics_are_those_of_all_images():
    x, w, b = batch(6, 2, 2, 2)
    expected = [np.zeros(2), np.ones(2)]
    F.batch_norm(x, *expected, w, b, training=True)

    def on_a_rank(rank, total):
        running = [np.zeros(2), np.ones(2)]
        F.batch_norm(np.split(x, [2])[rank], *running, w, b, training=True, total=total)
        return running

    for running in on_ranks(2, on_a_rank):
        assert_same(running, expected, 1e-12)


def test_the_layer_is_batch_norm_with_a_total():
    x = batch(4, 2, 2, 2)[0].astype(np.float32)
    layer = SyncBatchNorm2d(2, total=lambda own: own)
    assert layer(x).op.name == "SyncBatchNorm"
    assert layer.eval()(x).op.name == "BatchNormInference"
    assert (layer.running_mean.data != 0).all()


def test_a_total_that_is_no_function_is_named():
    with pytest.raises(UsageError, match="total must be a function, got 3"):
        SyncBatchNorm2d(2, total=3)
