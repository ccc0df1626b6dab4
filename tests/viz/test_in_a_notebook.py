"""What a notebook shows of figures, graphs and steps; as a text each is one line."""

import numpy as np

import minires
from minires import functional as F
from minires.inspect import Graph
from minires.viz.windows import windows_figure


def loss_of_a_net():
    net = minires.models.cifar_resnet(8, in_channels=1)
    return F.cross_entropy(net(np.ones((2, 1, 8, 8), np.float32)), np.arange(2))


def test_a_figure_shows_itself_and_is_the_content_of_its_file():
    png, svg, pdf = (windows_figure((3, 3), (2, 2), form=form) for form in ("png", "svg", "pdf"))
    assert png._repr_png_() == png
    assert svg._repr_svg_().endswith("</svg>\n")
    assert (png._repr_svg_(), svg._repr_png_(), pdf._repr_png_(), pdf._repr_svg_()) == (None,) * 4
    for figure, kind in ((png, "PNG"), (svg, "SVG"), (pdf, "PDF")):
        assert isinstance(figure, bytes)
        assert repr(figure) == str(figure) == f"a figure ({kind}, {len(figure):,} bytes)"


def test_a_graph_shows_itself_large_ones_by_blocks():
    graph = Graph(loss_of_a_net())
    assert repr(graph).startswith(f"Graph of {len(graph.nodes)} operations, which save ")
    assert "\n" not in repr(graph)
    assert "layer2.0" in graph._repr_svg_()
    assert "layer2.0.conv1" not in graph._repr_svg_()
    small = Graph((minires.Tensor([1.0], requires_grad=True) * 2.0).sum())
    assert "<svg" in small._repr_svg_()


def test_a_step_is_a_line_and_a_table():
    steps = [repr(step) for step in loss_of_a_net().backward_steps(ops="Add")]
    assert len(steps) == 3
    assert all(line.startswith("Step: Add ") and "\n" not in line for line in steps)
    first = next(iter(loss_of_a_net().backward_steps()))
    size = f"{first.norms[0]:.3g}"
    assert repr(first).endswith(f"gradient 1 -> x {size}")
    assert f"<td>x</td><td>{size}</td><td>Linear fc</td>" in first._repr_html_()
