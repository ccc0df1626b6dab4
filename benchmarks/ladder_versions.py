"""Versions of the convolution from the column matrix to the kernel, timed by ladder.py.

3x3, stride 1 and padding 1, forward and backward; minires/kernels/README.md says what changed from
one to the next.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minires import Op, ops
from minires.backend import Array
from minires.kernels import REFERENCE, choose, realized
from minires.kernels.cpu.gemm import product, product_transposed
from minires.kernels.geometry import Axis

K, P = 3, 1  # taps of the kernel and padding, both ways
Product = Callable[[Array, Array, Array], Any]  # writes the product of two matrices into a third


# --- v0: the reference --------------------------------------------------------------------------


def convolution(x: Array, w: Array) -> Op:
    """Return the operation, to be computed with gradients."""
    op = ops.Conv2d(padding=P)
    op.needs_grad = True, True, False
    return op


def reference_layout(x: Array) -> Array:
    """Return x (N, C, H, W) as the reference itself lays it in memory: (C, H, W, N)."""
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)


def reference_forward(x: Array, w: Array) -> Array:
    """y = W X, with the column matrix X of all windows: (N, C, H, W) -> (N, O, H, W)."""
    return convolution(x, w).forward(x, w, None)


def reference_backward(x: Array, w: Array, gy: Array) -> tuple[Array, Array]:
    """gX = Wᵀ gY, each window added back to where it was cut; gW = gY Xᵀ."""
    op = convolution(x, w)
    op.save(x, w)
    gx, gw, _ = op.backward(gy)
    return gx, gw


# --- v1 and v2: shifted products ----------------------------------------------------------------
# From here on feature maps are (H, C, W·N), and come and go like this, as inside a net.


def padded(x: Array, N: int) -> Array:
    """Return x with zeros around each image: (H, C, W·N) -> (H + 2P, C, (W + 2P)·N)."""
    H, C, L = x.shape
    X = np.zeros((H + 2 * P, C, L + 2 * P * N), x.dtype)
    X[P:-P, :, P * N : -P * N] = x
    return X


def shifted_forward(x: Array, w: Array, N: int, multiply: Product) -> Array:
    """Y_i = Σ_v W_v X_i, shifted by v·N: kw products for each row, added up while in cache."""
    H, C, L = x.shape
    X = padded(x, N)
    W = np.ascontiguousarray(w.transpose(3, 0, 2, 1)).reshape(K, len(w), K * C)
    y, summand = np.empty((H, len(w), L), x.dtype), np.empty((len(w), L), x.dtype)
    for i in range(H):
        under = X[i : i + K].reshape(K * C, -1)  # a view: K rows are one matrix
        multiply(W[0], under[:, :L], y[i])
        for v in range(1, K):
            multiply(W[v], under[:, v * N : v * N + L], summand)
            y[i] += summand
    return y


def shifted_backward(
    x: Array, w: Array, g: Array, N: int, multiply: Product, multiply_transposed: Product
) -> tuple[Array, Array]:
    """gx is the forward of gy with the kernel turned round; gW_v = Σ_i gY_i X_iᵀ, shifted."""
    gx = shifted_forward(g, w.swapaxes(0, 1)[:, :, ::-1, ::-1], N, multiply)
    (H, C, L), O = x.shape, len(w)
    X = padded(x, N)
    gW, summand = np.zeros((K, O, K * C), x.dtype), np.empty((O, K * C), x.dtype)
    for i in range(H):
        under = X[i : i + K].reshape(K * C, -1)
        for v in range(K):
            multiply_transposed(g[i], under[:, v * N : v * N + L], summand)
            gW[v] += summand
    return gx, gW.reshape(K, O, K, C).transpose(1, 3, 2, 0)


def whole(a: Array, b: Array, out: Array) -> None:
    """a b, as the BLAS computes it."""
    np.matmul(a, b, out=out)


def whole_transposed(a: Array, b: Array, out: Array) -> None:
    """a bᵀ, as the BLAS computes it."""
    np.matmul(a, b.T, out=out)


def cut(a: Array, b: Array, out: Array) -> None:
    """a b in pieces that OpenBLAS' kernels for small products take."""
    product(a, b[None], out[None])


def cut_transposed(a: Array, b: Array, out: Array) -> None:
    """a bᵀ in such pieces, summed."""
    product_transposed(a[None], b[None], out)


# --- v3: nothing is multiplied with zeros -------------------------------------------------------


