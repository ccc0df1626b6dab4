"""A training on ranks: its numbers are those of all images, and a NaN of any rank ends it."""

import numpy as np
import pytest
from simulated_ranks import TwoEqual

from minires import functional as F
from minires import manual_seed
from minires.data import digits
from minires.errors import NonFiniteError, UsageError
from minires.models import cifar_net
from minires.nn import SyncBatchNorm2d
from minires.parallel import DistributedSGD, rank_trainer
from minires.parallel.rank_trainer import RankTrainer, expect_divisible
from minires.parallel.ranks import Ranks
from minires.train import Recipe

DATA = digits()
RECIPE = Recipe(batch_size=100, lr=0.05, iterations=2)


def training(ranks):
    manual_seed(0)
    model = cifar_net("resnet8", 10, 1, norm=lambda C: SyncBatchNorm2d(C, ranks.total))
    return RankTrainer(ranks, "resnet8", model, DATA, RECIPE, RECIPE.schedule(8), 0)


def test_losses_and_errors_are_of_the_images_of_all_ranks():
    trainer = training(Ranks(TwoEqual()))
    assert len(next(trainer.dataset.training_batches(100, 0, 0))[1]) == 50
    *_, last = trainer.run()
    assert trainer.totals.seen == 0  # they went into the row
    assert last.row.iteration == 2
    assert trainer.test()[1] == 2 * 180  # both ranks have the first half of the test images


@pytest.mark.parametrize("own_is_finite", [True, False])
def test_a_rank_waits_for_the_one_whose_loss_is_not_finite(own_is_finite, monkeypatch):
    ranks, slept = Ranks(TwoEqual()), []
    trainer = training(ranks)
    monkeypatch.setattr(rank_trainer.time, "sleep", slept.append)
    if own_is_finite:
        monkeypatch.setattr(ranks, "total", lambda own: own * [np.nan, 2, 2])
    else:
        trainer.model.conv1.weight.data[:] = np.nan
    with pytest.raises(NonFiniteError, match="resnet8, seed 0: the loss is nan at iteration 0"):
        next(trainer.run())
    assert slept == ([rank_trainer.PATIENCE] if own_is_finite else [])


@pytest.mark.parametrize(
    ("batch", "ranks", "sentence"),
    [
        (32, 3, "3 ranks cannot share a batch of 32 images equally"),
        (2, 4, "4 ranks cannot share a batch of 2 images equally"),
        (64, 32, "the last batch of an epoch has 29 images, too few for 32 ranks"),
        (96, 3, None),
        (1436, 4, None),  # a last batch of one image is left out
    ],
)
def test_a_batch_that_ranks_cannot_share_is_named(batch, ranks, sentence):
    many = Ranks()
    many.size = ranks
    if sentence is None:
        expect_divisible(Recipe(batch, 0.1, 10), DATA, many)
    else:
        with pytest.raises(UsageError, match=sentence):
            expect_divisible(Recipe(batch, 0.1, 10), DATA, many)


def test_mpi_is_called_for_every_message_that_has_left_at_each_step_of_backward():
    manual_seed(0)
    net = cifar_net("resnet8", 10, 1)
    optimiser = DistributedSGD(net, 0.1, ranks=Ranks(TwoEqual()), bucket_bytes=50_000)
    images, labels = next(DATA.training_batches(4, 0, 0))
    loss = F.cross_entropy(net(images), labels)
    left = dict.fromkeys(optimiser.messages, 0)
    with optimiser.reducing(loss):
        for _ in loss.backward_steps(0.5):
            for message in left:
                left[message] += message.left
        called = {message: message.request.calls for message in left if message.left}
    steps = list(left.values())
    assert called == {message: steps for message, steps in left.items() if steps}
    assert steps[0] == max(steps) > 30  # running statistics left before backward
    assert steps[-1] == 0 < steps[-2]
