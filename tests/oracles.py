"""What the tests believe: naive loops, PyTorch where it is installed, and one way to run an op.

`run` is how every operation is tried: on frozen arrays, with a random cotangent, holding
on the way what is always true (types, shapes, nothing changed).
"""

from types import SimpleNamespace

import numpy as np
import pytest

from minires import Tensor

try:
    import torch
except ImportError:
    torch = None
else:
    torch.set_num_threads(1)  # for arrays this small a second thread only waits

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch, the oracle, is not installed")


# --- running ------------------------------------------------------------------------------

LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "sliced": lambda a: every_second(a),
    "reversed": lambda a: np.flip(np.flip(a).copy()),
    "first axis last": lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0),
}


def laid_out(a, layout):
    """`a` in one of LAYOUTS; a single number has but one."""
    return LAYOUTS[layout](a) if a.ndim else a


def every_second(a):
    """`a`, spread out in memory, with NaN between its elements."""
    wide = np.full([2 * size for size in a.shape], np.nan, a.dtype)
    taken = wide[(slice(None, None, 2),) * a.ndim]
    taken[...] = a
    return taken


def cotangent(y, seed=0):
    """A random gradient of the shape and type of y, from a stream that no input is drawn from."""
    return np.asarray(np.random.default_rng([seed, 314159]).normal(size=y.shape)).astype(y.dtype)


def frozen(array):
    """A view of `array` that refuses to be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def run(function, *arrays, seed=0):
    """(y, gradients of the arrays, gy) of a minires function, nothing of which may be changed.

    None stands for an input left out, and has no gradient.
    """
    copies = [None if a is None else a.copy() for a in arrays]
    xs = [None if a is None else Tensor(frozen(a), requires_grad=True) for a in arrays]
    y = function(*xs)
    values = y.numpy().copy()
    gy = cotangent(y, seed)
    given = frozen(gy)
    y.backward(given)
    for x, copy in zip(xs, copies, strict=True):
        if x is not None:
            np.testing.assert_array_equal(x.data, copy, err_msg="an input was changed")
            assert isinstance(x.grad, np.ndarray)
            assert x.grad.shape == x.shape
            assert x.grad.dtype == x.dtype == y.dtype
    np.testing.assert_array_equal(gy, cotangent(y, seed), err_msg="gy was changed")
    np.testing.assert_array_equal(y.numpy(), values, err_msg="backward changed the output")
    return y.numpy(), [None if x is None else x.grad for x in xs], gy


def torch_run(function, gy, *arrays):
    """(y, gradients of the arrays) of a PyTorch function."""
    xs = [None if a is None else to_torch(a).requires_grad_() for a in arrays]
    y = function(*xs)
    y.backward(to_torch(gy))
    return y.detach().numpy(), [None if x is None else x.grad.numpy() for x in xs]


def to_torch(array):
    """A PyTorch tensor with a copy of the array."""
    return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape).copy())


def difference(a, b):
    """max |a − b| as a share of max |b|."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape, f"{a.shape} and {b.shape}"
    scale = np.abs(b).max(initial=0)
    return float(np.abs(a - b).max(initial=0) / (scale or 1))


def assert_same(got, expected, tolerance=1e-12):
    """Two arrays, or two lists of them, are the same up to rounding."""
    if isinstance(expected, list | tuple):
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            assert_same(a, b, tolerance)
    elif expected is None:
        assert got is None
    else:
        assert difference(got, expected) <= tolerance


# --- naive loops --------------------------------------------------------------------------


def windows(x, kernel, stride, padding, outside=0.0):
    """(i, j, slice of the padded map) of every window, and the padded x."""
    (kh, kw), (sh, sw), (ph, pw) = kernel, stride, padding
    widths = ((0, 0), (0, 0), (ph, ph), (pw, pw))
    padded = np.pad(x, widths, constant_values=outside)
    H, W = padded.shape[2:]
    found = []
    for i, top in enumerate(range(0, H - kh + 1, sh)):
        for j, left in enumerate(range(0, W - kw + 1, sw)):
            found.append((i, j, (slice(top, top + kh), slice(left, left + kw))))
    Ho, Wo = found[-1][0] + 1, found[-1][1] + 1
    return padded, (Ho, Wo), found


def cropped(padded, padding):
    """The map without its padding."""
    ph, pw = padding
    return padded[:, :, ph : padded.shape[2] - ph, pw : padded.shape[3] - pw]


def conv2d(x, w, b, stride, padding):
    padded, size, found = windows(x, w.shape[2:], stride, padding)
    y = np.zeros((len(x), len(w), *size))
    for n in range(len(x)):
        for o in range(len(w)):
            for i, j, window in found:
                y[n, o, i, j] = (padded[n][:, *window] * w[o]).sum()
                if b is not None:
                    y[n, o, i, j] += b[o]
    return y


def conv2d_gradients(gy, x, w, b, stride, padding):
    padded, _, found = windows(x, w.shape[2:], stride, padding)
    gpadded, gw, gb = np.zeros_like(padded), np.zeros_like(w), np.zeros(len(w))
    for n in range(len(x)):
        for o in range(len(w)):
            for i, j, window in found:
                gpadded[n][:, *window] += gy[n, o, i, j] * w[o]
                gw[o] += gy[n, o, i, j] * padded[n][:, *window]
                gb[o] += gy[n, o, i, j]
    return [cropped(gpadded, padding), gw, None if b is None else gb]


