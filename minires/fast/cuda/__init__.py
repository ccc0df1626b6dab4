"""The kernels: CUDA C++ in files of their own, compiled for the GPU at hand when first needed."""

import functools
import math
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ...backend import load

THREADS = 256  # of a block, where a kernel does not say otherwise


@functools.cache
def kernel(file: str, name: str, **sizes: int) -> Any:
    """The function `name` of `file`.cu, with `sizes` as its macros."""
    folder = Path(str(resources.files(__package__)))
    options = ["-std=c++17", f"-I{folder}", f"-DTHREADS={sizes.pop('THREADS', THREADS)}"]
    options += [f"-D{key}={value}" for key, value in sizes.items()]
    code = (folder / f"{file}.cu").read_text(encoding="utf-8")
    return load("cupy").RawModule(code=code, options=tuple(options)).get_function(name)


def launch(
    file: str, name: str, grid: tuple[int, ...], arguments: tuple[Any, ...], **sizes: int
) -> None:
    """Run a kernel on `grid` blocks of threads.

    An int is handed on as a C int, a float as a C float, None as a null pointer.
    """
    threads = sizes.get("THREADS", THREADS)
    kernel(file, name, **sizes)(grid, (threads,), tuple(map(_as_c, arguments)))


def blocks(size: int, threads: int = THREADS) -> int:
    """How many blocks of threads make one thread for each of `size` things."""
    return math.ceil(size / threads)


def _as_c(argument: Any) -> Any:
    if argument is None:
        return np.intp(0)
    if isinstance(argument, bool | int):
        return np.int32(argument)
    if isinstance(argument, float):
        return np.float32(argument)
    return argument
