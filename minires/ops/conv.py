"""Convolution as one matrix product (im2col), and its three gradients."""

from ..autograd import Gradients, Op
from ..backend import Array
from ..errors import ShapeError, expect
from .windows import Pair, col2im, im2col, output_size, pair


class Conv2d(Op):
    """y[n,o,i,j] = b[o] + Σ_{c,u,v} w[o,c,u,v] x[n, c, i·s+u−p, j·s+v−p].

    (N, C, H, W), (O, C, kh, kw), (O,) -> (N, O, Ho, Wo) with Ho = ⌊(H + 2p − kh) / s⌋ + 1.

    With the windows of x as the columns of a matrix X (C·kh·kw rows, Ho·Wo·N columns), w
    and y as matrices of O rows:

        Y = W X        gW = gY Xᵀ        gX = Wᵀ gY        gb = Σ gY

    and gx is gX with every window added back to where it was cut (col2im). Saves x and w;
    X, which is kh·kw times larger than x, is cut again in backward.
    """

    def __init__(self, stride: int | Pair = 1, padding: int | Pair = 0) -> None:
        self.stride = pair(stride, "stride", at_least=1)
        self.padding = pair(padding, "padding", at_least=0)

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        Ho, Wo = self.output_size(x, w, b)
        N, O, kernel = x.shape[0], w.shape[0], w.shape[2:]
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

    def output_size(self, x: Array, w: Array, b: Array | None) -> Pair:
        """(Ho, Wo), of inputs whose shapes fit each other."""
        expect(
            x.ndim == 4 and w.ndim == 4 and x.shape[1] == w.shape[1],
            ShapeError,
            lambda: (
                f"conv2d got x of shape {x.shape} and w of shape {w.shape}; "
                "expected (N, C, H, W) and (O, C, kh, kw) with the same C"
            ),
        )
        expect(
            b is None or b.shape == w.shape[:1],
            ShapeError,
            lambda: (
                f"conv2d got b of shape {b is not None and b.shape} for w of shape {w.shape}; "
                f"expected {w.shape[:1]}"
            ),
        )
        return output_size(x.shape, (w.shape[2], w.shape[3]), self.stride, self.padding)
