"""minires on a GPU, its kernels launched one by one or replayed as a graph."""

import minires
from minires.backend import load
from minires.kernels.replayed import Replayed

from . import Step
from .minires import built, learner
from .nets import Net, batch_of


def training(net: Net, n: int, graph: bool = False, tf32: bool = False) -> Step:
    """A step of training."""
    x, labels = map(load("cupy").asarray, batch_of(net, n))
    learn = learner(built(net).to(backend="cupy"))
    run = Replayed(learn) if graph else learn

    def step() -> float:
        with minires.tf32(tf32):
            return run(x, labels)[0].item()

    return step
