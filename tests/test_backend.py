"""The default backend, and what is said where CuPy cannot be used."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from standin import standin
from standin.functions import CudaError

from minires import Tensor, backend, models, nn
from minires.backend import library
from minires.errors import DeviceError, UsageError


@pytest.fixture(autouse=True)
def afresh(monkeypatch):
    """Nobody has asked for the default yet, and nothing is in the environment."""
    monkeypatch.setattr(library, "_default", None)
    monkeypatch.delenv("MINIRES_BACKEND", raising=False)


def weights_on():
    return {backend.backend_name(t.data) for _, t in models.cifar_resnet(8).named_tensors()}


def test_the_default_is_numpy():
    assert backend.default() == "numpy"
    assert weights_on() == {"numpy"}


def test_use_is_for_the_whole_process_or_for_a_block():
    with standin():
        with backend.use("cupy"):
            assert backend.default() == "cupy"
            assert weights_on() == {"cupy"}
            with backend.use("numpy"):
                assert weights_on() == {"numpy"}
            assert backend.default() == "cupy"
        assert backend.default() == "numpy"
        backend.use("cupy")
        assert weights_on() == {"cupy"}
        backend.use("numpy")
        assert weights_on() == {"numpy"}


def test_a_block_that_is_left_by_an_error_leaves_the_default_as_it_was():
    with standin(), pytest.raises(ZeroDivisionError), backend.use("cupy"):
        raise ZeroDivisionError
    assert backend.default() == "numpy"


def test_the_environment_says_what_the_default_is(monkeypatch):
    monkeypatch.setenv("MINIRES_BACKEND", "cupy")
    with standin():
        assert weights_on() == {"cupy"}
        with backend.use("numpy"):
            assert backend.default() == "numpy"


@pytest.mark.parametrize("name", ["tpu", "Cupy"])
def test_an_unknown_backend_in_the_environment_raises(monkeypatch, name):
    monkeypatch.setenv("MINIRES_BACKEND", name)
    said = f"MINIRES_BACKEND={name} in the environment: backend '{name}' is not known.*numpy, cupy"
    for _ in range(2):  # and not for the first time alone
        with pytest.raises(UsageError, match=said):
            Tensor([1.0])


def test_an_unknown_backend_raises_and_the_default_stays():
    with pytest.raises(UsageError, match="backend 'tpu' is not known; there are: numpy, cupy"):
        backend.use("tpu")
    assert backend.default() == "numpy"


# --- where CuPy cannot be used ----------------------------------------------------------------


@pytest.fixture
def broken(monkeypatch):
    """Puts a module `cupy` in place whose parts fail as asked for."""

    def put(driver=12040, built_for=12090, count=lambda: 1, ones=None, capability="90"):
        module = ModuleType("cupy")
        module.__version__ = "14.2.0"
        runtime = SimpleNamespace(
            driverGetVersion=lambda: driver,
            runtimeGetVersion=lambda: built_for,
            getDeviceCount=count,
            CUDARuntimeError=CudaError,
        )
        driver_api = SimpleNamespace(CUDADriverError=CudaError)
        gpu = SimpleNamespace(compute_capability=capability)
        module.cuda = SimpleNamespace(runtime=runtime, driver=driver_api, Device=lambda: gpu)
        module.ones = ones
        monkeypatch.setitem(sys.modules, "cupy", module)
        backend.load.cache_clear()

    yield put
    backend.load.cache_clear()


def fails(kind, *said):
    def fail(*_):
        raise kind(*said)

    return fail


def refusal():
    with pytest.raises(DeviceError) as caught:
        backend.use("cupy")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("or use the numpy backend")
    return str(caught.value)


def test_cupy_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    backend.load.cache_clear()
    assert "needs CuPy, which cannot be imported" in refusal()
    assert "install cupy-cuda12x or cupy-cuda13x" in refusal()


def test_of_cupys_banner_the_reason_is_shown(monkeypatch):
    rule = "=" * 64
    banner = f"\n{rule}\nFailed to import CuPy.\n\nOriginal error:\n  OSError: no libcu\n{rule}\n"
    monkeypatch.setattr(library.importlib, "import_module", fails(ImportError, banner))
    backend.load.cache_clear()
    assert "cannot be imported (OSError: no libcu)" in refusal()


def test_there_is_no_driver(broken):
    broken(driver=0)
    assert "CuPy 14.2.0 is installed, but there is no NVIDIA driver" in refusal()


def test_the_driver_is_older_than_cupys_cuda(broken):
    broken(driver=12040, built_for=13000)
    said = "is built for CUDA 13.0, but the driver knows CUDA 12.4 at most"
    assert said in refusal()
    assert "install the CuPy of that CUDA (cupy-cuda12x) or a newer driver" in refusal()


def test_there_is_no_gpu(broken):
    broken(count=fails(CudaError, "cudaErrorNoDevice: no CUDA-capable device is detected", 100))
    assert "finds no usable GPU (cudaErrorNoDevice: no CUDA-capable" in refusal()
    assert "nvidia-smi" in refusal()


@pytest.mark.parametrize("where", ["count", "ones"])  # what is first to need the GPU itself
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CudaError, ("cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy", 46)),
        (CudaError, ("cudaErrorMemoryAllocation: out of memory", 2)),
        (MemoryError, ("Out of memory allocating 512 bytes",)),
    ],
)
def test_the_gpu_is_taken(broken, where, error, said):
    broken(**{where: fails(error, *said)})
    assert f"the GPU is taken by other processes ({said[0]}), which `nvidia-smi`" in refusal()
    assert "choose another GPU by CUDA_VISIBLE_DEVICES" in refusal()
    assert "NVRTC" not in refusal()


def test_the_gpu_is_too_old(broken):
    broken(capability="61")
    assert "this GPU has compute capability 6.1, and minires' kernels need 7.0" in refusal()
    broken(capability="120", ones=np.ones)
    with backend.use("cupy"):
        assert backend.capability(backend.load("cupy")) == 12


def test_kernels_cannot_be_compiled(broken):
    broken(ones=fails(RuntimeError, 'Failure finding "libnvrtc.so.12": No such file\n'))
    said = 'finds a GPU but cannot compute on it (Failure finding "libnvrtc.so.12": No such file)'
    assert said in refusal()
    assert 'pip install "cupy-cuda12x[ctk]"' in refusal()


def test_a_failure_is_not_remembered(broken):
    broken(driver=0)
    refusal()
    broken(ones=lambda n: np.ones(n))
    with backend.use("cupy"):
        assert backend.default() == "cupy"


def test_moving_is_copying_unless_it_is_there():
    a = np.ones(3)
    assert backend.move(a, "numpy") is a
    with standin() as cupy:
        x = backend.move(a, "cupy")
        assert isinstance(x, cupy.ndarray)
        assert backend.move(x, "cupy") is x
        np.testing.assert_array_equal(backend.move(x, "numpy"), a)
    with pytest.raises(UsageError, match="backend 'tpu' is not known"):
        backend.move(a, "tpu")


@pytest.mark.parametrize(
    "of",
    [
        lambda a: a,
        lambda a: a.transpose(2, 0, 3, 1),
        lambda a: a[:, ::2, 1:, ::-1],
        lambda a: np.broadcast_to(a[:1], (3, 2, 4, 5)),
        lambda a: a[0, 0, 0, 0],
    ],
)
def test_what_is_moved_keeps_its_numbers_and_their_order_in_memory(of):
    a = np.arange(120, dtype=np.float32).reshape(3, 2, 4, 5)
    a = np.asarray(of(a))
    order = np.argsort([-stride for stride in a.strides], kind="stable")
    with standin() as cupy:
        x = backend.move(a, "cupy")
        back = backend.move(x, "numpy")
        for moved in (x.get(), back):
            np.testing.assert_array_equal(moved, a)
        for moved in (x, back):
            assert moved.transpose(*order).flags.c_contiguous
        assert isinstance(x, cupy.ndarray)


def test_a_net_that_is_moved_and_back_has_the_layout_that_its_kernels_like():
    with standin():
        net, made = (nn.Conv2d(3, 4, 3) for _ in range(2))
        there = net.to("cupy").weight.data.strides
        back = net.to("numpy").weight.data.strides
    assert there == back == made.weight.data.strides


@pytest.mark.parametrize("make", [lambda: Tensor([1.0]), lambda: models.cifar_resnet(8)])
def test_to_takes_a_backend_a_dtype_or_both(make):
    x = make()
    for targets, named in [
        (("numpy",), {}),
        ((np.float64,), {}),
        ((np.float64, "numpy"), {}),
        (("numpy", "float64"), {}),
        (("float64",), {"backend": "numpy"}),
        (("numpy",), {"dtype": "float64"}),
    ]:
        assert backend_and_dtype(x.to(*targets, **named))[0] == "numpy"
    with standin():
        assert backend_and_dtype(make().to(np.float64, "cupy")) == ("cupy", np.float64)


def backend_and_dtype(x):
    tensor = x if isinstance(x, Tensor) else next(x.parameters())
    return backend.backend_name(tensor.data), tensor.dtype


@pytest.mark.parametrize("make", [lambda: Tensor([1.0]), lambda: models.cifar_resnet(8)])
@pytest.mark.parametrize(
    ("targets", "named"),
    [
        ((), {}),
        (("nope",), {}),
        (("f,(",), {}),
        (("numpy",), {"backend": "cupy"}),
        (("float64",), {"dtype": "float32"}),
        (("numpy", "cupy"), {}),
        ((np.float32, np.float64), {}),
    ],
)
def test_to_raises_for_what_it_cannot_do(make, targets, named):
    x = make()
    with pytest.raises(UsageError, match=r"to\(\) got .*expected a backend \(numpy, cupy\) or"):
        x.to(*targets, **named)


def test_a_model_that_cannot_be_moved_stays_as_it_was(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    backend.load.cache_clear()
    net = models.cifar_resnet(8)
    with pytest.raises(DeviceError):
        net.to("float64", "cupy")
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float32)}
