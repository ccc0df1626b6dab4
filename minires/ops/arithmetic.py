"""Element by element: + − × ÷, powers, roots, |x|, exp and log, with NumPy's broadcasting."""

import math

from ..arguments import above_zero, real
from ..backend import Array, array_module
from . import checks
from .op import Gradients, Op


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Return `g` summed to `shape`: what forward repeated, backward adds up."""
    if g.shape == shape:
        return g
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    repeated = tuple(i for i, size in enumerate(shape) if size == 1 and g.shape[i] != 1)
    return g.sum(axis=repeated, keepdims=True) if repeated else g


class BinaryOp(Op):
    """An operation on two inputs of shapes that broadcast."""

    check = checks.binary

    def unbroadcast(self, ga: Array, gb: Array) -> tuple[Array, Array]:
        """Return both gradients, each summed to the shape of its input."""
        return unbroadcast(ga, self.input_shapes[0]), unbroadcast(gb, self.input_shapes[1])


class Add(BinaryOp):
    """y = a + b.  ga = gb = gy: an addition copies its gradient to both branches.

    This is the residual addition (He et al. 2015, equation 1): y = F(x) + x.
    Saves nothing.
    """

    def forward(self, a: Array, b: Array) -> Array:
        return a + b

    def backward(self, gy: Array) -> Gradients:
        return self.unbroadcast(gy, gy)


class Sub(BinaryOp):
    """y = a − b.  ga = gy, gb = −gy.  Saves nothing."""

    check = checks.difference

    def forward(self, a: Array, b: Array) -> Array:
        return a - b

    def backward(self, gy: Array) -> Gradients:
        return self.unbroadcast(gy, -gy)


class Mul(BinaryOp):
    """y = a b.  ga = gy b, gb = gy a.  Saves a and b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.save(a, b)
        return a * b

    def backward(self, gy: Array) -> Gradients:
        a, b = self.saved
        return self.unbroadcast(gy * b, gy * a)


class Div(BinaryOp):
    """y = a / b.  ga = gy / b, gb = −gy a / b².  Saves a and b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.save(a, b)
        return a / b

    def backward(self, gy: Array) -> Gradients:
        a, b = self.saved
        ga = gy / b
        return self.unbroadcast(ga, -ga * a / b)


def add_gradients(a: Array, b: Array) -> Array:
    """Return a + b, the gradient of what two operations used; not in place, for an operation may
    give the same array to both of its inputs."""
    return a + b


class Neg(Op):
    """y = −x.  gx = −gy.  Saves nothing."""

    check = checks.numbers

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, gy: Array) -> Gradients:
        return -gy


class Pow(Op):
    """y = x^p for a number p.  gx = gy p x^(p−1).  Saves x."""

    def __init__(self, exponent: float) -> None:
        self.exponent = real(exponent, "exponent")

    def forward(self, x: Array) -> Array:
        self.save(x)
        return x**self.exponent

    def backward(self, gy: Array) -> Gradients:
        (x,) = self.saved
        p = self.exponent
        return gy * (p * x ** (p - 1)) if p else gy * 0  # 0 · x^−1 would be NaN at 0


class PowerOf(Op):
    """y = a^x for a number a > 0.  gx = gy y ln a.  Saves y."""

    check = checks.floats

    def __init__(self, base: float) -> None:
        self.base = above_zero(base, "the base of a power of a tensor")

    def forward(self, x: Array) -> Array:
        y: Array = self.base**x
        self.save(y)
        return y

    def backward(self, gy: Array) -> Gradients:
        (y,) = self.saved
        return gy * (y * math.log(self.base))


class Sqrt(Op):
    """y = √x.  gx = gy / (2 y).  Saves y."""

    check = checks.floats

    def forward(self, x: Array) -> Array:
        y: Array = array_module(x).sqrt(x)
        self.save(y)
        return y

    def backward(self, gy: Array) -> Gradients:
        (y,) = self.saved
        return gy / (2 * y)


class Abs(Op):
    """y = |x|.  gx = gy sign x, which is 0 at the kink.  Saves sign x."""

    check = checks.numbers

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        self.save(xp.sign(x))
        y: Array = xp.abs(x)
        return y

    def backward(self, gy: Array) -> Gradients:
        (sign,) = self.saved
        return gy * sign


class Exp(Op):
    """y = e^x.  gx = gy y.  Saves y."""

    def forward(self, x: Array) -> Array:
        y: Array = array_module(x).exp(x)
        self.save(y)
        return y

    def backward(self, gy: Array) -> Gradients:
        (y,) = self.saved
        return gy * y


class Log(Op):
    """y = ln x.  gx = gy / x.  Saves x."""

    def forward(self, x: Array) -> Array:
        self.save(x)
        return array_module(x).log(x)

    def backward(self, gy: Array) -> Gradients:
        (x,) = self.saved
        return gy / x
