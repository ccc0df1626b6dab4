"""Every kernel compiles for the GPUs that there are, by NVRTC, which CuPy uses, or by nvcc.

NVRTC needs neither a GPU nor a driver; it comes with the package nvidia-cuda-nvrtc-cu12.
"""

import ctypes
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from minires.kernels.cuda import sgd
from minires.kernels.cuda.conv import LANES
from minires.kernels.cuda.launch import FOLDER, source
from minires.kernels.cuda.tiles import correlation_tile, gradient_tile

ARCHITECTURES = (80, 90)  # A100, H100
SIZES = {  # threads and macros with which a file is compiled, where there are several or others
    "conv": [
        correlation_tile(O, C, columns).settings(tf32) | relu
        for tf32 in (False, True)
        for O in (16, 32, 64)
        for C, columns in ((4, 10**6), (16, 10**6), (32, 2**14), (64, 2**15))
        for relu in ({}, {"RELU": 1})
    ],
    "weight_gradient": [
        gradient_tile(O).settings(tf32) | relu
        for tf32 in (False, True)
        for O in (16, 32, 64)
        for relu in ({}, {"RELU": 1})
    ],
    "parts": [{"LANES": LANES}],
    "sgd": [{"MOST": sgd._MOST}],
}
CASES = [
    (file.stem, sizes)
    for file in sorted(FOLDER.glob("*.cu"))
    for sizes in SIZES.get(file.stem, [{}])
]


def nvrtc_library():
    """NVRTC; None where it is not installed."""
    folders = find_spec("nvidia").submodule_search_locations if find_spec("nvidia") else []
    for folder in folders:
        for file in sorted(Path(folder).glob("*/lib/libnvrtc.so.1?")):
            for builtins in file.parent.glob("libnvrtc-builtins.so*"):  # it looks for them by name
                ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(str(file))
    return None


def by_nvrtc(library, code, options):
    """What NVRTC has to say against it; "" for nothing."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    library.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernel.cu", 0, None, None)
    encoded = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = library.nvrtcCompileProgram(program, len(options), encoded)
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return log.value.decode() or (f"error {failed}" if failed else "")


def by_nvcc(code, options):
    command = ["nvcc", *options, "-cubin", "-x", "cu", "-", "-o", "/dev/null"]
    done = subprocess.run(command, input=code, capture_output=True, text=True, check=False)
    return done.stderr


@pytest.fixture(scope="module")
def complaints():
    """A function that compiles, and returns what is wrong."""
    if library := nvrtc_library():
        return lambda code, options: by_nvrtc(library, code, options)
    if shutil.which("nvcc"):
        return by_nvcc
    pytest.skip("neither NVRTC (pip install nvidia-cuda-nvrtc-cu12) nor nvcc is installed")


@pytest.mark.parametrize(("file", "sizes"), CASES, ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kernel_compiles(complaints, file, sizes, architecture):
    code, options = source(file, **sizes)
    assert complaints(code, [*options, f"-arch=sm_{architecture}"]) == ""


def test_what_does_not_compile_is_seen(complaints):
    assert "nothing_of_that_name" in complaints(
        "__global__ void f() { nothing_of_that_name(); }", ["-arch=sm_90"]
    )
