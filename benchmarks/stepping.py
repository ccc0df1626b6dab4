"""What does it cost that backward can be stepped through, where it is not?

    python benchmarks/stepping.py

`backward()` beside the same walk as a plain loop, written out here without a generator, without
steps and without hooks; and beside `backward_steps()`, stepped through. On a
chain of operations that do nothing, where only the walk counts, and on a net. Prints a table and
writes benchmarks/results/stepping.json.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from common import RESULTS, machine, ms, ratio, timing, write
from engines import minires as our_engine
from engines.nets import batch_of, net_of
from overhead import CHAIN, Same, chain
from rich.console import Console
from rich.table import Table
from turns import in_turn, use_threads

from minires import Tensor
from minires import functional as F
from minires.autograd import backward
from minires.autograd.step import check_gradients


def loop(tensor: Tensor) -> None:
    """The walk of `Tensor.backward`, without its steps."""
    grads: dict[Any, Any] = {tensor.op: np.ones_like(tensor.data)}
    for op in backward.reverse_order(tensor.op):
        if op not in grads:
            continue
        incoming = grads.pop(op)
        output = op.output()
        if output is not None and output.retains_grad:
            output.accumulate(incoming)
        backward.expect_unchanged(op)
        (gy,) = op.kernel.take([incoming])
        gxs = op.kernel.backward(op, gy)
        outgoing = list(gxs) if isinstance(gxs, tuple) else [gxs]
        sources = op.sources
        op.release()
        check_gradients(op, outgoing)
        backward._pass_on(op, sources, outgoing, grads)


def stepped(tensor: Tensor) -> None:
    """Every step is given out."""
    for _ in tensor.backward_steps():
        pass


def losses() -> dict[str, Callable[[], Tensor]]:
    """What makes a loss to walk back from."""
    x = Tensor(np.float32(1), requires_grad=True)
    net = net_of("resnet20-digits")
    model = our_engine.built(net)
    images, labels = batch_of(net, 32)
    return {
        f"{CHAIN} operations that do nothing": lambda: chain(lambda y: Same()(y), x),
        "resnet-20 on 32 digits": lambda: F.cross_entropy(model(images), labels),
    }


def measure(rounds: int) -> dict[str, dict[str, Any]]:
    """Seconds of a walk, taken in turn."""
    results: dict[str, dict[str, Any]] = {}
    for name, loss in losses().items():
        seconds = in_turn(
            rounds,
            loop=(loss, loop),
            backward=(loss, Tensor.backward),
            stepped=(loss, stepped),
        )
        results[name] = {
            way: {**timing(taken), "of_loop": ratio(taken, seconds["loop"])}
            for way, taken in seconds.items()
        }
    return results


def main(
    rounds: Annotated[int, typer.Option(help="Turns that count.")] = 51,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "stepping.json",
) -> None:
    """Time the walk backwards with and without what makes it visible."""
    use_threads(1)
    results = measure(rounds)
    write(out, machine(1), walks=results)
    shown = Table("a walk through", "plain loop", "backward()", "/ loop", "stepped", "/ loop")
    for name, ways in results.items():
        times = {way: ms(r["median_s"]) for way, r in ways.items()}
        shares = {way: f"{r['of_loop']:.3f}" for way, r in ways.items()}
        shown.add_row(
            name,
            times["loop"],
            times["backward"],
            shares["backward"],
            times["stepped"],
            shares["stepped"],
        )
    Console(highlight=False).print(shown)


if __name__ == "__main__":
    typer.run(main)
