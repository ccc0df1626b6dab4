"""Arrays of two backends never meet: each operation refuses them by name."""

import numpy as np
import pytest

from minires import Tensor
from minires import functional as F
from minires.backend import use
from minires.errors import DeviceError
from minires.nn import BatchNorm2d, Linear

IMAGES = np.ones((2, 3, 4, 4), np.float32)
LABELS = np.array([0, 1])
VECTOR = np.ones(3, np.float32)


def kernel(cupy):
    return cupy.ones((4, 3, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("mix", "sentence"),
    [
        (
            lambda cupy: F.conv2d(IMAGES, Tensor(kernel(cupy))),
            "Conv2d got x on numpy and w on cupy; move them to one backend first",
        ),
        (
            lambda cupy: F.conv2d(cupy.asarray(IMAGES), kernel(cupy), VECTOR[:1].repeat(4)),
            "Conv2d got x on cupy and w on cupy and b on numpy",
        ),
        (
            lambda cupy: Tensor(IMAGES) + Tensor(cupy.asarray(IMAGES)),
            "Add got a on numpy and b on cupy",
        ),
        (lambda cupy: IMAGES + Tensor(cupy.asarray(IMAGES)), "Add got a on numpy and b on cupy"),
        (lambda cupy: cupy.asarray(IMAGES) + Tensor(IMAGES), "Add got a on cupy and b on numpy"),
        (
            lambda cupy: F.cross_entropy(cupy.ones((2, 3)), LABELS),
            "cross_entropy got x on cupy and labels on numpy",
        ),
        (
            lambda cupy: F.cross_entropy(np.ones((2, 3)), Tensor(cupy.asarray(LABELS))),
            "cross_entropy got x on numpy and labels on cupy",
        ),
        (
            lambda cupy: F.batch_norm(
                *(cupy.asarray(a) for a in (IMAGES, VECTOR)), VECTOR, *([cupy.ones(3, "f")] * 2)
            ),
            "batch_norm got x on cupy and running_mean on cupy and running_var on numpy",
        ),
        (
            lambda cupy: F.batch_norm(
                cupy.asarray(IMAGES), VECTOR, None, *([cupy.ones(3, "f")] * 2), training=True
            ),
            "batch_norm got x on cupy and running_mean on numpy",
        ),
        (
            lambda cupy: Tensor(cupy.asarray(IMAGES))[LABELS],
            "Index got x on cupy and key on numpy",
        ),
        (
            lambda cupy: Tensor(IMAGES)[0, cupy.asarray(LABELS)],
            "Index got x on numpy and key on cupy",
        ),
        (
            lambda cupy: Tensor(cupy.asarray(VECTOR), requires_grad=True).exp().backward(VECTOR),
            r"backward\(\) got tensor on cupy and gy on numpy",
        ),
        (
            lambda cupy: BatchNorm2d(3).to(backend="cupy")(IMAGES),
            "BatchNorm got x on numpy and w on cupy and b on cupy",
        ),
        (lambda cupy: Linear(3, 2).to(backend="cupy")(VECTOR[None]), "Linear got x on numpy"),
    ],
)
def test_each_operation_names_what_is_where(cupy, mix, sentence):
    with pytest.raises(DeviceError, match=sentence):
        mix(cupy)


def test_running_statistics_are_not_touched_by_an_error(cupy):
    mean, var = cupy.zeros(3, np.float32), np.ones(3, np.float32)
    w, b = cupy.ones(3, np.float32), cupy.zeros(3, np.float32)
    with pytest.raises(DeviceError, match="running_var on numpy"):
        F.batch_norm(cupy.asarray(IMAGES), mean, var, w, b, training=True)
    assert float(abs(mean).sum()) == 0


def test_a_gradient_is_replaced_by_one_of_its_backend_alone(cupy):
    y = Tensor(cupy.asarray(VECTOR), requires_grad=True).exp()
    steps = y.backward_steps(cupy.ones(3, np.float32))
    next(steps).gxs[0] = VECTOR
    with pytest.raises(DeviceError, match="its input x a gradient on numpy; expected one on cupy"):
        next(steps)


def test_numbers_and_lists_adapt(cupy):
    x = Tensor(cupy.asarray(VECTOR))
    for y in (x + 1, 2 * x, x - [1, 2, 3], x * np.float32(2), F.relu(x) ** 2):
        assert isinstance(y.data, cupy.ndarray)
        assert y.dtype == np.float32
    assert F.cross_entropy(cupy.ones((2, 3)), [0, 1]).item() == pytest.approx(np.log(3))


def test_arrays_of_the_host_go_to_the_default_backend(cupy):
    with use("cupy"):
        for tensor in (Tensor(VECTOR), Tensor([1.0]), Tensor(1), F.relu(VECTOR)):
            assert isinstance(tensor.data, cupy.ndarray)
        assert isinstance(Tensor(IMAGES)[LABELS].data, cupy.ndarray)
        assert isinstance(F.cross_entropy(np.ones((2, 3)), LABELS).data, cupy.ndarray)
    assert isinstance(Tensor(VECTOR).data, np.ndarray)
