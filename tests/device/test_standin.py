"""The stand-in for CuPy refuses what a device array refuses, and more."""

import importlib.util
import inspect
import sys

import numpy as np
import pytest
from standin import standin
from standin.functions import BINARY, FUNCTIONS, UNARY

from minires import Tensor, backend


@pytest.fixture
def cupy():
    """The stand-in alone: a GPU is not what is tried here."""
    with standin() as module:
        yield module


def on_device(cupy, *shape):
    return cupy.asarray(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))


def test_it_is_what_minires_loads_inside_and_only_there():
    with standin() as module:
        assert sys.modules["cupy"] is backend.load("cupy") is module
        x = module.zeros(3)
        assert backend.backend_name(x) == "cupy"
        assert backend.array_module(x) is module
    assert sys.modules.get("cupy") is not module


@pytest.mark.parametrize(
    "misuse",
    [
        lambda x, n: np.asarray(x),
        lambda x, n: np.array([x, x]),
        lambda x, n: np.exp(x),
        lambda x, n: np.sum(x),
        lambda x, n: np.where(x > 0, x, x),
        lambda x, n: x + n,
        lambda x, n: n + x,
        lambda x, n: n.__iadd__(x) if n.__iadd__(x) is not NotImplemented else n + x,
        lambda x, n: x.__iadd__(n),
        lambda x, n: x == n,
        lambda x, n: x @ n.T,
        lambda x, n: x.dot(n.T),
        lambda x, n: x[n > 0],
        lambda x, n: x[[True, False]],
        lambda x, n: x[np.array([0, 1])],
        lambda x, n: x.__setitem__(0, n[0]),
        lambda x, n: n.__setitem__(0, x[0]),
        lambda x, n: [5, 6, 7][x[0, 0]],
        lambda x, n: float(x),
        lambda x, n: bool(x),
        lambda x, n: x.sum(where=True),
        lambda x, n: x.ravel("K"),
        lambda x, n: sys.modules["cupy"].exp(n),
        lambda x, n: sys.modules["cupy"].maximum(x, n),
        lambda x, n: sys.modules["cupy"].where(x > 0, x, n),
        lambda x, n: sys.modules["cupy"].random,
        lambda x, n: sys.modules["cupy"].array([x, x]),
        lambda x, n: sys.modules["cupy"].asarray(np.array(["a"])),
        lambda x, n: sys.modules["cupy"].RawKernel("", "f"),
        lambda x, n: sys.modules["cupy"].maximum.at(x, 0, 1),
        lambda x, n: sys.modules["cupy"].add.at(x.astype(np.int64), 0, 1),
    ],
)
def test_misuse_raises(cupy, misuse):
    x = on_device(cupy, 2, 3)
    with pytest.raises(
        (TypeError, IndexError, ValueError, AttributeError, RuntimeError, NotImplementedError)
    ):
        misuse(x, np.ones((2, 3), np.float32))


def test_numbers_and_numpys_scalars_take_part(cupy):
    x = on_device(cupy, 2, 3)
    for y in (2 * x, x * 2.0, np.float32(2) * x, x * np.float32(2)):
        assert backend.backend_name(y) == "cupy"
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y.get(), 2 * x.get())


def test_a_tensor_has_the_operators_to_itself(cupy):
    x = on_device(cupy, 2)
    for y in (x + Tensor(x), x * Tensor(x), x - Tensor(x)):
        assert isinstance(y, Tensor)


def test_reductions_and_elements_are_arrays_that_can_be_read(cupy):
    x = on_device(cupy, 2, 3)
    for y in (x.sum(), x.max(), x[1, 2], (x > 1).any()):
        assert isinstance(y, cupy.ndarray)
        assert y.shape == ()
    assert float(x.sum()) == 15
    assert int(x[1, 2]) == x[1, 2].item() == 5
    assert bool((x > 1).any())


def test_an_element_is_a_view(cupy):
    x = on_device(cupy, 2, 3)
    y = x[1, 2]
    y += 1
    assert float(x[1, 2]) == 6


def test_a_view_knows_whose_memory_it_is(cupy):
    x = on_device(cupy, 2, 3)
    assert x.base is None
    assert x[1:].T.base is x
    assert x[1:].base is x.reshape(6).base
    y = x.copy().T  # of what owns it nobody else has hold
    assert y.base is y[1:].base is not x


def test_get_is_a_copy_and_in_c_order(cupy):
    x = on_device(cupy, 2, 3)
    got = x.T.get()
    assert got.flags.c_contiguous
    got[...] = 0
    assert float(x.sum()) == 15


def test_what_comes_from_the_host_lies_in_c_order_and_is_a_copy(cupy):
    host = np.zeros((2, 3, 4)).transpose(1, 0, 2)
    x = cupy.asarray(host)
    assert x.flags.c_contiguous
    host[...] = 1
    assert float(x.sum()) == 0
    assert cupy.asarray(np.zeros((2, 3)).T).flags.f_contiguous
    assert cupy.asarray(x) is x
    assert cupy.array(x.T).strides == x.T.strides


def test_memory_is_not_zero_before_it_is_written(cupy):
    assert np.isnan(cupy.empty(3, np.float32).get()).all()
    assert cupy.empty(3, np.int64).get().all()
    assert np.isnan(cupy.empty_like(cupy.zeros(3)).get()).all()


def test_races_raise(cupy):
    x = on_device(cupy, 4)
    with pytest.raises(ValueError, match="overlapping"):
        x[1:] = x[:-1]
    with pytest.raises(ValueError, match="overlapping"):
        x += x[::-1]
    with pytest.raises(ValueError, match="overlapping"):
        cupy.exp(x[1:], out=x[:-1])
    with pytest.raises(ValueError, match="several values"):
        x[cupy.asarray([0, 0])] = x[:2].copy()
    x += x
    cupy.exp(x, out=x)
    x[cupy.asarray([0, 0])] = 1


def test_add_at_adds_up_what_is_repeated(cupy):
    x = cupy.zeros(3)
    cupy.add.at(x, cupy.asarray([0, 2, 0]), cupy.asarray([1.0, 2.0, 3.0]))
    assert x.tolist() == [4, 0, 2]


def test_the_pool_counts_what_is_alive(cupy):
    pool = cupy.get_default_memory_pool()
    before = pool.used_bytes()
    x = cupy.zeros((10, 10))
    y = x[2:].T
    assert pool.used_bytes() == before + 800
    del x
    assert pool.used_bytes() == before + 800  # y is a view of it
    del y
    assert pool.used_bytes() == before


@pytest.mark.skipif(importlib.util.find_spec("cupy") is None, reason="CuPy is not installed")
def test_it_has_nothing_that_cupy_has_not():
    """CuPy can be imported and looked at without a GPU."""
    with standin() as module:
        ours = {n: v for n, v in vars(module).items() if not n.startswith("__")}
    real = importlib.import_module("cupy")
    assert [name for name in ours if not hasattr(real, name)] == []
    for name in (*UNARY.split(), *BINARY.split()):
        assert isinstance(getattr(real, name), real.ufunc)
    for name in FUNCTIONS:
        try:
            parameters = inspect.signature(getattr(real, name)).parameters
        except (TypeError, ValueError):
            continue  # compiled, without a signature
        free = any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters.values())
        assert free or set(FUNCTIONS[name].split()) <= set(parameters), name
    for name in dir(ours["ndarray"]):
        assert name.startswith("_") or hasattr(real.ndarray, name), name
