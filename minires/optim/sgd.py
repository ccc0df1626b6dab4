"""Gradient descent with momentum."""

from collections.abc import Iterable
from typing import ClassVar

from .. import kernels
from ..autograd import Tensor
from ..backend import Array
from ..deprecated import old_parameters
from ..ops.update import update_all
from ..pytorch import expect_only
from .optimiser import Optimiser


class SGD(Optimiser):
    """Stochastic gradient descent with momentum and weight decay, as PyTorch updates.

        v ← momentum v + (g + weight_decay w)        w ← w − lr v

    (The paper writes v ← momentum v + lr g, w ← w − v: the same until lr changes.)

    Args:
        params: leaf tensors, each once, such as `model.parameters()`.
        lr, momentum, weight_decay: numbers of at least 0.

    Attributes:
        lr: the learning rate of the next step; set it before each one.
        velocities: v of each parameter, in their order.

    Raises:
        UsageError: `params` are not such tensors, or a number is negative, infinite, NaN or
            none.
    """

    state_names: ClassVar[dict[str, str]] = {"velocities": "velocity"}
    setting_names: ClassVar[tuple[str, ...]] = ("lr", "momentum", "weight_decay")
    velocities: list[Array]

    @old_parameters(parameters="params")
    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        *,
        dampening: float = 0,
        nesterov: bool = False,
    ) -> None:
        expect_only(dampening=dampening, nesterov=nesterov)
        super().__init__(params, lr)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self._expect_settings()

    def step(self) -> None:
        """Change every parameter that has a gradient.

        Raises:
            DeviceError: a parameter is on another backend than its velocity; see `to`.
            DTypeError, ShapeError: they, or the gradient, have two dtypes or two shapes.
            UsageError: lr, momentum or weight_decay was set to what is no number of at least 0.
        """
        self._expect_settings()
        if changes := self.changes():
            settings = self.lr, self.momentum, self.weight_decay
            kernels.call(update_all, changes[0][1], changes, *settings)

    def _expect_settings(self) -> None:
        self._expect_rates("momentum", "weight_decay")
