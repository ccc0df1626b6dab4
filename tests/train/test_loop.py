import math

import numpy as np
import pytest

from minires import Tensor, manual_seed
from minires import functional as F
from minires.data import digits
from minires.data.dataset import Epoch, training_batch
from minires.errors import DataError, NonFiniteError
from minires.models import cifar_net
from minires.train import Recipe, Trainer

DATA = digits()
RECIPE = Recipe(batch_size=100, lr=0.05, iterations=20)  # 15 batches an epoch


def trainer(recipe=RECIPE, net="resnet8", seed=0):
    manual_seed(seed)
    model = cifar_net(net, 10, 1)
    return Trainer(net, model, DATA, recipe, recipe.schedule(8), seed)


def weights(t):
    return {name: array.tobytes() for name, array in t.state()[0].items()}


def without_time(rows):
    return [{**vars(row), "seconds": 0} for row in rows]


def test_rows_come_at_the_end_of_an_epoch_and_of_training():
    t = trainer()
    rows = [p.row for p in t.run() if p.row]
    assert rows == t.rows
    assert [row.iteration for row in rows] == [15, 20]
    assert [round(row.epoch, 3) for row in rows] == [1, 1.333]
    assert t.finished


def test_errors_and_losses_are_means_over_the_images_of_the_epoch():
    t = trainer()
    losses, wrong, seen = 0.0, 0, 0
    epoch = Epoch.draw(DATA, 0, 0)
    steps = t.run()
    for place in range(15):
        x, labels = training_batch(DATA, epoch, slice(100 * place, 100 * place + 100))
        logits = t.model.train()(x)  # what the step is about to compute, before its update
        losses += F.cross_entropy(logits, labels).item() * len(labels)
        wrong += (logits.numpy().argmax(axis=1) != labels).sum()
        seen += len(labels)
        progress = next(steps)
    assert seen == 1437
    assert progress.row.train_loss == pytest.approx(losses / seen, rel=1e-6)
    assert progress.row.train_error == pytest.approx(100 * wrong / seen)


def test_the_test_error_uses_running_statistics_and_leaves_training_mode():
    t = trainer()
    row = next(p.row for p in t.run() if p.row)
    x = DATA.inputs(DATA.test_images)
    guesses = t.model.eval()(x).numpy().argmax(axis=1)
    assert row.test_error == pytest.approx(100 * (guesses != DATA.test_labels).mean())
    t.model.train()
    t.test_error()
    assert t.model.bn1.training


def test_the_learning_rate_falls_at_a_half_and_three_quarters():
    t = trainer()
    rates = []
    for _ in t.run():
        rates.append(t.optimiser.lr)
    assert rates == pytest.approx([0.05] * 10 + [0.005] * 5 + [0.0005] * 5)


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    a, b, c = trainer(), trainer(), trainer(seed=1)
    for t in (a, b, c):
        list(t.run())
    assert weights(a) == weights(b) != weights(c)
    assert without_time(a.rows) == without_time(b.rows)


@pytest.mark.parametrize("stop_at", [1, 7, 15, 19])
def test_going_on_from_a_state_gives_the_bits_of_an_unbroken_run(stop_at):
    unbroken = trainer()
    list(unbroken.run())
    first = trainer()
    for progress in first.run():
        if progress.iteration == stop_at:
            break
    second = trainer(seed=0)
    for p in second.model.parameters():
        p.data[...] = 7  # whatever it starts with must not matter
    second.restore(*first.state())
    list(second.run())
    assert weights(second) == weights(unbroken)
    assert without_time(second.rows) == without_time(unbroken.rows)


def test_training_learns():
    t = trainer(Recipe(batch_size=32, lr=0.02, iterations=135))
    list(t.run())
    assert t.rows[-1].train_error < 20


