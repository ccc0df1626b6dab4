"""Adam: gradient descent with a step size of its own for each number."""

from collections.abc import Iterable
from typing import ClassVar

from .. import kernels
from ..arguments import above_zero, integer, real, several, shown
from ..autograd import Tensor
from ..backend import Array, is_captured
from ..errors import UsageError
from ..ops.update import adam
from ..pytorch import expect_only
from .optimiser import Optimiser


class Adam(Optimiser):
    """Adam (Kingma & Ba 2015, algorithm 1), as PyTorch updates; the paper's nets use SGD.

        m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²        t ← t + 1

        w ← w − lr m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + eps)

    with weight_decay w added to g.

    Args:
        params: leaf tensors, each once, such as `model.parameters()`.
        lr: the learning rate, at least 0.
        betas: (β₁, β₂), from 0 to below 1.
        eps: above 0; weight_decay: at least 0.

    Attributes:
        lr: the learning rate of the next step; set it before each one.
        means, squares: m and v of each parameter, in their order.
        steps: how many steps each has taken.

    Raises:
        UsageError: `params` are not such tensors, or a number is out of range.
    """

    state_names: ClassVar[dict[str, str]] = {"means": "mean", "squares": "square"}
    setting_names: ClassVar[tuple[str, ...]] = ("lr", "betas", "eps", "weight_decay", "steps")
    means: list[Array]
    squares: list[Array]

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        expect_only(amsgrad=amsgrad)
        super().__init__(params, lr)
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        self.steps = [0] * len(self.parameters)
        self._expect_settings()

    def step(self) -> None:
        """Change every parameter that has a gradient.

        Raises:
            DeviceError, DTypeError, ShapeError, UsageError: as for `SGD.step`;
            UsageError: the step is being recorded; a replay would repeat one t.
        """
        self._expect_rates("weight_decay")
        changing = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        if changing and is_captured(self.parameters[changing[0]].data):
            raise UsageError(
                "Adam cannot be recorded, for a replay would repeat the same step number; "
                "use SGD, or capture all but optimiser.step()"
            )
        for i, (w, m, v, g) in zip(changing, self.changes(), strict=True):
            self.steps[i] += 1
            settings = self.lr, self.betas, self.eps, self.weight_decay
            kernels.call(adam, w, w, m, v, g, self.steps[i], *settings)

    def _expect_settings(self) -> None:
        betas, steps = self.betas, several(self.steps, "steps")
        if not (isinstance(betas, tuple | list) and len(betas) == 2):
            raise UsageError(f"betas must be two numbers, got {shown(betas)}")
        if len(steps) != len(self.parameters):
            raise UsageError(f"steps must be {len(self.parameters)} integers, got {shown(steps)}")
        self.betas = (_below_1(betas[0], "betas[0]"), _below_1(betas[1], "betas[1]"))
        self.eps = above_zero(self.eps, "eps")
        self.steps = [integer(count, "steps", at_least=0) for count in steps]
        self._expect_rates("weight_decay")


def _below_1(value: float, name: str) -> float:
    beta = real(value, name, 0, 1)
    if beta == 1:
        raise UsageError(f"{name} must be below 1, got 1")
    return beta
