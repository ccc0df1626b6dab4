"""The nets of the paper."""

from .blocks import BasicBlock
from .cifar import cifar_net, cifar_plain, cifar_resnet

__all__ = ["BasicBlock", "cifar_net", "cifar_plain", "cifar_resnet"]
