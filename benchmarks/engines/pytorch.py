"""PyTorch, as its users write it: with its defaults, or with images in channels_last."""

import torch
from torch import nn
from torch.nn import functional as F

from . import EPS, LR, MOMENTUM, WEIGHT_DECAY, Step
from .nets import Net, batch_of, weights_of


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and shortcut A or B."""

    def __init__(self, in_channels: int, channels: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels, EPS)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels, EPS)
        self.stride = stride
        self.missing = channels - in_channels
        self.downsample = None
        if self.missing and shortcut == "B":
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False),
                nn.BatchNorm2d(channels, EPS),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.downsample is not None:
            x = self.downsample(x)
        elif self.missing:
            half = self.missing // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, half))
        return F.relu(y + x)


class ResNet(nn.Module):
    """The net of a description."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        large = net.kernel == 7
        before = net.channels[0]
        self.conv1 = nn.Conv2d(
            net.image[0], before, net.kernel, 2 if large else 1, net.kernel // 2, bias=False
        )
        self.bn1 = nn.BatchNorm2d(before, EPS)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
        self.layers: list[nn.Module] = []
        for i, (channels, blocks) in enumerate(zip(net.channels, net.blocks, strict=True)):
            layer = self._stage(blocks, before, channels, 2 if i else 1, net.shortcut)
            setattr(self, f"layer{i + 1}", layer)
            self.layers.append(layer)
            before = channels
        self.fc = nn.Linear(before, net.classes)

    @staticmethod
    def _stage(n: int, in_channels: int, channels: int, stride: int, cut: str) -> nn.Sequential:
        first = BasicBlock(in_channels, channels, stride, cut)
        return nn.Sequential(first, *(BasicBlock(channels, channels, 1, cut) for _ in range(n - 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for layer in self.layers:
            x = layer(x)
        return self.fc(x.mean((2, 3)))


def built(net: Net, n: int, channels_last: bool) -> tuple[ResNet, torch.Tensor, torch.Tensor]:
    """The net with the weights that all engines start from, images and labels."""
    form = torch.channels_last if channels_last else torch.contiguous_format
    x, labels = map(torch.from_numpy, batch_of(net, n))
    model = ResNet(net)
    state = {name: torch.from_numpy(w) for name, w in weights_of(net).items()}
    model.load_state_dict(state, strict=False)
    return model.to(memory_format=form), x.to(memory_format=form), labels


def training(net: Net, n: int, channels_last: bool = False) -> Step:
    """A step of training."""
    model, x, labels = built(net, n, channels_last)
    optimiser = torch.optim.SGD(
        model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )

    def step() -> float:
        loss = F.cross_entropy(model(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def inference(net: Net, n: int, channels_last: bool = False) -> Step:
    """A step of evaluation."""
    model, x, _ = built(net, n, channels_last)
    model.eval()

    def step() -> float:
        with torch.inference_mode():
            return model(x).abs().mean().item()

    return step
