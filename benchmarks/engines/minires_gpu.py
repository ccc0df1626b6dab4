"""minires on a GPU, its kernels launched one by one or replayed as a graph."""

import minires
from minires import functional as F
from minires.backend import Array, load
from minires.kernels.replayed import Replayed
from minires.optim import SGD

from . import LR, MOMENTUM, WEIGHT_DECAY, Step
from .minires import built
from .nets import Net, batch_of


def training(net: Net, n: int, graph: bool = False, tf32: bool = False) -> Step:
    """A step of training."""
    x, labels = map(load("cupy").asarray, batch_of(net, n))
    model = built(net).to(backend="cupy")
    optimiser = SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)

    def learn(x: Array, labels: Array) -> tuple[Array]:
        with minires.tf32(tf32):
            loss = F.cross_entropy(model(x), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return (loss.data,)

    run = Replayed(learn) if graph else learn
    return lambda: run(x, labels)[0].item()
