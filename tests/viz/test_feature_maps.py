import numpy as np
import pytest

from minires.errors import ShapeError
from minires.viz.feature_maps import feature_maps_figure

KERNELS = np.linspace(-1, 2, 27).reshape(3, 3, 3)
SEEN = np.linspace(5, 7, 128).reshape(2, 8, 8)


def images(figure):
    """The maps that are shown, colour bars left out."""
    return [axes.get_images()[0] for axes in figure.axes if axes.get_images()]


def test_it_is_a_png():
    assert feature_maps_figure([("kernels", KERNELS)], dpi=50).startswith(b"\x89PNG")


def test_every_map_is_shown_as_it_is(figures):
    feature_maps_figure([("kernels", KERNELS), ("seen", SEEN)], ["a", "b", "c"], dpi=50)
    shown = [image.get_array() for image in images(figures[0])]
    for image, expected in zip(shown, [*KERNELS, *SEEN], strict=True):
        np.testing.assert_array_equal(image, expected)


def test_maps_of_a_row_share_a_scale_and_rows_do_not(figures):
    feature_maps_figure([("kernels", KERNELS), ("seen", SEEN)], dpi=50)
    scales = [image.get_clim() for image in images(figures[0])]
    assert scales == [(-2, 2)] * 3 + [(5, 7)] * 2, "of signed values as far below 0 as above"


def test_scales_are_labelled_at_their_ends_and_at_zero(figures):
    feature_maps_figure([("kernels", KERNELS), ("seen", SEEN)], dpi=50)
    labels = [
        [text.get_text() for text in axes.get_yticklabels()]
        for axes in figures[0].axes
        if not axes.get_images() and axes.get_yticklabels()
    ]
    assert ["-2", "0", "2"] in labels
    assert ["5", "7"] in labels


def test_rows_and_columns_are_named(figures):
    feature_maps_figure([("kernels", KERNELS), ("seen", SEEN)], ["a", "b", "c"], dpi=50)
    axes = figures[0].axes
    assert [a.get_title() for a in axes[:3]] == ["a", "b", "c"]
    assert {a.get_ylabel() for a in axes} >= {"kernels", "seen"}


@pytest.mark.parametrize("rows", [[], [("one map", SEEN[0])], [("none", SEEN[:0])]])
def test_what_is_no_row_of_maps_raises(rows):
    with pytest.raises(ShapeError, match=r"expected feature maps \(K, H, W\) in each row, got"):
        feature_maps_figure(rows)


def test_zero_has_the_same_grey_in_every_row_of_signed_maps(figures):
    rows = [("kernels", KERNELS), ("small", -1e-3 * SEEN + 6e-3), ("negative", -SEEN)]
    feature_maps_figure(rows, dpi=50)
    for image in images(figures[0]):
        red, green, blue, _ = image.cmap(image.norm(0.0))
        assert (red, green, blue) == pytest.approx([0xDA / 255] * 3, abs=0.01)
        below, above = (
            np.array(image.cmap(image.norm(sign * image.get_clim()[1]))) for sign in (-1, 1)
        )
        assert below[2] > below[0]
        assert above[0] > above[2]
