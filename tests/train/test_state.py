import math

import numpy as np
import pytest
from small_training import small_training, weights, without_time

from minires.errors import DataError, NonFiniteError
from minires.train import Recipe, restore_training, training_state


@pytest.fixture
def finished():
    """A training of two steps, its tensors and its metadata."""
    trainer = small_training(Recipe(batch_size=100, lr=0.05, iterations=2))
    list(trainer.run())
    return trainer, *training_state(trainer)


@pytest.mark.parametrize("stop_at", [1, 7, 15, 19])
def test_a_resumed_training_has_the_bits_of_an_unbroken_one(stop_at):
    unbroken = small_training()
    list(unbroken.run())
    first = small_training()
    for progress in first.run():
        if progress.iteration == stop_at:
            break
    second = small_training()
    for p in second.model.parameters():
        p.data[...] = 7  # its initial values must not matter
    restore_training(second, *training_state(first))
    assert second.seconds == first.seconds > 0
    assert len(list(second.run())) == 20 - stop_at
    assert weights(second) == weights(unbroken)
    assert without_time(second.rows) == without_time(unbroken.rows)


def test_a_state_with_a_nan_raises_before_it_replaces_a_good_one():
    t = small_training()
    next(t.run())
    t.optimiser.velocities[0][0] = math.inf
    with pytest.raises(NonFiniteError, match=r"velocity\.conv1\.weight holds a NaN"):
        training_state(t)


def test_a_state_of_another_net_raises():
    state = training_state(small_training(net="resnet14"))
    with pytest.raises(DataError, match="not a checkpoint of resnet8, seed 0: it is of net"):
        restore_training(small_training(), *state)


@pytest.mark.parametrize("key", ["iteration", "wrong", "rows", "schedule"])
def test_a_state_that_lacks_something_raises(finished, key):
    trainer, tensors, metadata = finished
    del metadata[key]
    with pytest.raises(DataError, match=f"not a checkpoint of resnet8, seed 0: '{key}'"):
        restore_training(trainer, tensors, metadata)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("iteration", "5", "iteration '5' of 2"),
        ("iteration", 1.5, r"iteration 1\.5 of 2"),
        ("iteration", True, "iteration True of 2"),
        ("iteration", -1, "iteration -1 of 2"),
        ("iteration", 99, "iteration 99 of 2"),
        ("iteration", 1, "a row of resnet8, seed 0, iteration 2"),
        ("loss_sum", None, "loss_sum is None"),
        ("wrong", math.nan, "wrong is nan"),
        ("seconds", -1, "seconds is -1"),
        ("seed", 1, "it is of seed 1"),
        ("net", "plain8", "it is of net 'plain8'"),
        ("rows", [], "the last row is missing"),
        ("rows", [{"net": "resnet8"}], "missing 8 required"),
        ("rows", 5, "rows is 5, expected a list"),
        ("rows", None, "rows is None, expected a list"),
        ("rows", [5], "after \\*\\* must be a mapping"),
        ("schedule", None, "schedule is None, expected an object"),
        ("schedule", {"errors": []}, "'warm'"),
        ("schedule", {"warm": "no", "errors": []}, "warm is 'no', expected true or false"),
        ("schedule", {"warm": False, "errors": "x"}, "errors is 'x', expected a list"),
        ("schedule", {"warm": False, "errors": [10**400]}, "errors is 10000000000"),
        ("schedule", {"warm": False, "errors": [-1.0]}, r"errors is -1\.0, expected 0 to 100"),
        ("iteration", [[[[[[[[[[9]]]]]]]]]], r"iteration \[+\.\.\.\]+ of 2"),
        ("loss_sum", math.inf, "loss_sum is inf, expected a finite number"),
        ("wrong", 10**400, "wrong is 10000000000"),
        ("seconds", "9" * 400, "seconds is '9{12}\\.\\.\\.9{13}', expected a finite number"),
        ("net", "x" * 400, "it is of net 'x{12}\\.\\.\\.x{13}'"),
    ],
)
def test_altered_metadata_raises(finished, key, value, reason):
    trainer, tensors, metadata = finished
    if key == "schedule":
        trainer.schedule = Recipe(100, 0.05, 2).schedule(110)
    else:
        restore_training(trainer, tensors, metadata)  # unaltered, it is accepted
    with pytest.raises(DataError, match=f"not a checkpoint of resnet8, seed 0: .*{reason}"):
        restore_training(trainer, tensors, {**metadata, key: value})


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("train_error", "x", "train_error is 'x'"),
        ("train_error", math.nan, "train_error is nan, expected a finite number"),
        ("test_error", 101.0, r"test_error is 101\.0, expected 0 to 100"),
        ("train_loss", math.inf, "train_loss is inf, expected a finite number"),
        ("lr", -0.1, r"lr is -0\.1, expected 0 to inf"),
        ("epoch", 10**400, "epoch is 10000000000"),
        ("seconds", [], r"seconds is \[\], expected a finite number or an integer"),
        ("iteration", None, "iteration is None, expected an integer"),
        ("epoch", True, "epoch is True"),
        ("net", "plain8", "a row of plain8, seed 0"),
        ("seed", 3, "a row of resnet8, seed 3"),
        ("iteration", 99, "a row of resnet8, seed 0, iteration 99"),
    ],
)
def test_an_altered_row_raises(finished, column, value, reason):
    trainer, tensors, metadata = finished
    metadata["rows"][0][column] = value
    with pytest.raises(DataError, match=f"not a checkpoint of resnet8, seed 0: {reason}"):
        restore_training(trainer, tensors, metadata)


@pytest.mark.parametrize("name", ["fc.weight", "velocity.fc.weight"])
def test_altered_tensors_raise(finished, name):
    trainer, tensors, metadata = finished
    nan = np.full_like(tensors[name], np.nan)
    with pytest.raises(DataError, match=f"{name} holds a NaN"):
        restore_training(trainer, {**tensors, name: nan}, metadata)
    with pytest.raises(DataError, match=rf"{name}.* \(64,\)"):
        restore_training(trainer, {**tensors, name: tensors[name][0]}, metadata)
    with pytest.raises(DataError, match=name):
        restore_training(trainer, {k: v for k, v in tensors.items() if k != name}, metadata)
