"""Settings of the whole suite: repeatable examples, a few threads, no test that changes others."""

import os
from dataclasses import asdict

os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")

import matplotlib.figure
import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import ThreadpoolController

from minires import get_num_threads
from minires.kernels.cpu.tuning import tuning
from minires.modes import saved_modes

BLAS = ThreadpoolController().select(user_api="blas").lib_controllers

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


def settings_of_the_process():
    """What one test could leave behind for all that follow it in its process."""
    process = {
        "threads": get_num_threads(),
        "BLAS threads": [library.get_num_threads() for library in BLAS],
        "working folder": os.getcwd(),
    }
    return process | saved_modes() | asdict(tuning)


@pytest.fixture(autouse=True)
def _left_as_found():
    before = settings_of_the_process()
    yield
    assert settings_of_the_process() == before


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
