"""The generator that initial weights are drawn from."""

from typing import Any

import numpy as np

from ..arguments import shown
from ..errors import UsageError

_generator = np.random.default_rng(0)


def manual_seed(seed: int) -> None:
    """Restart the generator of initial weights at `seed`, so that the next model is repeatable.

    Raises:
        UsageError: `seed` is no integer of at least 0, or several.
    """
    global _generator
    _generator = stream(seed)


def stream(seed: Any) -> np.random.Generator:
    """Return a new generator.

    Raises:
        UsageError: `seed` is no integer of at least 0, or several.
    """
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"a seed must be an integer of at least 0, got {shown(seed)}") from None


def generator() -> np.random.Generator:
    """Return the generator of initial weights: NumPy's, so that all backends start alike."""
    return _generator
