import numpy as np
import pytest
from matplotlib.patches import Rectangle

from minires.errors import ShapeError
from minires.models import cifar_plain, cifar_resnet, resnet50
from minires.viz.shortcuts import shortcuts_figure


def boxes(axes):
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def arcs(axes):
    """The line style of each shortcut, from left to right."""
    return [line.get_linestyle() for line in axes.lines if max(line.get_ydata()) > 1]


def test_it_is_a_png():
    assert shortcuts_figure([("resnet-8", cifar_resnet(8))], dpi=50).startswith(b"\x89PNG")


def test_a_box_a_layer_with_weights(figures):
    shortcuts_figure([("plain-20", cifar_plain(20)), ("resnet-8", cifar_resnet(8))], dpi=50)
    assert [len(boxes(axes)) for axes in figures[0].axes] == [20, 8]


def test_identities_are_solid_and_what_changes_the_shape_is_not(figures):
    nets = [(option, cifar_resnet(20, option)) for option in "ABC"]
    shortcuts_figure([("plain", cifar_plain(20)), *nets], dpi=50)
    plain, a, b, c = map(arcs, figures[0].axes)
    assert plain == []
    assert a == ["-", "-", "-", ":", "-", "-", ":", "-", "-"]
    assert b == ["-", "-", "-", "--", "-", "-", "--", "-", "-"]
    assert c == ["--"] * 9


def test_an_arc_goes_from_before_its_block_to_behind_it(figures):
    shortcuts_figure([("resnet-8", cifar_resnet(8))], dpi=50)
    (axes,) = figures[0].axes
    ends = [line.get_xdata()[[0, -1]].tolist() for line in axes.lines if max(line.get_ydata()) > 1]
    assert ends == [[0.5, 2.5], [2.5, 4.5], [4.5, 6.5]]
    additions = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(additions, [2.5, 4.5, 6.5])


def test_stages_are_labelled_with_channels_and_the_size_of_their_maps(figures):
    shortcuts_figure([("resnet-8", cifar_resnet(8))], dpi=50)
    words = [text.get_text() for text in figures[0].axes[0].texts]
    assert words[1:-1] == ["16 channels\n32x32", "32 channels\n16x16", "64 channels\n8x8"]
    assert (words[0], words[-1]) == ("conv1", "fc")


def test_bottlenecks_have_three_boxes(figures):
    shortcuts_figure([("resnet-50", resnet50(num_classes=2))], (3, 32, 32), dpi=50)
    (axes,) = figures[0].axes
    assert len(boxes(axes)) == 50
    assert arcs(axes).count("--") == 4


def test_the_legend_says_what_was_drawn_and_no_more(figures):
    shortcuts_figure([("resnet-8", cifar_resnet(8, "B"))], dpi=50)
    shortcuts_figure([("plain-8", cifar_plain(8))], dpi=50)
    words = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert words == ["identity", "projection: 1x1 convolution"]
    assert figures[1].legends == []


def test_an_image_the_net_does_not_take_raises():
    with pytest.raises(ShapeError):
        shortcuts_figure([("resnet-8", cifar_resnet(8))], (1, 32, 32))
