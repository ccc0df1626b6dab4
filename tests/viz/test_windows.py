import numpy as np
import pytest

from minires import functional as F
from minires.errors import ShapeError, UsageError
from minires.viz.windows import windows_figure


def numbers(axes):
    """What is written in the cells; 0 in an empty one."""
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    wide, high = (int(max(place)) + 1 for place in zip(*texts, strict=True))
    return np.array([[int(texts[j, i] or 0) for j in range(wide)] for i in range(high)])


def frames(axes):
    """(x, y, width, height) and line style of what is framed, in whole cells."""
    return [
        (*(round(n) for n in (*p.get_xy(), p.get_width(), p.get_height())), p.get_linestyle())
        for p in axes.patches
        if p.get_linewidth() == 2.2
    ]


def test_it_is_a_png():
    assert windows_figure((4, 4), (3, 3), dpi=50).startswith(b"\x89PNG")


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1)])
def test_the_matrix_times_the_kernel_is_the_convolution(figures, stride, padding):
    windows_figure((4, 4), (3, 3), stride, padding, dpi=50)
    X = numbers(figures[0].axes[1])
    image, kernel = np.arange(1.0, 17).reshape(1, 1, 4, 4), np.arange(9.0).reshape(1, 1, 3, 3)
    y = F.conv2d(image, kernel, stride=stride, padding=padding)
    np.testing.assert_array_equal(kernel.reshape(1, 9) @ X, y.data.reshape(1, -1))


def test_padding_is_empty_in_the_image(figures):
    windows_figure((2, 3), (2, 2), padding=1, dpi=50)
    expected = [[0, 0, 0, 0, 0], [0, 1, 2, 3, 0], [0, 4, 5, 6, 0], [0, 0, 0, 0, 0]]
    assert numbers(figures[0].axes[0]).tolist() == expected


def test_the_first_window_is_framed_solid_and_the_last_dashed(figures):
    windows_figure((4, 4), (3, 3), stride=2, padding=1, dpi=50)
    image, matrix = figures[0].axes
    assert frames(image) == [(0, 0, 3, 3, "-"), (2, 2, 3, 3, "--")]
    assert frames(matrix) == [(0, 0, 1, 9, "-"), (3, 0, 1, 9, "--")]


def test_rows_are_named_after_weights_and_columns_after_outputs(figures):
    windows_figure((3, 3), (2, 2), dpi=50)
    matrix = figures[0].axes[1]
    assert [t.get_text() for t in matrix.get_yticklabels()] == ["w00", "w01", "w10", "w11"]
    assert [t.get_text() for t in matrix.get_xticklabels()] == ["y00", "y01", "y10", "y11"]


def test_what_cannot_be_drawn_raises():
    with pytest.raises(ShapeError, match="a kernel of 5x5 is larger than"):
        windows_figure((4, 4), (5, 5))
    with pytest.raises(UsageError, match=r"100 windows on an image of 12x12 pixels .* at most 36"):
        windows_figure((12, 12), (3, 3))
