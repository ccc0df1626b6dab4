"""Convolution as one matrix product (im2col), and its three gradients."""

from ..arguments import Pair, pair
from ..backend import Array
from . import checks
from .op import Gradients, Op
from .windows import col2im, im2col, output_size


class Conv2d(Op):
    """y[n,o,i,j] = b[o] + Σ_{c,u,v} w[o,c,u,v] x[n, c, i·s+u−p, j·s+v−p].

    (N, C, H, W), (O, C, kh, kw), (O,) -> (N, O, Ho, Wo) with Ho = ⌊(H + 2p − kh) / s⌋ + 1.

    With the windows of x as the columns of a matrix X (C·kh·kw rows, Ho·Wo·N columns), w
    and y as matrices of O rows:

        Y = W X        gW = gY Xᵀ        gX = Wᵀ gY        gb = Σ gY

    and gx is gX with every window added back to where it was cut (col2im). Saves x and w;
    X, which is kh·kw times larger than x, is cut again in backward.
    """

    check = checks.conv2d
    optional = ("b",)

    def __init__(self, stride: int | Pair = 1, padding: int | Pair = 0) -> None:
        self.stride = pair(stride, "stride", at_least=1)
        self.padding = pair(padding, "padding", at_least=0)

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        N, O, kernel = x.shape[0], w.shape[0], w.shape[2:]
        Ho, Wo = output_size(x.shape, kernel, self.stride, self.padding)
        X = im2col(x, kernel, self.stride, self.padding).reshape(w[0].size, Ho * Wo * N)
        Y = w.reshape(O, -1) @ X  # (O, C·kh·kw) (C·kh·kw, Ho·Wo·N) -> (O, Ho·Wo·N)
        if b is not None:
            Y += b[:, None]
        self.save(x, w)
        return Y.reshape(O, Ho, Wo, N).transpose(3, 0, 1, 2)

    def backward(self, gy: Array) -> Gradients:
        x, w = self.saved
        N, O, Ho, Wo = gy.shape
        C, kh, kw = w.shape[1:]
        gY = gy.transpose(1, 2, 3, 0).reshape(O, Ho * Wo * N)
        gx = gw = gb = None
        if self.needs_grad[0]:
            gX = (w.reshape(O, -1).T @ gY).reshape(C, kh, kw, Ho, Wo, N)
            gx = col2im(gX, x.shape, self.stride, self.padding)
        if self.needs_grad[1]:
            X = im2col(x, (kh, kw), self.stride, self.padding).reshape(w[0].size, Ho * Wo * N)
            gw = (gY @ X.T).reshape(w.shape)
        if self.needs_grad[2]:
            gb = gY.sum(axis=1)
        return gx, gw, gb
