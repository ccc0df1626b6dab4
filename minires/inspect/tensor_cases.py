"""Cases for gradient checks: the operations that are operators and methods of a tensor."""

import numpy as np

from .. import functional as F
from ..ops.arithmetic import Abs, Add, Div, Exp, Log, Mul, Neg, Pow, PowerOf, Sqrt, Sub
from ..ops.matmul import Linear, Matmul
from ..ops.reduce import Max, Mean, Min, Sum
from ..ops.relu import ReLU
from ..ops.reshape import Concatenate, Index, Pad, Permute, Reshape
from .smooth_inputs import Case, Draw


def _arithmetic(draw: Draw) -> list[Case]:
    normal, positive, nonzero = draw.normal, draw.positive, draw.nonzero
    return [
        Case(Add, "same shapes", lambda a, b: a + b, (normal(2, 3), normal(2, 3))),
        Case(Add, "a row and a column", lambda a, b: a + b, (normal(3), normal(2, 1))),
        Case(Add, "a single number", lambda a, b: a + b, (normal(2, 3), normal())),
        Case(Add, "x + x", lambda x: x + x, (normal(2, 3),)),
        Case(Add, "residual addition x + f(x)", lambda x: x + (x * x).exp(), (normal(2, 3),)),
        Case(Sub, "same shapes", lambda a, b: a - b, (normal(2, 3), normal(2, 3))),
        Case(Sub, "a row and a column", lambda a, b: a - b, (normal(3), normal(2, 1))),
        Case(Mul, "same shapes", lambda a, b: a * b, (nonzero(2, 3), nonzero(2, 3))),
        Case(Mul, "a row and a column", lambda a, b: a * b, (nonzero(3), nonzero(2, 1))),
        Case(Mul, "x x", lambda x: x * x, (nonzero(2, 3),)),
        Case(Div, "same shapes", lambda a, b: a / b, (nonzero(2, 3), nonzero(2, 3))),
        Case(Div, "a row and a column", lambda a, b: a / b, (nonzero(3), nonzero(2, 1))),
        Case(Div, "a number by x", lambda x: 2 / x, (nonzero(2, 3),)),
        Case(Neg, "alone", lambda x: -x, (normal(2, 3),)),
        Case(Pow, "square", lambda x: x**2, (nonzero(2, 3),)),
        Case(Pow, "cube", lambda x: x**3, (nonzero(2, 3),)),
        Case(Pow, "root", lambda x: x**0.5, (positive(2, 3),)),
        Case(Pow, "inverse", lambda x: x**-1, (nonzero(2, 3),)),
        Case(PowerOf, "of 2", lambda x: 2**x, (normal(2, 3),)),
        Case(PowerOf, "of a half", lambda x: 0.5**x, (normal(2, 3),)),
        Case(Sqrt, "alone", lambda x: x.sqrt(), (positive(2, 3),)),
        Case(Abs, "alone", abs, (nonzero(2, 3),)),
        Case(Exp, "alone", lambda x: x.exp(), (normal(2, 3),)),
        Case(Log, "alone", lambda x: x.log(), (positive(2, 3),)),
        Case(ReLU, "alone", F.relu, (nonzero(3, 4),)),
        Case(
            ReLU,
            "residual addition relu(x + relu(x))",
            lambda x: F.relu(x + F.relu(x)),
            (nonzero(3, 4),),
        ),
    ]


def _products(draw: Draw) -> list[Case]:
    normal, fixed = draw.normal, draw.fixed
    return [
        Case(Matmul, "matrices", lambda a, b: a @ b, (normal(2, 3), normal(3, 4))),
        Case(Matmul, "stacks", lambda a, b: a @ b, (normal(2, 2, 3), normal(2, 3, 2))),
        Case(Matmul, "stacks broadcast", lambda a, b: a @ b, (normal(2, 1, 2, 3), normal(3, 3, 2))),
        Case(Matmul, "a matrix and a vector", lambda a, b: a @ b, (normal(2, 3), normal(3))),
        Case(Matmul, "a vector and stacks", lambda a, b: a @ b, (normal(3), normal(2, 3, 2))),
        Case(Matmul, "vectors", lambda a, b: a @ b, (normal(3), normal(3))),
        Case(Matmul, "one of them twice", lambda x: x @ x.T, (normal(2, 3),)),
        Case(Linear, "with bias", F.linear, (normal(3, 4), normal(2, 4), normal(2))),
        Case(Linear, "without bias", F.linear, (normal(3, 4), normal(2, 4))),
        Case(Linear, "sequences", F.linear, (normal(2, 3, 4), normal(2, 4), normal(2))),
        Case(Linear, "one row", F.linear, (normal(4), normal(2, 4), normal(2))),
        Case(Linear, "of fixed x", F.linear, (fixed(3, 4), normal(2, 4), normal(2))),
    ]


