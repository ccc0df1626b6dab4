"""Matrix products in the sizes that a BLAS does best.

OpenBLAS has kernels for small products that read both factors where they lie; for a larger
product it packs them first, which costs as much as the arithmetic when one side is as
narrow as a residual net's channels. So products with a long side are cut along it. One core,
OpenBLAS 0.3.31, float32, GFLOP/s; of an AMD EPYC with AVX-512 (its peak is about 105):

    O, K, L            forward, whole    cut    transposed, whole    cut
    16, 48, 4096                   41     96                   35     97
    32, 96, 2048                   72    106                   57     95
    64, 192, 1024                  87    110                   74     90

and of an Intel Xeon with AVX-512 (its peak is about 162), where only the narrowest are cut:

    16, 48, 4096                   79     90                   45     83
    32, 96, 2048                  103     90                   63    119
    64, 192, 1024                 132     89                   90     79
    64, 576, 1024                 137    140                  117     89

OpenBLAS has these kernels only for AVX-512. Without, products are left whole: on an AMD EPYC with
AVX2, cut ones took a layer of resnet-20 at batch 128 1.0 to 1.2 times as long.
"""

import math
from functools import lru_cache

import numpy as np

from ...backend import Array
from .tuning import derived, tuning


def product(w: Array, x: Array, y: Array) -> None:
    """y = w x for each of R matrices: (O, K), (R, K, L) -> (R, O, L), written into y."""
    O, K = w.shape
    R, _, L = x.shape
    width = _width(O * K, L)
    if width == L:
        np.matmul(w, x, out=y)
        return
    pieces = L // width
    end = pieces * width
    np.matmul(
        w,
        x[:, :, :end].reshape(R, K, pieces, width).swapaxes(1, 2),
        out=y[:, :, :end].reshape(R, O, pieces, width).swapaxes(1, 2),
    )
    if end < L:
        np.matmul(w, x[:, :, end:], out=y[:, :, end:])


def product_transposed(y: Array, x: Array, w: Array) -> None:
    """w = Σ_r y_r x_rᵀ: (R, O, L), (R, K, L) -> (O, K), written into w."""
    R, O, L = y.shape
    K = x.shape[1]
    o, k, pieces = _blocks(O, K, L)
    if o == O and k == K and pieces == 1:
        np.add.reduce(np.matmul(y, x.swapaxes(1, 2)), out=w)
        return
    left = y.reshape(R, O // o, 1, o, pieces, L // pieces).transpose(0, 4, 1, 2, 3, 5)
    right = x.reshape(R, 1, K // k, k, pieces, L // pieces).transpose(0, 4, 1, 2, 5, 3)
    blocks = w.reshape(O // o, o, K // k, k).swapaxes(1, 2)  # (O/o, K/k, o, k)
    # NumPy would add to the blocks, of which no two rows lie side by side, a tenth as fast.
    total = np.add.reduce(np.matmul(left, right).reshape(R * pieces, O * K))
    blocks[...] = total.reshape(blocks.shape)


@lru_cache(maxsize=4096)
def _width(weights: int, L: int) -> int:
    """Return how many of L columns to multiply at a time."""
    if not tuning.small_kernels:
        return L
    widest = tuning.small_product // weights // tuning.lanes * tuning.lanes
    if widest < tuning.narrow or widest >= L:
        return L
    return math.ceil(L / math.ceil(L / widest) / tuning.lanes) * tuning.lanes


@lru_cache(maxsize=4096)
def _blocks(O: int, K: int, L: int) -> tuple[int, int, int]:
    """Return rows and columns of a block of the result, and the pieces L is cut into."""
    if not tuning.small_kernels:
        return O, K, 1
    o = _divisor(O, tuning.block)
    k = _divisor(K, tuning.small_result // o)
    if O // o * (K // k) > tuning.many_blocks:
        return O, K, 1
    return (
        o,
        k,
        next(p for p in range(math.ceil(L * o * k / tuning.small_product), L + 1) if L % p == 0),
    )


derived(_width.cache_clear)
derived(_blocks.cache_clear)


def _divisor(n: int, most: int) -> int:
    """Return the largest divisor of n that is at most `most`."""
    return next(d for d in range(min(n, most), 0, -1) if n % d == 0)
