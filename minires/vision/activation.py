"""Class activation maps: where in an image a net sees a class (Zhou et al. 2016)."""

from typing import NamedTuple

import numpy as np

from .. import functional as F
from ..autograd import Tensor
from ..backend import Array, to_numpy
from ..models.resnet import ResNet
from ..modes import no_grad


class Seen(NamedTuple):
    """What a net makes of images.

    Attributes:
        logits: (N, classes).
        maps: of the last stage, (N, C, h, w).
    """

    logits: Array
    maps: Array

    @property
    def probabilities(self) -> Array:
        """Of each class: (N, classes)."""
        return np.exp(F.log_softmax(self.logits).numpy())


def look(net: ResNet, x: Array) -> Seen:
    """The logits of images (N, 3, H, W), and the maps they come from; `net` is in evaluation."""
    with no_grad():
        maps = net.maps(Tensor(x))
        logits = net.fc(net.avgpool(maps))
    return Seen(to_numpy(logits.data), to_numpy(maps.data))


def activation_map(net: ResNet, maps: Array, label: int) -> Array:
    """M(y, x) = Σ w_k f_k(y, x), how much each place counts for class `label`: (h, w).

    f_k are the maps (C, h, w) of one image after the last stage, w_k the weights that the last
    layer gives to their means for the class. So the mean of M, plus the class's bias, is its logit
    (Zhou et al. 2016, equations 1 and 2).
    """
    w = net.fc.weight.numpy()[label]
    return np.tensordot(w, maps, (0, 0))