def _reductions(draw: Draw) -> list[Case]:
    normal, distinct = draw.normal, draw.distinct
    return [
        Case(Sum, "all", lambda x: x.sum(), (normal(2, 3),)),
        Case(Sum, "columns", lambda x: x.sum(0), (normal(2, 3),)),
        Case(Sum, "two dimensions, kept", lambda x: x.sum((0, -1), True), (normal(2, 3, 2),)),
        Case(Mean, "all", lambda x: x.mean(), (normal(2, 3),)),
        Case(Mean, "rows", lambda x: x.mean(-1), (normal(2, 3),)),
        Case(Mean, "two dimensions, kept", lambda x: x.mean((0, 2), True), (normal(2, 3, 2),)),
        Case(Max, "all", lambda x: x.max(), (distinct(2, 3),)),
        Case(Max, "rows", lambda x: x.max(1).values, (distinct(2, 3),)),
        Case(Max, "two dimensions, kept", lambda x: x.max((0, 2), True), (distinct(2, 3, 2),)),
        Case(Min, "all", lambda x: x.min(), (distinct(2, 3),)),
        Case(Min, "columns", lambda x: x.min(0).values, (distinct(2, 3),)),
        Case(Min, "two dimensions, kept", lambda x: x.min((0, 2), True), (distinct(2, 3, 2),)),
    ]


def _shapes(draw: Draw) -> list[Case]:
    normal, mask = draw.normal, np.array([True, False, True])
    repeated = np.array([0, 2, 0, 0])
    return [
        Case(Reshape, "alone", lambda x: x.reshape(3, -1), (normal(2, 3),)),
        Case(Reshape, "flatten", lambda x: x.flatten(1), (normal(2, 3, 2),)),
        Case(Permute, "turn", lambda x: x.permute(1, 2, 0), (normal(2, 3, 4),)),
        Case(Permute, "exchange", lambda x: x.transpose(0, -1), (normal(2, 3, 4),)),
        Case(Pad, "feature maps", lambda x: F.pad(x, (1, 2, 0, 1)), (normal(1, 2, 2, 3),)),
        Case(
            Pad, "channels, not 0", lambda x: F.pad(x, (0, 0, 1, 1), value=3.0), (normal(2, 2, 3),)
        ),
        Case(Index, "an element", lambda x: x[1, 2], (normal(2, 3),)),
        Case(Index, "slices", lambda x: x[1:, ::-2], (normal(3, 4),)),
        Case(Index, "a new dimension", lambda x: x[..., None, 1], (normal(2, 3),)),
        Case(Index, "a mask", lambda x: x[mask], (normal(3, 2),)),
        Case(Index, "rows, some repeated", lambda x: x[repeated], (normal(3, 2),)),
        Case(Index, "elements, repeated", lambda x: x[[0, 1, 0], [2, 2, 2]], (normal(2, 3),)),
        Case(Index, "shortcut A", lambda x: F.shortcut_a(x, 5, 2), (normal(2, 2, 3, 4),)),
        Case(Concatenate, "rows", lambda *xs: F.cat(xs), (normal(2, 3), normal(1, 3))),
        Case(
            Concatenate,
            "three along the last dimension",
            lambda *xs: F.cat(xs, dim=-1),
            (normal(2, 3), normal(2, 1), normal(2, 2)),
        ),
        Case(Concatenate, "one of them twice", lambda x: F.cat([x, x], 1), (normal(2, 3),)),
        Case(Pad, "shortcut A", lambda x: F.shortcut_a(x, 5, 2), (normal(2, 2, 3, 4),)),
    ]


FAMILIES = (_arithmetic, _products, _reductions, _shapes)
