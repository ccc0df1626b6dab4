import numpy as np
import pytest
from mpl_toolkits.mplot3d import Axes3D

from minires.experiments.landscape.figure import landscape_figure
from minires.experiments.landscape.surface import Surface

AXIS = np.linspace(-1, 1, 9)
A, B = np.meshgrid(AXIS, AXIS, indexing="ij")


def surface(losses):
    return Surface(AXIS, losses, np.zeros_like(losses))


BOWL = surface(0.05 + 4 * (A - 0.25) ** 2 + B**2)
WAVES = surface(2.3 + 0.1 * np.sin(5 * A + B))


@pytest.fixture
def draw(figures):
    """Draws, and gives the axes as they are saved: maps, reliefs, and the scale last."""

    def draw(**surfaces):
        assert landscape_figure(surfaces, "What it shows.", dpi=50).startswith(b"\x89PNG")
        figure = figures[-1]
        *axes, scale = figure.axes
        return axes[::2], axes[1::2], scale, figure

    return draw


def test_maps_are_above_and_reliefs_below_on_one_scale(draw):
    maps, reliefs, scale, _ = draw(plain56=WAVES, resnet56=BOWL)
    assert [axes.get_title() for axes in maps] == ["plain56", "resnet56"]
    low, high = 0.05, BOWL.losses.max()
    for axes in maps:
        assert axes.collections[0].get_clim() == pytest.approx((low, high))
    for axes in reliefs:
        assert axes.get_zlim() == pytest.approx((np.log10(low), np.log10(high)))
    assert scale.get_ylabel() == "loss (cross-entropy)"


def test_the_first_direction_is_to_the_right(draw):
    (axes,), _, _, _ = draw(resnet56=BOWL)
    drawn = axes.collections[0].get_array()
    at = {(x, y): drawn[j, i] for i, x in enumerate(AXIS) for j, y in enumerate(AXIS)}
    assert at[1.0, 0.0] == pytest.approx(0.05 + 4 * 0.75**2)
    assert at[0.0, 1.0] == pytest.approx(0.05 + 4 * 0.25**2 + 1)
    assert "first" in axes.get_xlabel()
    assert "second" in axes.get_ylabel()


def test_contour_lines_have_their_losses_on_them_and_the_centre_a_cross(draw):
    (axes,), _, _, _ = draw(resnet56=BOWL)
    labels = sorted(float(text.get_text()) for text in axes.texts)
    assert 5 <= len(labels) <= 8
    assert labels == sorted(axes.collections[1].levels)
    ratios = np.divide(labels[1:], labels[:-1])
    assert ratios.max() / ratios.min() < 1.2  # at equal steps of their logarithms
    (cross,) = axes.get_lines()
    assert (cross.get_xdata(), cross.get_ydata(), cross.get_marker()) == ([0], [0], "x")


def test_contour_lines_are_where_the_surface_has_their_losses(draw):
    (axes,), _, _, _ = draw(plane=surface(10 + 4 * A + B))
    lines = axes.collections[1]
    for level, path in zip(lines.levels, lines.get_paths(), strict=True):
        x, y = path.vertices.T
        np.testing.assert_allclose(10 + 4 * x + y, level)


def test_a_relief_is_as_high_as_the_logarithm_of_the_loss(draw, monkeypatch):
    drawn = []
    monkeypatch.setattr(Axes3D, "plot_surface", lambda _, *xyz, **look: drawn.append((xyz, look)))
    draw(resnet56=BOWL)
    (((x, y, z), look),) = drawn
    np.testing.assert_allclose(10**z, 0.05 + 4 * (x - 0.25) ** 2 + y**2)
    assert look["facecolors"].shape == (8, 8, 4)  # one a patch


def test_labels_keep_their_distance(draw):
    (axes,), _, _, _ = draw(steep=surface(2.0 + (A > 0.4) * B**2))
    places = np.array([text.get_position() for text in axes.texts])
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert apart[~np.eye(len(places), dtype=bool)].min() > 0.1


def test_heights_are_named_by_their_losses(draw):
    _, (axes,), scale, _ = draw(resnet56=BOWL)
    labels = [t.get_text() for t in axes.get_zticklabels()]
    assert labels == ["0.05", "0.1", "0.2", "0.5", "1", "2", "5"]
    assert 10 ** axes.get_zticks() == pytest.approx([float(label) for label in labels])
    assert [t.get_text() for t in scale.get_yticklabels()] == labels


def test_a_long_scale_has_powers_of_ten_alone(draw):
    *_, scale, _ = draw(net=surface(10 ** (3 * A)))
    assert [t.get_text() for t in scale.get_yticklabels()] == [
        *("0.001", "0.01", "0.1", "1", "10", "100", "1000")
    ]


def test_a_level_without_lines_and_a_loss_of_nothing_can_be_drawn(draw):
    draw(level=surface(np.full((9, 9), 2.3)))
    (axes,), *_ = draw(solved=surface(A**2 + B**2))
    assert axes.collections[0].get_array().min() == 1e-4


def test_the_caption_is_below(draw):
    *_, figure = draw(resnet56=BOWL)
    assert figure.get_supxlabel() == "What it shows."
