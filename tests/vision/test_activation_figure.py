import io

import numpy as np
import pytest
from PIL import Image

from minires.vision.activation_figure import activation_figure

MAP = np.arange(12.0).reshape(3, 4)


def test_the_map_lies_over_what_the_net_sees_and_the_rest_is_dark(figures):
    photo = Image.new("RGB", (80, 60), (200, 100, 50))
    content = activation_figure(photo, (20, 10, 60, 50), MAP, 3, "cat", 0.925, dpi=50)
    assert Image.open(io.BytesIO(content)).format == "PNG"
    plain, over = figures[0].axes[:2]
    below, laid_over = over.images
    assert (plain.images[0].get_array()[0, 0] * 255).round().tolist() == [200, 100, 50]
    assert below.get_array()[0, 0].sum() < 0.5 * plain.images[0].get_array()[0, 0].sum()
    assert laid_over.get_extent() == [19.5, 59.5, 49.5, 9.5]
    np.testing.assert_array_equal(laid_over.get_array(), MAP)
    assert over.get_title() == "where it sees “cat” (92.5 %)"
    assert over.get_xlim() == (-0.5, 79.5)
    assert over.get_ylim() == (59.5, -0.5)


@pytest.mark.parametrize("size", [(300, 30), (30, 300)])
def test_long_and_thin_photos_are_drawn_too(figures, size):
    photo = Image.new("RGB", size)
    assert activation_figure(photo, (1, 1, 29, 29), MAP, 0, "\U00012000", 0.5, dpi=50)