def exact_forward(x: Array, w: Array, N: int) -> Array:
    """The same, of the taps and the windows alone that lie on pixels; x is not copied."""
    H, C, L = x.shape
    down, across = Axis(K, 1, -P, H, H), Axis(K, 1, -P, L // N, L // N)
    W = np.ascontiguousarray(w.transpose(3, 0, 2, 1))  # (kw, O, kh, C)
    y, summand = np.empty((H, len(w), L), x.dtype), np.empty((len(w), L), x.dtype)
    for i in range(H):
        u0, u1 = down.valid_taps(i)
        under = x[i - P + u0 : i - P + u1].reshape((u1 - u0) * C, L)
        kernels = W[:, :, u0:u1].reshape(K, len(w), (u1 - u0) * C)
        cut(kernels[P], under, y[i])  # the middle column of the kernel lies on pixels everywhere
        for v in (0, 2):
            a, b = across.valid_range(v)
            part, s = summand[:, : (b - a) * N], v - P
            cut(kernels[v], under[:, (a + s) * N : (b + s) * N], part)
            y[i, :, a * N : b * N] += part
    return y


def exact_backward(x: Array, w: Array, g: Array, N: int) -> tuple[Array, Array]:
    """The same in both gradients."""
    gx = exact_forward(g, w.swapaxes(0, 1)[:, :, ::-1, ::-1], N)
    (H, C, L), O = x.shape, len(w)
    down, across = Axis(K, 1, -P, H, H), Axis(K, 1, -P, L // N, L // N)
    gW, summand = np.zeros((K, O, K, C), x.dtype), np.empty((O, K * C), x.dtype)
    for i in range(H):
        u0, u1 = down.valid_taps(i)
        under = x[i - P + u0 : i - P + u1].reshape((u1 - u0) * C, L)
        more = summand[:, : (u1 - u0) * C]
        for v in range(K):
            a, b = across.valid_range(v)
            s = v - P
            cut_transposed(g[i, :, a * N : b * N], under[:, (a + s) * N : (b + s) * N], more)
            gW[v, :, u0:u1] += more.reshape(O, u1 - u0, C)
    return gx, gW.transpose(1, 3, 2, 0)


# --- v4: the kernel in minires ------------------------------------------------------------------


def kernel_forward(x: Array, w: Array) -> Array:
    """Rows in strips, shared among threads, on memory that is used again: (N, C, H, W)."""
    op = convolution(x, w)
    return choose(op, (x, w, None)).forward(op, x, w, None)


def kernel_backward(x: Array, w: Array, gy: Array, forward: Op) -> tuple[Array, Array]:
    """The same of both gradients, for `forward` as it was computed."""
    gx, gw, _ = choose(forward, (x, w, None)).backward(forward, gy)
    return gx, gw


# --- with the batch norm and the ReLU after it ---------------------------------------------------


class Block:
    """Convolution, batch norm and ReLU, by the reference or by kernels, fused or not.

    Args:
        textbook: whether the reference computes them.
        lazy: whether what batch norm and the ReLU's backward leave to be computed stays lazy.
    """

    def __init__(self, textbook: bool, lazy: bool) -> None:
        self.textbook = textbook
        self.lazy = lazy

    def forward(self, x: Array, w: Array, scale: Array, shift: Array) -> tuple[Array, list[Op]]:
        """Return the result, and the operations, to go back through."""
        norm = ops.BatchNorm()
        norm.needs_grad = True, True, True
        chain = (convolution(x, w), (w, None)), (norm, (scale, shift)), (ops.ReLU(), ())
        y: Any = x
        for op, others in chain:
            inputs = y, *others
            op.kernel = REFERENCE if self.textbook else choose(op, inputs)
            y = op.kernel.forward(op, *op.kernel.take(inputs))
            y = y if self.lazy else realized(y)
        return realized(y), [op for op, _ in chain]

    def backward(self, gy: Array, chain: list[Op]) -> list[Array]:
        """Return the gradients of x, w, scale and shift."""
        g: Any = gy
        others: list[Array] = []
        for op in reversed(chain):
            (g,) = op.kernel.take([g])
            gradients = op.kernel.backward(op, g)
            g, *more = gradients if isinstance(gradients, tuple) else (gradients,)
            g = g if self.lazy else realized(g)
            others = [*more, *others]
        return [realized(g), *(a for a in others if a is not None)]
