"""What a GPU is too old or too small for."""

import numpy as np
import pytest
from cuda_emulator import device

import minires
from minires import Tensor, ops
from minires import functional as F
from minires.errors import DeviceError
from minires.kernels import registered
from minires.kernels.cuda import launch
from minires.kernels.cuda.launch import FOLDER, source


def test_tf32_needs_tensor_cores_for_it(monkeypatch):
    with device("emulated") as cupy:
        monkeypatch.setattr(cupy.cuda.Device, "compute_capability", "75")
        x, w = (Tensor(cupy.ones((1, C, 3, 3), "float32")) for C in (7, 7))
        with minires.tf32(), pytest.raises(DeviceError, match=r"TF32 needs .* 8\.0 .* has 7\.5"):
            F.conv2d(x, w)
        F.conv2d(x, w)


@pytest.mark.parametrize(
    "suits",
    [
        lambda kernels, x: kernels[ops.ReLU].suits(ops.ReLU(), x),
        lambda kernels, x: kernels[ops.MaxPool2d].suits(ops.MaxPool2d(1), x),
        lambda kernels, x: kernels[ops.Conv2d].suits(ops.Conv2d(), x, np.ones((1, 1, 1, 1)), None),
    ],
)
def test_more_elements_than_an_int_counts_are_left_to_the_reference(suits):
    kernels = registered("cupy")
    x = np.broadcast_to(np.float32(0), (2**15, 1, 2**8, 2**7))  # 2^30, which take no memory
    assert suits(kernels, x)
    assert not suits(kernels, np.broadcast_to(np.float32(0), (2**15, 1, 2**8, 2**8)))


def test_a_convolution_with_a_larger_result_is_left_to_the_reference():
    x = np.broadcast_to(np.float32(0), (2**15, 1, 2**8, 2**7))
    kernel = registered("cupy")[ops.Conv2d]
    assert not kernel.suits(ops.Conv2d(), x, np.ones((3, 1, 1, 1)), None)


def test_a_changed_header_is_compiled_again(monkeypatch, tmp_path):
    """CuPy's cache on disk knows the text of a kernel and the compiler's options."""
    before = source("conv")
    for file in FOLDER.glob("*.cu*"):
        text = file.read_text(encoding="utf-8")
        (tmp_path / file.name).write_text(text + "\n" * (file.name == "tf32.cuh"))
    monkeypatch.setattr(launch, "FOLDER", tmp_path)
    launch._headers.cache_clear()
    code, options = source("conv")
    launch._headers.cache_clear()
    assert code == before[0]
    assert [o for o in options if o[:2] == "-D"] != [o for o in before[1] if o[:2] == "-D"]
