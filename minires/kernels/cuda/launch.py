"""How the CUDA C++ files beside this one are compiled, when first needed, and launched."""

import functools
import math
import zlib
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ...backend import Array, load

FOLDER = Path(str(resources.files(__package__)))
THREADS = 256  # of a block, by default


@functools.cache
def _headers() -> int:
    """A checksum of all .cuh files."""
    return zlib.crc32(b"".join(file.read_bytes() for file in sorted(FOLDER.glob("*.cuh"))))


def source(file: str, threads: int = THREADS, **sizes: int) -> tuple[str, tuple[str, ...]]:
    """The text of `file`.cu, and the compiler's options that make THREADS and `sizes` macros.

    CuPy keeps compiled kernels on disk by their text and options. A macro HEADERS, which no kernel
    reads, has them compiled again when a header changes.
    """
    macros = {"THREADS": threads, **sizes, "HEADERS": _headers()}
    options = ("-std=c++17", f"-I{FOLDER}", *(f"-D{key}={value}" for key, value in macros.items()))
    return (FOLDER / f"{file}.cu").read_text(encoding="utf-8"), options


@functools.cache
def _module(file: str, threads: int, **sizes: int) -> Any:
    code, options = source(file, threads, **sizes)
    return load("cupy").RawModule(code=code, options=options)


@functools.cache
def _kernel(file: str, name: str, threads: int, **sizes: int) -> Any:
    return _module(file, threads, **sizes).get_function(name)


def launch(
    file: str,
    name: str,
    grid: tuple[int, ...],
    *arguments: Any,
    threads: int = THREADS,
    **sizes: int,
) -> None:
    """Run a kernel on `grid` blocks of `threads`.

    Args:
        file, name: kernel `name` of `file`.cu.
        grid: blocks along x, y and z.
        arguments: arrays on the GPU, of which the kernel gets the address; None for a null
            pointer; a bool, an int (C's int), a float (C's float), or a structure.
        threads: of a block, along x; the macro THREADS.
        sizes: other macros of the file.
    """
    _kernel(file, name, threads, **sizes)(grid, (threads,), tuple(map(_as_c, arguments)))


def over(file: str, name: str, size: int, *arguments: Any) -> None:
    """Run a kernel with one thread for each of `size` things, which is its last argument."""
    launch(file, name, (blocks(size),), *arguments, size)


def blocks(size: int, each: int = THREADS) -> int:
    """How many blocks it takes for `size` things."""
    return math.ceil(size / each)


def structure(*members: int) -> Array:
    """A C structure of ints, as an argument of a kernel."""
    return np.array(members, np.dtype([(f"_{i}", np.int32) for i in range(len(members))]))


def _as_c(argument: Any) -> Any:
    if argument is None:
        return np.intp(0)
    if isinstance(argument, bool):
        return np.bool_(argument)
    if isinstance(argument, int):
        return np.int32(argument)
    if isinstance(argument, float):
        return np.float32(argument)
    return argument
