"""Settings of the whole suite: repeatable examples, and a few threads."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")

import matplotlib.figure
import pytest
from hypothesis import HealthCheck, settings

# The same examples on every machine and in every run, however slow the machine is.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    max_examples=40,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


@pytest.fixture
def figures(monkeypatch):
    """The figures as they are saved, to be looked into."""
    saved = []
    savefig = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure,
        "savefig",
        lambda self, *args, **options: (saved.append(self), savefig(self, *args, **options)),
    )
    return saved
