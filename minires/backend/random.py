"""The generator that initial weights are drawn from."""

import numpy as np

_generator = np.random.default_rng(0)


def manual_seed(seed: int) -> None:
    """Restart the generator of initial weights at `seed`, so that the next model is repeatable."""
    global _generator
    _generator = np.random.default_rng(seed)


def generator() -> np.random.Generator:
    """Return the generator of initial weights: NumPy's, so that all backends start alike."""
    return _generator
