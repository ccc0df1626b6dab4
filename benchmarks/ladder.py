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

import ladder_versions as lv
import numpy as np
import typer
from common import HERE, RESULTS, machine, timing, write
from op_cases import SIZES
from threadpoolctl import threadpool_limits
from turns import Timing, in_turn

import minires
from minires.backend import Array
from minires.kernels import choose
from minires.kernels.cpu.layout import images, result, rows
from minires.runs.machine import machine as deciding_bits

README = HERE.parent / "minires" / "kernels" / "README.md"
MARKS = (
    "<!-- ladder: written by `python benchmarks/ladder.py --readme` -->",
    "<!-- end of ladder -->",
)


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
        self.w = rng.standard_normal((C, C, lv.K, lv.K), dtype=np.float32)
        self.scale, self.shift = rng.standard_normal((2, C), dtype=np.float32)

    def convolutions(self) -> list[Version]:
        """Return v0 to v4."""
        N, w, x, g = self.N, self.w, rows(self.x), rows(self.gy)
        plain = lv.reference_layout(self.x), lv.reference_layout(self.gy)
        done = lv.convolution(self.x, w)
        choose(done, (self.x, w, None)).forward(done, self.x, w, None)

        def both(gx: Array, gw: Array) -> list[Array]:
            return [images(gx, N), gw]

        def shifted(name: str, multiply: lv.Product, transposed: lv.Product) -> Version:
            return Version(
                name,
                lambda: images(lv.shifted_forward(x, w, N, multiply), N),
                lambda: both(*lv.shifted_backward(x, w, g, N, multiply, transposed)),
                1,
            )

        return [
            Version(
                "v0 column matrix (the reference)",
                lambda: lv.reference_forward(plain[0], w),
                lambda: [*lv.reference_backward(plain[0], w, plain[1])],
                1,
            ),
            shifted("v1 shifted products", lv.whole, lv.whole_transposed),
            shifted("v2 cut for the BLAS", lv.cut, lv.cut_transposed),
            Version(
                "v3 no zeros",
                lambda: images(lv.exact_forward(x, w, N), N),
                lambda: both(*lv.exact_backward(x, w, g, N)),
                1,
            ),
            *(
                Version(
                    f"v4 strips, memory used again, {threads} thread{'s'[: threads > 1]}",
                    lambda: lv.kernel_forward(self.x, w),
                    lambda: [*lv.kernel_backward(self.x, w, self.gy, done)],
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
            block = lv.Block(textbook, lazy)
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
    facts["blas"] = deciding_bits()["blas.architecture"]
    shown = (
        f"{facts['cpu']} (BLAS for {facts['blas']}), NumPy {facts['numpy']}, {facts['date']}, "
        f"batch {batch}, float32, medians in ms (`benchmarks/ladder.py`):\n\n"
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
            layer: {way: {name: timing(s) for name, s in t.items()} for way, t in ways.items()}
            for layer, ways in layers.items()
        }
        for kind, layers in tables.items()
    }
    write(out, facts, batch=batch, **figures)


if __name__ == "__main__":
    typer.run(main)
