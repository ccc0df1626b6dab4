"""One training step of a net, by each engine: started as a process of its own.

    python engines.py ENGINE NET BATCH

reads lines from its input: for each `step` it takes one and prints its seconds; for `peak`
it prints the largest memory the process has had and that it had before the net, in MB.
"""

import resource
import sys
import time
from collections.abc import Callable

import numpy as np

Step = Callable[[], None]


def batch_of(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The same made-up images (n, 3, 32, 32) and labels for every engine."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 3, 32, 32), dtype=np.float32), rng.integers(0, 10, n)


def minires_step(net: str, n: int) -> Step:
    """A step of minires: forward, loss, backward, SGD."""
    from minires import functional as F
    from minires.models import cifar_net
    from minires.optim import SGD

    x, labels = batch_of(n)
    model = cifar_net(net)
    optimiser = SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        loss = F.cross_entropy(model(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def torch_step(net: str, n: int) -> Step:
    """The same step of PyTorch, with its defaults."""
    import torch
    from torch_nets import CifarResNet

    x, labels = map(torch.from_numpy, batch_of(n))
    model = CifarResNet(int(net.removeprefix("resnet")))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        loss = torch.nn.functional.cross_entropy(model(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


ENGINES = {"minires": minires_step, "pytorch": torch_step}


def peak_megabytes() -> float:
    """The largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(engine: str, net: str, n: str) -> None:
    step = ENGINES[engine](net, int(n))
    before = peak_megabytes()
    for line in sys.stdin:
        if line.strip() == "peak":
            print(peak_megabytes(), before, flush=True)
        else:
            started = time.perf_counter()
            step()
            print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
