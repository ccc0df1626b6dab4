"""Stands in for `cupy.RawModule`: kernels are compiled by g++ and run on the CPU."""

import atexit
import ctypes
import hashlib
import math
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cuda_streams import arrays_at, constant_arguments
from standin import standin

from minires import backend
from minires.errors import DeviceError
from minires.kernels.cuda import launch as cuda

HEADER = Path(__file__).with_name("cuda_emulator.h")
MISSING = (
    None
    if sys.platform == "linux" and shutil.which("g++")
    else "the emulator of CUDA needs Linux and g++"
)
MOST_THREADS, MOST_BLOCKS = 1024, (2**31 - 1, 65535, 65535)  # of a block; of a grid
MOST_BYTES = 4096  # of all arguments; CUDA 12.1 takes more


@cache
def folder():
    """Where the libraries of this process are; gone with it."""
    made = tempfile.TemporaryDirectory(prefix="cuda-emulator-", ignore_cleanup_errors=True)
    atexit.register(made.cleanup)
    return Path(made.name)


FLAGS = (
    *("-std=c++17", "-O1", "-ffp-contract=off", "-w", "-fPIC"),
    "-U_FORTIFY_SOURCE",  # some systems' g++ then checks longjmp, and knows one stack alone
    "-fno-gnu-unique",  # what a kernel shares is its own, not that of all kernels in the process
)


@cache
def header():
    """The emulator itself, compiled once for all kernels."""
    copy = folder() / HEADER.name
    copy.write_text(HEADER.read_text(encoding="utf-8"), encoding="utf-8")
    gcc("-x", "c++-header", str(copy), "-o", f"{copy}.gch")
    return copy


def gcc(*options):
    done = subprocess.run(["g++", *FLAGS, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@cache
def compiled(code, options):
    """The library made of a .cu file."""
    names = re.findall(r"__global__ void (?:__launch_bounds__\(.*?\)\s+)?(\w+)\(", code)
    whole = code + "".join(f"\nEXPORT({name})" for name in names)
    file = folder() / hashlib.sha256(repr((code, options)).encode()).hexdigest()[:16]
    source, library = file.with_suffix(".cpp"), file.with_suffix(".so")
    source.write_text(whole, encoding="utf-8")
    own = [option for option in options if option.startswith(("-I", "-D"))]
    gcc("-shared", *own, "-include", str(header()), str(source), "-o", str(library))
    return ctypes.CDLL(str(library))


class RawModule:
    """The kernels of a .cu file, as `cupy.RawModule` has them."""

    def __init__(self, *, code, options=()):
        self.code, self.library = code, compiled(code, tuple(options))

    def get_function(self, name):
        return Kernel(self.code, self.library, name)


class Kernel:
    """One of them: called with a grid, a block and a tuple of arguments."""

    def __init__(self, code, library, name):
        self.name, self.constant = name, constant_arguments(code, name)
        self.run = library[f"launch_{name}"]
        self.run.restype = ctypes.c_bool
        signature = library[f"signature_{name}"]
        signature.restype = ctypes.c_char_p
        self.declared = signature().decode().split()

    def reads_and_writes(self, args):
        """The arrays that it only reads, and those that it may write."""
        arrays = [(a, c) for a, c in zip(args, self.constant, strict=True) if is_device_array(a)]
        tables = [at for a in args if isinstance(a, np.ndarray) for at in arrays_at(a)]
        return [a for a, c in arrays if c], [a for a, c in arrays if not c] + tables

    def __call__(self, grid, block, args):
        grid = (*grid, 1, 1)[:3]
        assert all(1 <= n <= most for n, most in zip(grid, MOST_BLOCKS, strict=True)), grid
        assert 1 <= math.prod(block) == block[0] <= MOST_THREADS, block
        names = [type_of(a) for a in args]
        as_declared = [
            d if n == "null" and d.endswith("*") else n
            for n, d in zip_longest(names, self.declared, fillvalue="")
        ]
        assert as_declared == self.declared, f"{self.name} takes {self.declared}, got {names}"
        held = [np.array(address(a), np.intp) if is_device_array(a) else np.array(a) for a in args]
        assert sum(h.nbytes for h in held) <= MOST_BYTES, f"{self.name} has too large arguments"
        values = (ctypes.c_void_p * len(held))(*(h.ctypes.data for h in held))
        met = self.run(*grid, block[0], values)
        assert met, f"{self.name}: some threads never come to a barrier where others wait"


@contextmanager
def emulated():
    """Inside, there is a GPU for CuPy: the stand-in's arrays, and kernels that run here."""
    with standin(textbook=False) as cupy:
        cupy.RawModule = RawModule
        cupy.cuda.get_current_stream = lambda: SimpleNamespace(is_capturing=lambda: False)
        forget_kernels()
        try:
            yield cupy
        finally:
            forget_kernels()


def forget_kernels():
    """Those of another device would not run on this one."""
    for cached in (cuda._module, cuda._kernel):
        cached.cache_clear()


DEVICES = ("emulated", pytest.param("gpu", marks=pytest.mark.gpu))


@contextmanager
def device(name):
    """The module `cupy` of one of DEVICES; skips where there is none."""
    if name == "emulated":
        if MISSING:
            pytest.skip(MISSING)
        with emulated() as cupy:
            yield cupy
        return
    try:
        cupy = backend.load("cupy")
    except DeviceError as error:
        pytest.skip(str(error))
    yield cupy


def is_device_array(value):
    return type(value).__module__ == "cupy"


def address(array):
    """Where the first element of a device array lies."""
    return array.data.ptr


def type_of(argument):
    """What an argument is to a kernel, by NumPy's name of the type."""
    if is_device_array(argument):
        return f"{argument.dtype}*"
    assert isinstance(argument, np.generic) or argument.ndim == 0, "pass numbers by value"
    return "null" if isinstance(argument, np.intp) and argument == 0 else argument.dtype.name
