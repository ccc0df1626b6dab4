from types import SimpleNamespace

import pytest

from minires.runs import autosave
from minires.runs.autosave import INTERVAL
from minires.train import Progress, Row

ROW = Row(0, "resnet8", 2, 1.0, 0.1, 2.0, 90.0, 90.0, 1.0)


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(autosave.time, "monotonic", lambda: clock.now)
    return clock


def training(clock, steps, seconds, stop_after=None, interval=INTERVAL):
    """Train for some steps; return the iterations that were saved, the last, and the result."""
    trainer = SimpleNamespace(finished=False)
    saved, iterations, results = [], [], []

    def run():
        for i in range(1, steps + 1):
            clock.now += seconds
            trainer.finished = i == steps
            yield Progress(i, i / 10, 2.0, 90.0, ROW if i % 10 == 0 else None)

    def save(progress):
        saved.append(progress.iteration)

    def stop():
        return len(iterations) + 1 == stop_after

    def events():
        results.append((yield from autosave.autosave(trainer, run(), save, stop, interval)))

    for event in events():
        iterations.append(event.progress.iteration)
    return saved, iterations[-1], results[0]


def test_a_training_is_saved_at_the_end_of_an_epoch(clock):
    assert training(clock, steps=25, seconds=1) == ([10, 20], 25, False)


def test_within_an_epoch_it_is_saved_at_the_interval(clock):
    assert training(clock, steps=15, seconds=8)[0] == [4, 8, 10, 14]  # 32 s, and again from a row
    assert training(clock, steps=15, seconds=8, interval=60)[0] == [8, 10]
    assert training(clock, steps=5, seconds=8, interval=0)[0] == [1, 2, 3, 4, 5]


def test_asked_to_stop_it_is_saved_and_ends(clock):
    assert training(clock, steps=25, seconds=1, stop_after=3) == ([3], 3, True)


def test_asked_to_stop_at_its_last_step_it_was_not_stopped(clock):
    assert training(clock, steps=3, seconds=1, stop_after=3) == ([3], 3, False)
