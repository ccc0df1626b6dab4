"""A net in two: the first stages, which stay as they are, and the last, which are trained."""

from .. import functional as F
from ..autograd import Tensor
from ..errors import UsageError, expect
from ..models.resnet import ResNet
from ..nn import Module

STAGES = 4


class FirstStages(Module):
    """A net up to its stage number `upto`, in evaluation; up to the last one with its pooling.

    (N, 3, H, W) -> the maps of that stage, or, of the last, (N, features). It shares the layers
    of the net.
    """

    def __init__(self, net: ResNet, upto: int) -> None:
        self.conv1, self.bn1, self.maxpool = net.conv1, net.bn1, net.maxpool
        for i in range(1, upto + 1):
            setattr(self, f"layer{i}", getattr(net, f"layer{i}"))
        self.upto = upto
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for i in range(1, self.upto + 1):
            x = getattr(self, f"layer{i}")(x)
        return F.global_avg_pool2d(x) if self.upto == STAGES else x


class LastStages(Module):
    """What comes after `FirstStages`: the other stages, and the last layer."""

    def __init__(self, net: ResNet, after: int) -> None:
        for i in range(after + 1, STAGES + 1):
            setattr(self, f"layer{i}", getattr(net, f"layer{i}"))
        self.fc = net.fc
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        for i in range(self.after + 1, STAGES + 1):
            x = getattr(self, f"layer{i}")(x)
        return self.fc(x if self.after == STAGES else F.global_avg_pool2d(x))


def split(net: ResNet, stages: int) -> tuple[FirstStages, LastStages]:
    """The first stages of a net, and its last `stages` with the last layer; 0 is that layer alone.

    Raises:
        UsageError: `stages` is not 0 to 3.
    """
    expect(0 <= stages < STAGES, UsageError, f"stages must be 0 to {STAGES - 1}, got {stages}")
    return FirstStages(net, STAGES - stages), LastStages(net, STAGES - stages)
