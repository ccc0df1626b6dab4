"""minires, as it is imported or as its textbook."""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np

from minires import Tensor, no_grad
from minires import functional as F
from minires import textbook as in_textbook
from minires.backend import Array
from minires.kernels.replayed import Replayed
from minires.models.blocks import Block, Layer
from minires.nn import BatchNorm2d, Conv2d, GlobalAvgPool2d, Linear, MaxPool2d, Module, Sequential
from minires.optim import SGD

from . import LR, MOMENTUM, WEIGHT_DECAY, Step
from .nets import Net, batch_of, weights_of


class ResNet(Module):
    """The net, put together from minires' blocks and layers."""

    def __init__(self, net: Net) -> None:
        large = net.kernel == 7
        before = net.channels[0]
        self.conv1 = Conv2d(
            net.image[0], before, net.kernel, 2 if large else 1, net.kernel // 2, bias=False
        )
        self.bn1 = BatchNorm2d(before)
        self.maxpool = MaxPool2d(3, 2, 1) if large else None
        blocks: dict[str, list[Module]] = {}
        for name, channels, layers, _ in net.stages():
            stage = blocks.setdefault(name.partition(".")[0], [])
            stage.append(Block(channels, [Layer(*layer) for layer in layers], net.shortcut))
        self.stages = [Sequential(*stage) for stage in blocks.values()]
        for name, stage in zip(blocks, self.stages, strict=True):
            setattr(self, name, stage)
        self.avgpool = GlobalAvgPool2d()
        self.fc = Linear(net.features, net.classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        if self.maxpool is not None:
            x = self.maxpool(x)
        for layer in self.stages:
            x = layer(x)
        return self.fc(self.avgpool(x))


def built(net: Net) -> ResNet:
    """The net with the weights that all engines start from."""
    model = ResNet(net)
    model.load_state_dict(weights_of(net), strict=False)
    return model


def learner(model: Module) -> Callable[[Array, Array], tuple[Array]]:
    """What takes a step of training, and returns the loss."""
    optimiser = SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)

    def learn(x: Array, labels: Array) -> tuple[Array]:
        loss = F.cross_entropy(model(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return (loss.data,)

    return learn


def training(net: Net, n: int, textbook: bool = False, replayed: bool = False) -> Step:
    """A step of training."""
    x, labels = batch_of(net, n)
    learn = learner(built(net))
    run = Replayed(learn) if replayed else learn

    def step() -> float:
        with in_textbook() if textbook else nullcontext():
            (loss,) = run(x, labels)
        return loss.item()

    return step


def inference(net: Net, n: int, textbook: bool = False, replayed: bool = False) -> Step:
    """A step of evaluation."""
    x, _ = batch_of(net, n)
    model = built(net).eval()

    def predict(x: Array) -> tuple[Array]:
        return (model(x).numpy(),)

    run = Replayed(predict) if replayed else predict

    def step() -> float:
        with no_grad(), in_textbook() if textbook else nullcontext():
            (logits,) = run(x)
        return float(np.abs(logits).mean())

    return step
