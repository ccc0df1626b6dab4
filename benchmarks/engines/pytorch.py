"""PyTorch, as its users write it: with its defaults, or with images in channels_last."""

import torch
from torch import nn
from torch.nn import functional as F

from . import EPS, LR, MOMENTUM, WEIGHT_DECAY, Step
from .nets import Layer, Net, batch_of, weights_of


class Block(nn.Module):
    """Convolutions with batch norm, and shortcut A or B."""

    def __init__(self, in_channels: int, layers: list[Layer], stride: int, shortcut: str) -> None:
        super().__init__()
        self.layers: list[tuple[nn.Module, nn.Module]] = []
        before = in_channels
        for number, (channels, kernel, own_stride) in enumerate(layers, start=1):
            conv = nn.Conv2d(before, channels, kernel, own_stride, kernel // 2, bias=False)
            bn = nn.BatchNorm2d(channels, EPS)
            setattr(self, f"conv{number}", conv)
            setattr(self, f"bn{number}", bn)
            self.layers.append((conv, bn))
            before = channels
        self.stride = stride
        self.missing = before - in_channels
        self.downsample = None
        if self.missing and shortcut == "B":
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, before, 1, stride, bias=False), nn.BatchNorm2d(before, EPS)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for conv, bn in self.layers[:-1]:
            y = F.relu(bn(conv(y)))
        conv, bn = self.layers[-1]
        y = bn(conv(y))
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
        blocks: dict[str, nn.Sequential] = {}
        for name, channels, layers, stride in net.stages():
            stage = blocks.setdefault(name.partition(".")[0], nn.Sequential())
            stage.append(Block(channels, layers, stride, net.shortcut))
        self.layers = list(blocks.values())
        for name, stage in blocks.items():
            setattr(self, name, stage)
        self.fc = nn.Linear(net.features, net.classes)

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
