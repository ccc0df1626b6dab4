"""What decides the bits of a run besides its configuration: threads, libraries, the CPU, tuning.

A sum in another order has other last bits. The number of threads decides into which shares work is
cut, the BLAS and the CPU by which instructions a product is computed.
"""

import reprlib
import warnings
from dataclasses import asdict
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from ..backend import default, load
from ..errors import MachineWarning
from ..files import brief
from ..kernels import get_num_threads
from ..kernels.cpu.tuning import cpu_name, tuning
from ..modes import modes
from .folder import RunFolder

_FEW = 4  # differences that are named
_LONGEST = 40  # letters of a name


def machine(backend: str | None = None) -> dict[str, Any]:
    """Return what decides bits here and now, by name, in types that JSON knows.

    Args:
        backend: that of the run; the default one if None.
    """
    xp = load(backend or default())
    return {
        "threads": get_num_threads(),
        "textbook": modes.textbook,
        "numpy": np.__version__,
        **({} if xp is np else {xp.__name__: getattr(xp, "__version__", None)}),
        **_blas(),
        "cpu": cpu_name(),
        **{f"tuning.{name}": value for name, value in asdict(tuning).items()},
    }


def check_same_machine(folder: RunFolder, values: dict[str, Any], now: dict[str, Any]) -> None:
    """Warn if a run is resumed where its bits may come out otherwise; name what differs.

    All machines that have computed a part of it are noted, under "resumed_on" in config.json: one
    that is moved to another machine and back has parts of both.

    Args:
        folder: the run's.
        values: its config.json; older ones do not say where they were started.
        now: what `machine` returns where it is resumed.
    """
    later = values.get("resumed_on", [])
    known = [values.get("machine"), *(later if isinstance(later, list) else [])]
    differing = [differences(m, now, "was", "is") for m in known if isinstance(m, dict)]
    if not any(differing):
        return
    if all(differing):
        folder.resumed_on = [*known[1:], now]
    warnings.warn(
        f"the run in {folder.path} was computed with other settings of the machine: "
        f"{next(filter(None, differing))}; what is computed now may differ in its last bits from a "
        "run that was never stopped",
        MachineWarning,
        stacklevel=3,
    )


def differences(a: dict[str, Any], b: dict[str, Any], of_a: str, of_b: str) -> str:
    """Return what two machines differ in, the first few: "threads was 2 and is 1".

    Args:
        a, b: what `machine` returned.
        of_a, of_b: what to say between a name and its value.
    """
    differing = [
        f"{brief(name, _LONGEST)} {of_a} {reprlib.repr(a.get(name))} and {of_b} "
        f"{reprlib.repr(b.get(name))}"
        for name in (*b, *(name for name in a if name not in b))
        if a.get(name) != b.get(name)
    ]
    more = [f"{len(differing) - _FEW} more"] if len(differing) > _FEW else []
    return "; ".join([*differing[:_FEW], *more])


def _blas() -> dict[str, Any]:
    """The library of NumPy's matrix products, its kernels and threads; {} if it is not known."""
    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    own = [library for library in found if "numpy" in library["filepath"]]
    return {
        f"blas.{name}": library.get(name)
        for library in (own or found)[:1]
        for name in ("internal_api", "version", "architecture", "num_threads")
    }
