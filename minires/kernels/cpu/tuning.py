"""The sizes at which one way of computing becomes faster than another, in one table.

They were measured on AMD EPYC (Zen 3 and 4) with OpenBLAS 0.3.31. Which products are cut depends
on the kernels of the BLAS for this CPU and on who made it, see gemm.py. MINIRES_TUNING=default
in the environment gives one table on all machines; a run's config.json has the table that it used.
No constant is computed from the size of a cache: with a quarter or four times `tile` a convolution
of resnet-20 took 0.9 to 1.05 times as long, which tells no rule from another. `python
benchmarks/tuning.py NAME=VALUE` measures what another value is worth in whole nets. What depends on
the table is read anew after `changed`.
"""

import os
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

from ...errors import UsageError

_ASKED = os.environ.get("MINIRES_TUNING") or None
_IS_DEFAULT = _ASKED == "default"
_CPU_INFO = Path("/proc/cpuinfo")  # Linux's


def cpu_name() -> str:
    """Return the name of the CPU."""
    try:
        named = re.search(r"^model name\s*: (.*)$", _CPU_INFO.read_text(), re.MULTILINE)
    except OSError:
        named = None
    return named[1] if named else platform.processor() or platform.machine()


def _has_small_kernels() -> bool:
    """Return whether this is an OpenBLAS with kernels for small products: those for AVX-512."""
    if _IS_DEFAULT:
        return True
    names = {str(library.get("architecture")).lower() for library in threadpool_info()}
    return not names.isdisjoint({"skylakex", "cooperlake", "sapphirerapids"})


def _on_intel(there: int, elsewhere: int) -> Any:
    """Return a field whose default is one number on Intel's CPUs and another on others."""
    return field(
        default_factory=lambda: there if "Intel" in cpu_name() and not _IS_DEFAULT else elsewhere
    )


@dataclass
class Tuning:
    """Thresholds and sizes of pieces.

    Each comment gives the unit, and what is traded for what.
    """

    # Threads
    held_elements: int = 250_000  # elements; to hold the BLAS to one thread costs 20,000 once
    held_products: int = 1 << 18  # products; up to here OpenBLAS uses no thread of its own
    shared_elements: int = 2_000_000  # elements; to give a thread a share costs 200,000
    shared_products: int = 10_000_000  # products; a share costs 2,000,000
    ufunc_buffer: int = 64  # elements; NumPy copies what is repeated into it, if rows are shorter
    repeated_row: int = 512  # elements; up to here, these are written out: a copy for long loops

    # Memory
    pooled_bytes: int = 1 << 18  # bytes; smaller arrays cost more in the pool than by the system

    # Passes over feature maps, convolution and pooling
    tile: int = 1 << 19  # elements; larger tiles leave the cache, smaller ones are more calls

    # Convolution
    column_row: int = 40  # elements W·N; below, a column matrix: a copy for wide products
    joined_row: int = 128  # elements W·N; up to here, all rows of a weight gradient in one sum
    widened_rows: int = 24  # rows kh·C of a matrix; below, copies of the taps for longer sums
    margin_windows: int = 2048  # windows; up to here, products with zeros for a single strip
    margin_rows: int = 4  # rows of windows; below, too many of the products would be with zeros

    # Matrix products: what OpenBLAS does
    small_kernels: bool = field(default_factory=_has_small_kernels)  # without, nothing is cut
    small_product: int = 1_000_000  # multiplications its small kernels take, without packing
    small_result: int = 1200  # elements of their result, with the second factor transposed
    lanes: int = 16  # columns in a register of float32: a piece of others has a slow remainder
    narrow: int = _on_intel(640, 48)  # columns; a narrower piece costs more than packing
    block: int = 32  # rows of the first factor in a block of a transposed product; as for `narrow`
    many_blocks: int = _on_intel(8, 100)  # blocks; a result of more is worth packing for

    # The optimiser
    large_parameter: int = 1 << 17  # elements; smaller parameters are in cache without tiles
    sgd_tile: int = 1 << 15  # elements of each of w, v, g and a product: they stay in the L2 cache


tuning = Tuning()

_derived: list[Callable[[], None]] = []


def derived(cache_clear: Callable[[], None]) -> None:
    """Have `cache_clear` called whenever the table changes."""
    _derived.append(cache_clear)


def check_environment() -> None:
    """Raise UsageError if MINIRES_TUNING names a table that there is not."""
    if _ASKED not in (None, "default"):
        raise UsageError(
            f"MINIRES_TUNING={_ASKED} in the environment: there is one table by name, default; "
            "without a name it is that of this machine"
        )


@contextmanager
def changed(**values: float) -> Iterator[None]:
    """Change entries of the table inside the context."""
    before = {field.name: getattr(tuning, field.name) for field in fields(tuning)}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: dict[str, float]) -> None:
    for name in values:
        if name not in Tuning.__dataclass_fields__:
            raise AttributeError(f"there is no tuning constant {name!r}")
    for name, value in values.items():
        setattr(tuning, name, value)
    for clear in _derived:
        clear()
