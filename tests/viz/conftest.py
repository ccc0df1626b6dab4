"""What tests of figures need."""

import matplotlib.figure
import pytest


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