def max_pool2d(x, kernel, stride, padding, gy=None):
    """y, or with gy the gradient of x: to the first of equal maxima."""
    padded, size, found = windows(x, kernel, stride, padding, -np.inf)
    y, gpadded = np.zeros((*x.shape[:2], *size)), np.zeros_like(padded)
    for n, c in np.ndindex(*x.shape[:2]):
        for i, j, window in found:
            y[n, c, i, j] = padded[n, c][window].max()
            if gy is not None:
                first = np.unravel_index(padded[n, c][window].argmax(), kernel)
                gpadded[n, c][window][first] += gy[n, c, i, j]
    return y if gy is None else cropped(gpadded, padding)


def avg_pool2d(x, kernel, stride, padding, gy=None):
    """y, or with gy the gradient of x; the zeros of the padding count."""
    padded, size, found = windows(x, kernel, stride, padding)
    y, gpadded = np.zeros((*x.shape[:2], *size)), np.zeros_like(padded)
    for n, c in np.ndindex(*x.shape[:2]):
        for i, j, window in found:
            y[n, c, i, j] = padded[n, c][window].sum() / (kernel[0] * kernel[1])
            if gy is not None:
                gpadded[n, c][window] += gy[n, c, i, j] / (kernel[0] * kernel[1])
    return y if gy is None else cropped(gpadded, padding)


def batch_norm(x, w, b, eps):
    y = np.zeros_like(x)
    for c in range(x.shape[1]):
        v = x[:, c]
        mean = v.sum() / v.size
        var = ((v - mean) ** 2).sum() / v.size
        y[:, c] = w[c] * (v - mean) / (var + eps) ** 0.5 + b[c]
    return y


def batch_norm_gradients(gy, x, w, eps):
    """Step by step, as in section 3 of Ioffe & Szegedy: through x̂, then σ², then μ."""
    gx, gw, gb = np.zeros_like(x), np.zeros_like(w), np.zeros_like(w)
    for c in range(x.shape[1]):
        v, g = x[:, c], gy[:, c]
        m, mean = v.size, v.mean()
        var = ((v - mean) ** 2).mean()
        gxhat = g * w[c]
        gvar = (gxhat * (v - mean)).sum() * -0.5 * (var + eps) ** -1.5
        gmean = -gxhat.sum() * (var + eps) ** -0.5 - gvar * 2 * (v - mean).mean()
        gx[:, c] = gxhat * (var + eps) ** -0.5 + gvar * 2 * (v - mean) / m + gmean / m
        gw[c] = (g * (v - mean)).sum() * (var + eps) ** -0.5
        gb[c] = g.sum()
    return [gx, gw, gb]


def cross_entropy(x, labels, label_smoothing=0.0):
    """The loss and its gradient, image by image."""
    N, C = x.shape
    loss, gx = 0.0, np.zeros_like(x)
    for n in range(N):
        p = np.exp(x[n]) / np.exp(x[n]).sum()
        t = np.full(C, label_smoothing / C)
        t[labels[n]] += 1 - label_smoothing
        loss -= (t * np.log(p)).sum() / N
        gx[n] = (p - t) / N
    return loss, gx


# --- the paper's nets in PyTorch ----------------------------------------------------------


class TorchNet:
    """The net of a minires model's state dict, in PyTorch's functions, trained by hand.

    Written from the paper and not from minires: the state dict gives the weights, and the
    number of blocks; `shortcut` is "A", "B", "C", or None for the plain net.
    """

    def __init__(self, state, shortcut, dtype):
        buffers = ("running_mean", "running_var")
        self.state = {k: to_torch(v).to(dtype) for k, v in state.items()}
        self.parameters = {k: v for k, v in self.state.items() if not k.endswith(buffers)}
        for p in self.parameters.values():
            p.requires_grad_()
        self.shortcut = shortcut

    def conv(self, name, x, stride=1, padding=1):
        return torch.nn.functional.conv2d(x, self.state[f"{name}.weight"], None, stride, padding)

    def bn(self, name, x, training=True):
        s = SimpleNamespace(
            **{k.rpartition(".")[2]: v for k, v in self.state.items() if k.startswith(f"{name}.")}
        )
        return torch.nn.functional.batch_norm(
            x, s.running_mean, s.running_var, s.weight, s.bias, training
        )

    def block(self, name, x, channels, stride, training):
        y = self.bn(f"{name}.bn1", self.conv(f"{name}.conv1", x, stride), training).relu()
        y = self.bn(f"{name}.bn2", self.conv(f"{name}.conv2", y), training)
        if self.shortcut is None:
            return y.relu()
        changes = channels != x.shape[1]
        if self.shortcut == "C" or (self.shortcut == "B" and changes):
            short = self.conv(f"{name}.downsample.0", x, stride, padding=0)
            return (y + self.bn(f"{name}.downsample.1", short, training)).relu()
        if changes:
            sides = (channels - x.shape[1]) // 2
            x = torch.nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, sides, sides))
        return (y + x).relu()

    def __call__(self, x, training=True):
        x = self.bn("bn1", self.conv("conv1", x), training).relu()
        for number, channels in ((1, 16), (2, 32), (3, 64)):
            i = 0
            while f"layer{number}.{i}.conv1.weight" in self.state:
                stride = 2 if number > 1 and i == 0 else 1
                x = self.block(f"layer{number}.{i}", x, channels, stride, training)
                i += 1
        x = x.mean((2, 3))
        return x @ self.state["fc.weight"].T + self.state["fc.bias"]
