"""How many nodes has a captured training step on a GPU? Counted without one.

    python benchmarks/gpu_nodes.py resnet20 resnet56

Captures a step on the tests' stand-in for CuPy, where no kernel is compiled or run, and prints a
table in Markdown: the kernels of minires, and the functions of CuPy, each of which launches a
kernel or a copy (a sum perhaps two). The size of the batch does not change the number.
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parent.parent / "tests"
sys.path += [str(TESTS), str(TESTS / "kernels")]

from cuda_capture import counting  # noqa: E402

from minires.data.dataset import Dataset  # noqa: E402
from minires.models import cifar_net  # noqa: E402
from minires.train import Recipe, Trainer  # noqa: E402

SECOND = "on the second stream, of all"


def nodes(net: str) -> Counter:
    """The nodes of a training step of one of the paper's nets, by the name of what they compute.

    Those of the second stream are counted once more as SECOND.
    """
    with counting() as (cupy, graphs):
        recipe = Recipe(batch_size=2, lr=0.1, iterations=1)
        images, labels = np.zeros((2, 3, 32, 32), np.uint8), np.zeros(2, np.int64)
        data = Dataset("none", images, labels, images, labels, ("",) * 10, 255, 4, True)
        trainer = Trainer(net, cifar_net(net), data, recipe, recipe.schedule(20), 0, "cupy", True)
        batch = cupy.zeros((2, 3, 32, 32), "float32"), cupy.zeros(2, "int64")
        trainer.replayed.capture(*batch, cupy.zeros((), "float32"))
        graph = graphs[0]
        return graph.nodes() + Counter({SECOND: graph.nodes(first=False).total()})


def main() -> None:
    """Print the table."""
    counted = {net: nodes(net) for net in sys.argv[1:] or ["resnet56"]}
    names = sum(counted.values(), Counter())
    print("| " + " | ".join(("nodes of a captured step", *counted)) + " |")
    print("|---" * (1 + len(counted)) + "|")
    for name in ("all", *sorted(names, key=lambda name: -names[name])):
        numbers = (
            of[name] if name != "all" else of.total() - of[SECOND] for of in counted.values()
        )
        print("| " + " | ".join((name, *map(str, numbers))) + " |")


if __name__ == "__main__":
    main()
