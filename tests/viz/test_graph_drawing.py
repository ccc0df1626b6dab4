"""The graph as an image: by Graphviz where it is installed, by Matplotlib elsewhere."""

import io
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from minires import functional as F
from minires import models
from minires.errors import UsageError
from minires.inspect import Graph
from minires.viz.graph import graph_dot, graph_figure, graph_svg

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


@pytest.fixture(scope="module")
def graph():
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8), dtype=np.float32)
    return Graph(F.cross_entropy(models.cifar_resnet(8, "B")(x), np.arange(2)))


def texts(svg):
    return [" ".join(node.itertext()) for node in ET.fromstring(svg).iter() if "text" in node.tag]


def test_every_edge_is_in_the_dot_and_additions_are_drawn_in_their_own_colour(graph):
    dot = graph_dot(graph.blocks())
    edges = [line for line in dot.splitlines() if "->" in line]
    assert len(edges) == sum(len(block.inputs) for block in graph.blocks())
    additions = [line for line in edges if "color=" in line]
    assert len(additions) == 2 * 3, "both inputs of three residual additions"
    assert dot.count("penwidth=2]") == 3


@needs_dot
def test_graphviz_draws_every_block(graph):
    svg = graph_svg(graph, fold=2, engine="graphviz")
    assert sum("layer" in text for text in texts(svg)) == 3
    assert any("2 × 10" in text for text in texts(svg))


def test_matplotlib_draws_every_operation_and_both_inputs_of_an_addition(graph):
    svg = graph_svg(graph, engine="matplotlib")
    assert ET.fromstring(svg).tag.endswith("svg")
    lines = svg.count("stroke: #b3410e; stroke-width: 2;")
    assert lines == 2 * 3
    folded = graph_svg(graph, fold=1, engine="matplotlib")
    assert "#b3410e" not in folded, "the additions are inside"
    assert len(folded) < len(svg)


def test_a_folded_block_says_how_many_shortcuts_it_has(graph):
    assert graph_dot(graph.blocks(2)).count("1 shortcut") == 3
    assert graph_svg(graph, fold=1, engine="matplotlib").count("1 shortcut") >= 3
    assert "shortcut" not in graph_dot(graph.blocks())


def test_the_graph_is_an_image_as_high_as_it_has_blocks(graph):
    sizes = [Image.open(io.BytesIO(graph_figure(graph, fold, dpi=50))).size for fold in (None, 2)]
    folded = len(graph.nodes) - len(graph.blocks(2))
    assert sizes[0][1] - sizes[1][1] == pytest.approx(50 * 0.34 * folded, abs=2)
    assert graph_figure(graph, 2, "pdf").startswith(b"%PDF")


def test_without_graphviz_matplotlib_draws(graph, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "matplotlib" in graph_svg(graph, fold=1)
    with pytest.raises(UsageError, match="dot is not on the path"):
        graph_svg(graph, engine="graphviz")


def test_an_engine_that_is_not_known_raises(graph):
    with pytest.raises(UsageError, match="graphviz or matplotlib, not by 'ascii'"):
        graph_svg(graph, engine="ascii")
