"""Check the inputs of products, convolution, pooling, normalisation and losses."""

from typing import Any

from ...arguments import Pair
from ...backend import Array, expect_same_backend, guarded
from ...errors import DTypeError, LabelError, ShapeError, UsageError

# --- settings ---------------------------------------------------------------------------------


def pool_padding(padding: Pair, kernel: Pair) -> None:
    """Check that no window of pooling can lie in the padding alone."""
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ShapeError(
            f"padding must be at most half the kernel, got padding {padding} "
            f"for a kernel of {kernel}: a window could lie in the padding alone"
        )


# --- shapes -----------------------------------------------------------------------------------


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Return whether two shapes, from the last size on, differ only where one of them is 1."""
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1], strict=False))


def images(x: Array) -> None:
    """Check that x is (N, C, H, W)."""
    if x.ndim != 4:
        raise ShapeError(f"expected images (N, C, H, W), got shape {x.shape}")


def floats(op: Any, x: Array) -> None:
    """Check that x holds floats."""
    if x.dtype.kind != "f":
        raise DTypeError(f"{op.name} expected floats, got {x.dtype}")


def windows(shape: tuple[int, ...], kernel: Pair, padding: Pair) -> None:
    """Check that windows of `kernel` fit into padded images of `shape` (N, C, H, W)."""
    H, W = shape[2] + 2 * padding[0], shape[3] + 2 * padding[1]
    if kernel[0] > H or kernel[1] > W:
        raise ShapeError(
            f"a kernel of {kernel[0]}x{kernel[1]} is larger than the padded input of {H}x{W}"
        )


def channels(x: Array, **vectors: Array) -> None:
    """Check that x is (N, C, ...) and each vector (C,), all on one backend."""
    if x.ndim < 2:
        raise ShapeError(f"batch_norm expected x (N, C, ...), got shape {x.shape}")
    expect_same_backend("batch_norm", x=x, **vectors)
    for name, v in vectors.items():
        if v.shape != (x.shape[1],):
            raise ShapeError(
                f"batch_norm got {name} of shape {v.shape} for x of shape {x.shape}; "
                f"expected {(x.shape[1],)}"
            )


# --- inputs of operations ---------------------------------------------------------------------


def binary(op: Any, a: Array, b: Array) -> None:
    """Check that two shapes broadcast."""
    if not broadcast(a.shape, b.shape):
        raise ShapeError(f"{op.name} got shapes {a.shape} and {b.shape}, which do not broadcast")


def difference(op: Any, a: Array, b: Array) -> None:
    """Check that two shapes broadcast, and hold numbers."""
    binary(op, a, b)
    numbers(op, a)


def numbers(op: Any, x: Array) -> None:
    """Check that x holds no booleans, of which NumPy has no negative."""
    if x.dtype.kind == "b":
        raise DTypeError(f"{op.name} expected numbers, got {x.dtype}")


def matmul(op: Any, a: Array, b: Array) -> None:
    """Check for (..., I, J) and (..., J, K)."""
    s, t = a.shape, b.shape
    if len(s) < 2 or len(t) < 2 or s[-1] != t[-2] or not broadcast(s[:-2], t[:-2]):
        raise ShapeError(f"matmul got shapes {s} and {t}; expected (..., I, J) and (..., J, K)")


def linear(op: Any, x: Array, w: Array, b: Array | None) -> None:
    """Check for (N, I), (O, I) and (O,)."""
    if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[1]:
        raise ShapeError(
            f"linear got x of shape {x.shape} and w of shape {w.shape}; expected (N, I) and (O, I)"
        )
    _bias("linear", w, b)


def conv2d(op: Any, x: Array, w: Array, b: Array | None) -> None:
    """Check for (N, C, H, W), (O, C, kh, kw), which is not empty, and (O,)."""
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1] or w.size == 0:
        raise ShapeError(
            f"conv2d got x of shape {x.shape} and w of shape {w.shape}; "
            "expected (N, C, H, W) and (O, C, kh, kw) with the same C, w not empty"
        )
    _bias("conv2d", w, b)
    windows(x.shape, (w.shape[2], w.shape[3]), op.padding)


def _bias(what: str, w: Array, b: Array | None) -> None:
    if b is not None and b.shape != w.shape[:1]:
        raise ShapeError(
            f"{what} got b of shape {b.shape} for w of shape {w.shape}; expected {w.shape[:1]}"
        )


def pool2d(op: Any, x: Array) -> None:
    """Check for floats (N, C, H, W) that the windows fit into."""
    images(x)
    floats(op, x)
    windows(x.shape, op.kernel_size, op.padding)


def global_avg_pool2d(op: Any, x: Array) -> None:
    """Check for (N, C, H, W) with pixels."""
    images(x)
    if 0 in x.shape[2:]:
        raise ShapeError(f"global_avg_pool2d expected images with pixels, got shape {x.shape}")


def batch_norm(op: Any, x: Array, w: Array, b: Array) -> None:
    """Check for (N, C, ...), and (C,) for all else, with more than one value a channel."""
    channels(x, w=w, b=b)
    named = zip(("running_mean", "running_var"), op.running, strict=True)
    channels(x, **{name: r for name, r in named if r is not None})
    if x.size <= x.shape[1]:
        raise ShapeError(
            f"batch_norm in training needs more than one value a channel, got shape {x.shape}"
        )


def batch_norm_inference(op: Any, x: Array, w: Array, b: Array) -> None:
    """Check for (N, C, ...), and (C,) for all else."""
    channels(x, running_mean=op.mean, running_var=op.var, w=w, b=b)


def likelihood(op: Any, x: Array) -> None:
    """Check for floats (N, C) and as many targets of at least 0 beside them."""
    floats(op, x)
    expect_same_backend(op.name, x=x, targets=op.targets)
    if x.ndim != 2 or op.targets.shape != x.shape:
        raise ShapeError(
            f"{op.name} got x of shape {x.shape} for targets {op.targets.shape}; expected (N, C) "
            "for both"
        )


def log_softmax(op: Any, x: Array) -> None:
    """Check that x has the dimension, and elements along it."""
    floats(op, x)
    if not (-x.ndim <= op.dim < x.ndim and x.shape[op.dim] > 0):
        raise ShapeError(
            f"log_softmax got dim={op.dim} for x of shape {x.shape}; expected a dimension of it "
            "that is not empty"
        )


def logits(op: Any, x: Array) -> None:
    """Check for logits (N, C) and integer labels (N,) beside them."""
    if x.ndim != 2 or 0 in x.shape:
        raise ShapeError(
            f"cross_entropy expected logits (N, C) of at least one image and one class, "
            f"got shape {x.shape}"
        )
    floats(op, x)
    labels = op.labels
    expect_same_backend("cross_entropy", x=x, labels=labels)
    if labels.dtype.kind not in "iu":
        raise LabelError(f"cross_entropy expected integer labels, got {labels.dtype}")
    if labels.shape != x.shape[:1]:
        raise ShapeError(
            f"cross_entropy got labels of shape {labels.shape} for logits {x.shape}; "
            f"expected {x.shape[:1]}"
        )


def cross_entropy(op: Any, x: Array) -> None:
    """Check for logits (N, C), and labels (N,) from 0 to C − 1."""
    logits(op, x)
    guarded(_labels, op.labels, x.shape[1])


def _labels(labels: Array, classes: int) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise LabelError(
            f"cross_entropy got labels from {low} to {high}; expected 0 to {classes - 1}"
        )


def class_weights(x: Array, weight: Array) -> None:
    """Check for weights of at least 0, one for each class of logits x (N, C)."""
    expect_same_backend("cross_entropy", x=x, weight=weight)
    if weight.shape != x.shape[1:] or weight.dtype.kind != "f":
        raise ShapeError(
            f"cross_entropy got weights of shape {weight.shape} and type {weight.dtype} for logits "
            f"{x.shape}; expected floats {x.shape[1:]}"
        )
    guarded(_not_negative, weight)


def _not_negative(weight: Array) -> None:
    if not (weight >= 0).all():
        raise UsageError("cross_entropy got a weight of a class that is not at least 0")
