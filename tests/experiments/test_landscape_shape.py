import numpy as np
import pytest

from minires.experiments.landscape.shape import downhill, edge, not_convex

a, b = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9), indexing="ij")


def test_a_bowl_goes_up_everywhere_and_is_convex():
    assert downhill(a**2 + 2 * b**2) == 0
    assert not_convex(a**2 + 2 * b**2 + a * b) == 0


def test_a_hill_goes_down_everywhere_and_is_nowhere_convex():
    assert downhill(-(a**2) - b**2) == 100
    assert not_convex(-(a**2) - b**2) == 100


def test_a_slope_goes_down_as_much_as_up():
    assert downhill(a) == pytest.approx(50)


def test_a_level_goes_nowhere():
    assert downhill(np.ones((5, 5))) == 50
    assert not_convex(np.ones((5, 5))) == 0


def test_a_saddle_bends_down_even_where_no_axis_does():
    assert not_convex(a * b) == 100  # along a and along b it is straight
    assert not_convex(a**2 + b**2 + 1.9 * a * b) == 0
    assert not_convex(a**2 + b**2 + 2.1 * a * b) == 100


def test_points_are_counted_where_they_bend():
    ridge = np.zeros((9, 9))
    ridge[2] = 1  # bends down on it, up on both sides
    assert not_convex(ridge) == pytest.approx(100 / 7)


def test_a_step_down_is_weighed_by_its_height():
    way = np.zeros((7, 7))
    way[3, 4:] = 4, 3, 5  # up 4, down 1, up 2, on one way out of eight
    assert downhill(way) == pytest.approx(100 / 7)


def test_every_way_out_is_walked():
    for place in ((0, 0), (0, 3), (0, 6), (3, 0), (3, 6), (6, 0), (6, 3), (6, 6)):
        f = np.zeros((7, 7))
        f[place] = -1
        assert downhill(f) == 100
    f = np.zeros((7, 7))
    f[0, 1] = -1  # on none
    assert downhill(f) == 50


def test_the_edge_is_the_median_of_the_points_around():
    on_the_edge = np.maximum(np.abs(a), np.abs(b)) == 1
    f = a**2 + 2 * b**2 + 1
    assert edge(f) == pytest.approx(np.median(f[on_the_edge]))
    assert edge(f) != pytest.approx(np.median(f))
