"""How did the convolution become fast? Its versions one after the other, each timed.

    python benchmarks/ladder.py

A 3x3 convolution of stride 1 and padding 1, as most of resnet-20 are, in its three sizes, forward
and backward; then the same with the batch norm and the ReLU after it. Each version is compared with
the reference before it is timed, and they take turns in one process. Prints tables in Markdown,
those of minires/kernels/README.md, and writes benchmarks/results/ladder.json.
"""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from common import HERE, RESULTS, machine, spread, write
from op_cases import SIZES
from threadpoolctl import threadpool_limits
from turns import Timing, in_turn

import minires
from minires import Op, ops
from minires.backend import Array
from minires.kernels import REFERENCE, choose, realized
from minires.kernels.cpu.gemm import product, product_transposed
from minires.kernels.cpu.layout import images, result, rows
from minires.kernels.geometry import Axis

README = HERE.parent / "minires" / "kernels" / "README.md"
MARKS = (
    "<!-- ladder: written by `python benchmarks/ladder.py --readme` -->",
    "<!-- end of ladder -->",
)

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


# --- measured ------------------------------------------------------------------------------------


class Version(NamedTuple):
    """What is timed: `act(prepare())` both ways, and what they return as (N, C, H, W)."""

    name: str
    forward: Callable[[], Array]
    backward: Callable[[], list[Array]]
    threads: int


class Layer:
    """A layer's arrays, in both layouts, and the versions on them."""

    def __init__(self, N: int, C: int, H: int, threads: int) -> None:
        rng = np.random.default_rng(0)

        def maps() -> Array:
            return result(rng.standard_normal((H, C, H * N), dtype=np.float32), N)

        self.N, self.threads = N, threads
        self.x, self.gy = maps(), maps()
        self.w = rng.standard_normal((C, C, K, K), dtype=np.float32) / np.float32(K * C**0.5)
        self.scale, self.shift = rng.standard_normal((2, C), dtype=np.float32)

    def convolutions(self) -> list[Version]:
        """Return v0 to v4."""
        N, w, x, g = self.N, self.w, rows(self.x), rows(self.gy)
        plain = reference_layout(self.x), reference_layout(self.gy)
        done = convolution(self.x, w)
        choose(done, (self.x, w, None)).forward(done, self.x, w, None)

        def both(gx: Array, gw: Array) -> list[Array]:
            return [images(gx, N), gw]

        def shifted(name: str, multiply: Product, transposed: Product) -> Version:
            return Version(
                name,
                lambda: images(shifted_forward(x, w, N, multiply), N),
                lambda: both(*shifted_backward(x, w, g, N, multiply, transposed)),
                1,
            )

        return [
            Version(
                "v0 column matrix (the reference)",
                lambda: reference_forward(plain[0], w),
                lambda: [*reference_backward(plain[0], w, plain[1])],
                1,
            ),
            shifted("v1 shifted products", whole, whole_transposed),
            shifted("v2 cut for the BLAS", cut, cut_transposed),
            Version(
                "v3 no zeros",
                lambda: images(exact_forward(x, w, N), N),
                lambda: both(*exact_backward(x, w, g, N)),
                1,
            ),
            *(
                Version(
                    f"v4 strips, memory used again, {threads} thread{'s'[: threads > 1]}",
                    lambda: kernel_forward(self.x, w),
                    lambda: [*kernel_backward(self.x, w, self.gy, done)],
                    threads,
                )
                for threads in dict.fromkeys((1, self.threads))
            ),
        ]

    def blocks(self) -> list[Version]:
        """Return convolution, batch norm and ReLU by the reference, by kernels, and fused."""
        inputs = self.x, self.w, self.scale, self.shift
        versions = []
        for name, textbook, lazy in (
            ("reference", True, False),
            ("kernels, each result written", False, False),
            ("kernels, lazy arrays", False, True),
        ):
            block = Block(textbook, lazy)
            _, chain = block.forward(*inputs)
            versions.append(
                Version(
                    name,
                    lambda block=block: block.forward(*inputs)[0],
                    lambda block=block, chain=chain: block.backward(self.gy, chain),
                    self.threads,
                )
            )
        return versions


def expect_agreement(versions: list[Version]) -> None:
    """Exit if two versions do not compute the same."""
    expected = [versions[0].forward(), *versions[0].backward()]
    for version in versions[1:]:
        for a, b in zip([version.forward(), *version.backward()], expected, strict=True):
            if not np.allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max()):
                raise SystemExit(f"{version.name} does not compute what the reference does")


def timed(versions: list[Version], rounds: int) -> dict[str, Timing]:
    """Return the seconds of all versions, which take turns, forward and backward."""

    def use(threads: int) -> None:
        threadpool_limits(threads, user_api="blas")
        minires.set_num_threads(threads)

    def engines(way: str) -> dict[str, tuple[Callable[[], Any], Callable[[Any], object]]]:
        return {
            v.name: (lambda v=v: use(v.threads), lambda _, v=v: getattr(v, way)()) for v in versions
        }

    return {way: in_turn(rounds, **engines(way)) for way in ("forward", "backward")}


def table(title: str, layers: dict[str, dict[str, Timing]]) -> str:
    """Return the medians in ms as Markdown, a row a version."""
    names = [*next(iter(layers.values()))["forward"]]
    heads = (f"{layer}, {way}" for layer in layers for way in ("forward", "backward"))
    lines = [f"| {title} | {' | '.join(heads)} |", "|---" * (1 + 2 * len(layers)) + "|"]
    for name in names:
        medians = (statistics.median(t[name]) for ways in layers.values() for t in ways.values())
        lines.append(f"| {name} | {' | '.join(f'{1000 * s:.1f}' for s in medians)} |")
    return "\n".join(lines)


def main(
    threads: Annotated[int, typer.Option(help="Of the last version.")] = 2,
    batch: Annotated[int, typer.Option(help="Images.")] = 128,
    rounds: Annotated[int, typer.Option(help="Turns that count.")] = 15,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "ladder.json",
    readme: Annotated[bool, typer.Option(help="Write the tables into the README too.")] = False,
) -> None:
    """Time the versions of the convolution."""
    tables: dict[str, dict[str, dict[str, Timing]]] = {"convolution": {}, "block": {}}
    for C, H in SIZES:
        layer = Layer(batch, C, H, threads)
        for kind, versions in (("convolution", layer.convolutions()), ("block", layer.blocks())):
            expect_agreement(versions)
            tables[kind][f"{C} ch {H}²"] = timed(versions, rounds)
    facts = machine(threads)
    shown = (
        f"{facts['cpu']}, NumPy {facts['numpy']}, {facts['date']}, batch {batch}, float32, medians "
        f"in ms (`benchmarks/ladder.py`):\n\n"
        f"{table('3x3 convolution', tables['convolution'])}\n\n"
        f"{table(f'with batch norm and ReLU, {threads} threads', tables['block'])}\n"
    )
    print(shown)
    if readme:
        text = README.read_text(encoding="utf-8")
        head, begin, rest = text.partition(MARKS[0])
        _, end, tail = rest.partition(MARKS[1])
        README.write_text(f"{head}{begin}\n\n{shown}\n{end}{tail}", encoding="utf-8")
    figures = {
        kind: {
            layer: {way: {name: spread(s) for name, s in t.items()} for way, t in ways.items()}
            for layer, ways in layers.items()
        }
        for kind, layers in tables.items()
    }
    write(out, facts, batch=batch, **figures)


if __name__ == "__main__":
    typer.run(main)
