"""A net with the names and the layout of a resnet18 but a tenth of its depth and width."""

from minires.models.blocks import BasicBlock
from minires.models.resnet import ResNet
from minires.nn import BatchNorm2d, Conv2d, GlobalAvgPool2d, Linear, MaxPool2d, Sequential


class ThinNet(ResNet):
    def __init__(self, num_classes=1000):
        self.conv1 = Conv2d(3, 4, 7, stride=2, padding=3, bias=False)
        self.bn1 = BatchNorm2d(4)
        self.maxpool = MaxPool2d(3, stride=2, padding=1)
        before = 4
        for i, channels in enumerate((4, 8, 8, 12)):
            block = BasicBlock(before, channels, 2 if i else 1, "B")
            setattr(self, f"layer{i + 1}", Sequential(block))
            before = channels
        self.avgpool = GlobalAvgPool2d()
        self.fc = Linear(before, num_classes)


def thin_net(name, num_classes=1000):
    """In the place of `imagenet_net`."""
    return ThinNet(num_classes)
