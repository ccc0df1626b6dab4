"""The emulator of CUDA: it runs what is right, and sees what a GPU would do wrong in silence."""

import numpy as np
import pytest
from cuda_emulator import MISSING, RawModule, emulated

pytestmark = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")

CODE = """
extern "C" __global__ void reversed(const float *__restrict__ x, float *__restrict__ y, int size) {
    __shared__ float shared[64];
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    shared[threadIdx.x] = e < size ? x[e] : 0.f;
    __syncthreads();
    if (e < size) y[e] = shared[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void without_a_barrier(const float *__restrict__ x, float *__restrict__ y) {
    __shared__ float shared[64];
    shared[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void half_a_barrier(float *__restrict__ y) {
    if (threadIdx.x % 2) __syncthreads();
    y[threadIdx.x] = 1;
}

extern "C" __global__ void __launch_bounds__(64)
blocks(int *__restrict__ y, bool twice, Three add) {
    const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    if (threadIdx.x == 0) y[block] = block * (twice ? 2 : 1) + add.x + add.z;
}
"""


@pytest.fixture
def cupy():
    with emulated() as module:
        yield module


def kernel(name):
    return RawModule(code=CODE).get_function(name)


def test_threads_meet_at_a_barrier(cupy):
    x, y = cupy.arange(128, dtype="float32"), cupy.empty(128, "float32")
    kernel("reversed")((2,), (64,), (x, y, np.int32(128)))
    expected = np.arange(128).reshape(2, 64)[:, ::-1].ravel()
    np.testing.assert_array_equal(y.get(), expected)


def test_a_missing_barrier_shows(cupy):
    x, y = cupy.arange(64, dtype="float32"), cupy.empty(64, "float32")
    kernel("without_a_barrier")((1,), (64,), (x, y))
    assert not np.array_equal(y.get(), np.arange(64)[::-1])


def test_a_barrier_that_some_threads_never_meet_raises(cupy):
    with pytest.raises(AssertionError, match="half_a_barrier: some threads never come"):
        kernel("half_a_barrier")((1,), (4,), (cupy.empty(4, "float32"),))


def test_grids_booleans_and_structures(cupy):
    y = cupy.empty(24, "int32")
    three = np.array((10, 20, 30), "i4,i4,i4")
    kernel("blocks")((2, 3, 4), (64,), (y, np.bool_(True), three))
    np.testing.assert_array_equal(y.get(), 2 * np.arange(24) + 40)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, y: (x, y),
        lambda x, y: (x, y, np.int64(4)),
        lambda x, y: (x, y, np.float32(4)),
        lambda x, y: (x.astype("float64"), y, np.int32(4)),
        lambda x, y: (x, np.int32(0), np.int32(4)),
    ],
)
def test_arguments_of_other_types_than_declared_raise(cupy, wrong):
    x, y = cupy.arange(4, dtype="float32"), cupy.empty(4, "float32")
    with pytest.raises(AssertionError, match="reversed takes"):
        kernel("reversed")((1,), (4,), wrong(x, y))


def test_arguments_of_more_bytes_than_all_gpus_take_raise(cupy):
    large, wide = np.zeros((), [("_", "i4", 1024)]), kernel("blocks")
    wide.declared[-1] = "void32768"
    with pytest.raises(AssertionError, match="blocks has too large arguments"):
        wide((1,), (64,), (cupy.empty(4, "int32"), np.bool_(True), large))


def test_an_array_of_the_host_raises(cupy):
    x = np.zeros(4, np.float32)
    with pytest.raises(AssertionError, match="pass numbers by value"):
        kernel("reversed")((1,), (4,), (x, cupy.empty(4, "float32"), np.int32(4)))


@pytest.mark.parametrize("size", [0, 65536])
def test_grids_that_a_gpu_does_not_take_raise(cupy, size):
    with pytest.raises(AssertionError):
        kernel("half_a_barrier")((1, size), (2,), (cupy.empty(4, "float32"),))
