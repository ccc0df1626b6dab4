"""A stand-in for CuPy, so that code for a GPU is tried on machines without one.

    from standin import standin

    with standin() as cupy:          # what `import cupy` and minires.backend.load("cupy") give
        x = cupy.asarray([1.0, 2.0])

Its arrays hold NumPy's underneath but behave as memory of another device does, and where CuPy
would be kind to a mistake they are not: nothing becomes a NumPy array unless it is asked for by
`get`, no function of NumPy takes them, no NumPy array goes into an operation with them, memory is
full of NaN before it is written, and what would be a race on a GPU is refused. A function that is
not listed in `standin/functions.py` is not there; `test_standin.py` holds the lists against
CuPy itself where it is installed.

Kernels cannot run: `RawModule` and its like raise. So `standin()` runs the reference operations;
`standin(textbook=False)` lets kernels for CuPy be tried up to their first launch.
"""

import sys
from contextlib import contextmanager, nullcontext

import minires
from minires import backend

from .functions import make_module

__all__ = ["standin"]


@contextmanager
def standin(textbook=True):
    """Inside, the module `cupy` is a new stand-in; afterwards it is what it was."""
    before = {name: module for name, module in sys.modules.items() if _is_cupy(name)}
    for name in before:
        del sys.modules[name]
    module = sys.modules["cupy"] = make_module()
    backend.load.cache_clear()
    try:
        with minires.textbook() if textbook else nullcontext():
            yield module
    finally:
        del sys.modules["cupy"]
        sys.modules.update(before)
        backend.load.cache_clear()


def _is_cupy(name):
    return name.split(".")[0] in ("cupy", "cupyx")
