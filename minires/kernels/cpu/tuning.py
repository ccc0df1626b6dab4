"""The sizes at which one way of computing becomes faster than another, in one table.

They were measured on AMD EPYC (Zen 3 and 4) with OpenBLAS 0.3.31; the kernels' files say by how
much. What depends on them is read anew after `changed`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields


@dataclass
class Tuning:
    """Thresholds and sizes of pieces. `effort` is in elements read and written once."""

    # Threads
    held_effort: int = 250_000  # effort; above, the BLAS is held to one thread: costs 10,000
    shared_effort: int = 500_000  # effort; above, threads share the work: a share costs 100,000
    ufunc_buffer: int = 64  # elements; NumPy copies operands of rows shorter than this

    # Memory
    pooled_bytes: int = 1 << 18  # bytes; larger arrays lie on memory that is used again

    # Passes over feature maps
    tile: int = 1 << 19  # elements of a tile that stays in cache
    short_row: int = 64  # elements; in shorter rows numbers of a channel are written out
    batch_norm_group: int = 1 << 19  # elements of the channels that backward passes twice
    pool_tile: int = 1 << 17  # elements of windows in a strip

    # Convolution
    conv_tile: int = 1 << 19  # elements of the result in a strip
    column_row: int = 40  # elements W·N of a row; for shorter ones a column matrix is made
    widened_rows: int = 24  # rows kh·C of a matrix; with fewer, the taps of a row are copied
    margin_windows: int = 2048  # windows; fewer are computed in one strip, between rows of zeros
    margin_rows: int = 4  # rows of windows; with fewer, too much of the work would be with zeros
    pixel_row: int = 160  # elements; weight gradients of shorter rows are taken by pixels
    pixel_effort: float = 1e6  # effort; weight gradients of less are taken by pixels

    # Matrix products
    small_product: int = 1_000_000  # multiplications that OpenBLAS' small kernels take
    small_result: int = 1200  # elements of their result, with the second factor transposed
    lanes: int = 16  # columns in a register of float32
    narrow: int = 48  # columns; a narrower piece costs more than it saves
    block: int = 32  # rows of the first factor in a block of a transposed product
    many_blocks: int = 100  # blocks; a result of more is large enough to be packed for

    # The optimiser
    large_parameter: int = 1 << 17  # elements; smaller parameters are in cache as they are
    sgd_tile: int = 1 << 15  # elements of w, v and g that stay in cache


tuning = Tuning()

_derived: list[Callable[[], None]] = []


def derived(cache_clear: Callable[[], None]) -> None:
    """Have `cache_clear` called whenever the table changes."""
    _derived.append(cache_clear)


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
    for name, value in values.items():
        if name not in Tuning.__dataclass_fields__:
            raise AttributeError(f"there is no tuning constant {name!r}")
        setattr(tuning, name, value)
    for clear in _derived:
        clear()
