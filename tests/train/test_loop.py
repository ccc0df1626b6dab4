import numpy as np
import pytest
from small_training import DATA, small_training, weights, without_time

from minires import Tensor, manual_seed
from minires import functional as F
from minires.errors import NonFiniteError
from minires.models import cifar_net
from minires.train import Recipe


def test_rows_come_at_the_end_of_an_epoch_and_of_training():
    t = small_training()
    rows = [p.row for p in t.run() if p.row]
    assert rows == t.rows
    assert [row.iteration for row in rows] == [15, 20]
    assert [round(row.epoch, 3) for row in rows] == [1, 1.333]
    assert t.finished


def test_errors_and_losses_are_means_over_the_images_of_the_epoch():
    t = small_training()
    losses, wrong, seen = 0.0, 0, 0
    batches = DATA.training_batches(100, seed=0, epoch=0)
    steps = t.run()
    for x, labels in batches:
        logits = t.model.train()(x)  # what the step is about to compute, before its update
        losses += F.cross_entropy(logits, labels).item() * len(labels)
        wrong += (logits.numpy().argmax(axis=1) != labels).sum()
        seen += len(labels)
        progress = next(steps)
        assert progress.train_loss == pytest.approx(losses / seen, rel=1e-6)
        assert progress.train_error == pytest.approx(100 * wrong / seen)
    assert seen == 1437
    row = progress.row
    assert (row.train_loss, row.train_error) == (progress.train_loss, progress.train_error)


def test_the_test_error_uses_running_statistics_and_leaves_training_mode():
    t = small_training()
    row = next(p.row for p in t.run() if p.row)
    x = DATA.inputs(DATA.test_images)
    guesses = t.model.eval()(x).numpy().argmax(axis=1)
    assert row.test_error == pytest.approx(100 * (guesses != DATA.test_labels).mean())
    t.model.train()
    t.test_error()
    assert t.model.bn1.training


def test_the_learning_rate_falls_at_a_half_and_three_quarters():
    t = small_training()
    rates = []
    for _ in t.run():
        rates.append(t.optimiser.lr)
    assert rates == pytest.approx([0.05] * 10 + [0.005] * 5 + [0.0005] * 5)


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    a, b, c = small_training(), small_training(), small_training(seed=1)
    for t in (a, b, c):
        list(t.run())
    assert weights(a) == weights(b) != weights(c)
    assert without_time(a.rows) == without_time(b.rows)


def test_training_learns():
    t = small_training(Recipe(batch_size=32, lr=0.02, iterations=135))
    list(t.run())
    assert t.rows[-1].train_error < 20


def test_a_nan_in_the_loss_names_net_op_and_line():
    t = small_training()
    steps = t.run()
    next(steps)
    t.model.layer2[0].bn1.weight.data[3] = np.nan
    before = t.model.fc.weight.data.copy()
    with pytest.raises(NonFiniteError) as caught:
        next(steps)
    message = str(caught.value)
    assert "resnet8, seed 0: the loss is nan at iteration 1" in message
    assert "BatchNorm (layer2.0.bn1, " in message
    assert "blocks.py:" in message
    assert "was already in its input w" in message
    assert "1 parameters were not finite before this step, first layer2.0.bn1.weight" in message
    assert t.iteration == 1
    np.testing.assert_array_equal(t.model.fc.weight.data, before)


def test_an_overflow_is_told_from_a_nan_that_was_given():
    t = small_training()
    t.model.fc.weight.data[...] = 3e38
    with pytest.raises(NonFiniteError, match=r"Linear \(fc, .*was made by it"):
        next(t.run())


def test_a_step_is_forward_backward_and_the_reference_update():
    t = small_training()
    x, labels = next(DATA.training_batches(100, seed=0, epoch=0))
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
