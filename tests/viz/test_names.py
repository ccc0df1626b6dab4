"""Names from outside in figures: nothing in them is mathematics, and every one can be drawn."""

import os

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from minires import Tensor
from minires import functional as F
from minires.experiments.degradation.figure import degradation_figure
from minires.inspect import Graph
from minires.models import cifar_resnet
from minires.nn import Linear, Module
from minires.train import Row
from minires.vision.cam import activation_figure
from minires.vision.finetune.confusion import confusion_figure
from minires.vision.finetune.curves import curves_figure
from minires.viz.feature_maps import feature_maps_figure
from minires.viz.graph import graph_dot, graph_figure
from minires.viz.shortcuts import shortcuts_figure

NAMES = (r"$\nonsense$", "$x_1$", os.fsdecode(b"\xff"), "\x1b[2J", 'a"b\\c')
ROWS = [Row(0, "resnet20", 45 * e, e, 0.01, 2.1 / e, 90 / e, 80 / e, 1.5 * e) for e in (1, 2, 3)]


class Named(Module):
    """A module whose one layer has a name."""

    def __init__(self, name):
        setattr(self, name, Linear(4, 3))
        self.name = name

    def forward(self, x):
        return getattr(self, self.name)(x)


def graph_of(name):
    return Graph(F.cross_entropy(Named(name)(Tensor(np.ones((2, 4), np.float32))), np.arange(2)))


FIGURES = {
    "confusion matrix": lambda name: confusion_figure(np.eye(2, dtype=int), [name, "b"], dpi=30),
    "curves": lambda name: curves_figure(ROWS, ROWS[0], "resnet18", name, dpi=30),
    "activation": lambda name: activation_figure(
        Image.new("RGB", (64, 64)), (0, 0, 64, 64), np.ones((2, 2)), 0, name, 0.5
    ),
    "degradation": lambda name: degradation_figure([(name, ROWS)], dpi=30),
    "feature maps": lambda name: feature_maps_figure([(name, np.ones((1, 2, 2)))], [name], dpi=30),
    "shortcuts": lambda name: shortcuts_figure([(name, cifar_resnet(8))], dpi=30),
    "graph": lambda name: graph_figure(graph_of(name), dpi=30),
}


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_drawn_as_text(name, figure, figures):
    FIGURES[figure](name)
    shown = [text for text in figures[0].findobj(Text) if set(text.get_text()) & set("$\x1b\\")]
    for text in shown:
        assert not text.get_parse_math(), text.get_text()
        assert "\x1b" not in text.get_text()


def test_a_name_cannot_end_its_label_in_graphvizs_language():
    dot = graph_dot(graph_of('a"]; b\\').blocks())
    assert r"\na\"]; b\\\n" in dot