def test_a_nan_in_the_loss_names_net_op_and_line():
    t = trainer()
    steps = t.run()
    next(steps)
    t.model.layer2[0].bn1.weight.data[3] = np.nan
    with pytest.raises(NonFiniteError) as caught:
        next(steps)
    message = str(caught.value)
    assert "resnet8, seed 0: the loss is nan at iteration 1" in message
    assert "BatchNorm (layer2.0.bn1, " in message
    assert "blocks.py:" in message
    assert "was already in its input w" in message
    assert "layer2.0.bn1.weight" in message
    assert t.iteration == 1


def test_an_overflow_is_told_from_a_nan_that_was_given():
    t = trainer()
    t.model.fc.weight.data[...] = 3e38
    with pytest.raises(NonFiniteError, match=r"Linear \(fc, .*was made by it"):
        next(t.run())


def test_a_state_with_a_nan_is_refused_before_it_replaces_a_good_one():
    t = trainer()
    next(t.run())
    t.optimiser.velocities[0][0] = math.inf
    with pytest.raises(NonFiniteError, match=r"velocity\.conv1\.weight holds a NaN"):
        t.state()


def test_a_state_of_another_net_is_refused():
    tensors, facts = trainer(net="resnet14").state()
    with pytest.raises(DataError, match="not a checkpoint of resnet8"):
        trainer().restore(tensors, facts)


def test_a_state_that_lacks_something_is_refused():
    t = trainer()
    tensors, facts = t.state()
    del facts["wrong"]
    with pytest.raises(DataError, match="wrong"):
        t.restore(tensors, facts)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("iteration", "5"), ("iteration", 5.5), ("iteration", -3), ("iteration", 99)),
        *(("loss_sum", None), ("wrong", math.nan), ("seconds", -1), ("seed", 1), ("net", "plain8")),
        *(("rows", []), ("rows", [{"net": "resnet8"}]), ("rows", 5), ("schedule", None)),
    ],
)
def test_an_altered_fact_is_refused(key, value):
    t = trainer(Recipe(batch_size=100, lr=0.05, iterations=2))
    list(t.run())
    tensors, facts = t.state()
    again = trainer(t.recipe)
    again.restore(tensors, facts)  # as it is, it is taken
    if key == "schedule":
        again.schedule = Recipe(100, 0.05, 2).schedule(110)
    with pytest.raises(DataError, match="not a checkpoint of resnet8, seed 0"):
        again.restore(tensors, {**facts, key: value})


@pytest.mark.parametrize(
    ("column", "value"),
    [("train_error", "x"), ("net", "plain8"), ("seed", 3), ("iteration", 99), ("epoch", True)],
)
def test_an_altered_row_is_refused(column, value):
    t = trainer(Recipe(batch_size=100, lr=0.05, iterations=2))
    list(t.run())
    tensors, facts = t.state()
    facts["rows"][0][column] = value
    with pytest.raises(DataError, match="not a checkpoint"):
        t.restore(tensors, facts)


@pytest.mark.parametrize("name", ["fc.weight", "velocity.fc.weight"])
def test_altered_arrays_are_refused(name):
    t = trainer()
    tensors, facts = t.state()
    with pytest.raises(DataError, match="not a checkpoint"):
        t.restore({**tensors, name: np.full_like(tensors[name], np.nan)}, facts)
    with pytest.raises(DataError, match="not a checkpoint"):
        t.restore({**tensors, name: tensors[name][0]}, facts)


def test_a_step_is_forward_backward_and_the_update_of_the_book():
    t = trainer()
    x, labels = training_batch(DATA, Epoch.draw(DATA, 0, 0), slice(0, 100))
    manual_seed(0)
    model = cifar_net("resnet8", 10, 1)
    F.cross_entropy(model(Tensor(x)), labels).backward()
    expected = {
        name: p.data - np.float32(0.05) * (p.grad + np.float32(1e-4) * p.data)
        for name, p in model.named_parameters()
    }
    next(t.run())
    for name, p in t.model.named_parameters():
        np.testing.assert_allclose(p.data, expected[name], rtol=1e-6, atol=1e-7)
