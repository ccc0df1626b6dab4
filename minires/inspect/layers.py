"""Record the standard deviation of each layer's response, and the norm of its gradient."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ..autograd import Op, Step, norm
from ..autograd.hooks import backward_hook, forward_hook
from ..backend import Array, to_numpy
from ..deprecated import old_attribute
from ..ops.batchnorm import BatchNorm, BatchNormInference, SyncBatchNorm
from ..ops.conv import Conv2d
from ..ops.matmul import Linear

_WEIGHTED = (Conv2d, Linear)
_NORMS = (BatchNorm, SyncBatchNorm, BatchNormInference)


class Layers:
    """The convolutions and linear layers of a model in the order they ran; see `watch_layers`.

    A layer's *response* is its output after batch norm, where there is one, and before an
    addition or a ReLU (He et al. 2015, figure 7).
    """

    def __init__(self) -> None:
        self._ops: dict[str, Op] = {}  # what made the response, by the layer's path
        self._stds: dict[str, float] = {}
        self._norms: dict[Op, float] = {}
        self._path = ""  # of the layer that ran last
        self._output: Array | None = None

    @property
    def paths(self) -> list[str]:
        """Return the paths of the layers: "conv1", "layer1.0.conv1", ..., "fc"."""
        return list(self._ops)

    @property
    def std(self) -> Array:
        """Return the standard deviation of each response, over its elements: float64 (layers,)."""
        return np.array(list(self._stds.values()))

    @property
    def spread(self) -> Array:
        """The old name of `std`."""
        return old_attribute(self, "spread", "std")

    @property
    def gradient(self) -> Array:
        """Return the norm of the gradient of each response, float64 (layers,); NaN for none."""
        return np.array([self._norms.get(op, np.nan) for op in self._ops.values()])

    def see(self, op: Op, inputs: tuple[Array | None, ...], output: Array) -> None:
        """Record the forward of a layer."""
        if isinstance(op, _WEIGHTED):
            self._path, self._output = op.path, output
        elif inputs[0] is not self._output:
            return  # the batch norm of something else, such as a sum
        self._ops[self._path] = op
        with np.errstate(invalid="ignore"):  # the std of an infinite response is NaN
            self._stds[self._path] = float(to_numpy(output).std(dtype=np.float64))

    def see_step(self, step: Step) -> None:
        """Record the backward of a layer."""
        self._norms[step.op] = norm(step.gy)


@contextmanager
def watch_layers() -> Iterator[Layers]:
    """Record the forward and the backward passes of models inside, in a `Layers`.

    Where a pass ran more than once, the last one counts.
    """
    layers = Layers()
    ops = (*_WEIGHTED, *_NORMS)
    with forward_hook(layers.see, ops=ops), backward_hook(layers.see_step, ops=ops):
        yield layers
