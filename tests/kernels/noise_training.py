"""A short training of a net that has every operation of the paper's."""

import numpy as np

from minires import manual_seed
from minires.data.dataset import Dataset
from minires.models.blocks import BasicBlock
from minires.nn import Conv2d, GlobalAvgPool2d, Linear, Sequential
from minires.optim import StepSchedule
from minires.train import Recipe, Trainer


class SmallNet(Sequential):
    """Every operation of the paper's nets, with few channels."""

    def __init__(self, checkpoint_every=None):
        blocks = BasicBlock(4, 4, 1, "A"), BasicBlock(4, 6, 2, "A"), BasicBlock(6, 8, 2, "B")
        super().__init__(
            *(Conv2d(1, 4, 3, padding=1, bias=False), *blocks, GlobalAvgPool2d(), Linear(8, 3)),
            checkpoint_every=checkpoint_every,
        )


def trainer(graph, lr=0.05, backend="cupy", checkpoint_every=None):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (14, 1, 8, 8), np.uint8), rng.integers(0, 3, 14)
    data = Dataset("noise", images, labels, images[:5], labels[:5], tuple("abc"), 255, 1, True)
    manual_seed(0)
    recipe = Recipe(batch_size=6, lr=lr, iterations=9)  # 3 batches an epoch, the last one of 2
    schedule = StepSchedule(lr, (2, 5))
    net = SmallNet(checkpoint_every)
    return Trainer("small", net, data, recipe, schedule, 0, backend, graph)
