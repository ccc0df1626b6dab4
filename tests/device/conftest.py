"""What the tests of this folder run on: the stand-in everywhere, and a GPU where there is one."""

import pytest
from standin import standin

from minires import backend
from minires.errors import DeviceError


def why_no_gpu():
    """Why the cupy backend cannot be used here; None where it can."""
    try:
        backend.load("cupy")
    except DeviceError as error:
        return str(error)
    return None


@pytest.fixture(params=["standin", pytest.param("gpu", marks=pytest.mark.gpu)])
def cupy(request):
    """The module `cupy`: the stand-in's, and CuPy's own on a GPU."""
    if request.param == "standin":
        with standin() as module:
            yield module
        return
    if reason := why_no_gpu():
        pytest.skip(reason)
    yield backend.load("cupy")
