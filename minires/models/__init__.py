"""The models of the papers, and `NetSpec`, which names them."""

from .blocks import BasicBlock, Bottleneck
from .cifar import cifar_plain, cifar_resnet
from .preact import PreactNet
from .resnet import (
    plain18,
    plain34,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
)
from .spec import NetSpec, cifar_net, imagenet_net
