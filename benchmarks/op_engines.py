"""The cases of ops.py as minires, its reference operations, and PyTorch compute them."""

from dataclasses import replace

import numpy as np
import torch
from op_cases import Case

import minires
from minires import Op, Tensor
from minires.autograd import Gradients
from minires.backend import Array


class Inside(Op):
    """y = x, whose gradient goes nowhere: a map inside a net, where no leaf copies it."""

    def forward(self, x: Array) -> Array:
        return x

    def backward(self, gy: Array) -> Gradients:
        return (None,)


class Ours:
    """A case in minires."""

    def __init__(self, case: Case, gy: Array) -> None:
        self.case = case
        self.gy = gy

    def inputs(self) -> list[Tensor]:
        """The maps anew, as they are inside a net, and the parameters."""
        for p in self.case.parameters:
            p.zero_grad()
        if self.case.image:
            return [*map(Tensor, self.case.maps), *self.case.parameters]
        leaves = (Tensor(x, requires_grad=True) for x in self.case.maps)
        return [*(Inside()(x) for x in leaves), *self.case.parameters]

    def forward(self, inputs: list[Tensor]) -> Tensor:
        """The result."""
        y = self.case.ours(*inputs)
        y.numpy()  # a lazy array would cost nothing
        return y

    def output(self) -> Tensor:
        """What a backward begins with."""
        return self.forward(self.inputs())

    def backward(self, y: Tensor) -> None:
        """All gradients."""
        y.backward(self.gy)


class Reference(Ours):
    """A case by minires' reference operations, on arrays as they lay them in memory."""

    def __init__(self, case: Case, gy: Array) -> None:
        maps = case.maps if case.image else tuple(batch_last(x) for x in case.maps)
        super().__init__(replace(case, maps=maps), batch_last(gy))

    def forward(self, inputs: list[Tensor]) -> Tensor:
        """The result, whose backward is the reference's too."""
        with minires.textbook():
            return super().forward(inputs)


def batch_last(x: Array) -> Array:
    """Return x (N, C, H, W) laid in memory as (C, H, W, N), anything else as it is."""
    if x.ndim != 4:
        return x
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)


class Theirs:
    """A case in PyTorch."""

    def __init__(self, case: Case, gy: Array) -> None:
        self.case = case
        arrays = (*case.maps, *(p.data for p in case.parameters))
        self.inputs = [torch.from_numpy(np.array(a, order="C")) for a in arrays]
        self.wanted = self.inputs[len(case.maps) if case.image else 0 :]
        for x in self.wanted:
            x.requires_grad_()
        self.gy = torch.from_numpy(np.array(gy, order="C"))

    def forward(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        """The result."""
        return self.case.theirs(*inputs)

    def output(self) -> torch.Tensor:
        """What a backward begins with."""
        return self.forward(self.inputs)

    def backward(self, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All gradients."""
        return torch.autograd.grad(y, self.wanted, self.gy)


def cotangent(case: Case) -> Array:
    """A gradient of the result, laid in memory as the result is."""
    y = case.ours(*map(Tensor, case.maps), *case.parameters).data
    gy = np.empty_like(y)
    gy[...] = np.random.default_rng(1).standard_normal(y.shape, dtype=np.float32)
    return gy
