import pytest

from minires.experiments.degradation import published
from minires.experiments.degradation.figure import degradation_figure
from minires.train import Row


def rows(net, seeds=(0,), epochs=3, offset=0.0):
    return [
        Row(s, net, 45 * e, float(e), 0.1, 1.0, 50 / e + s + offset, 60 / e + s + offset, 1.0)
        for s in seeds
        for e in range(1, epochs + 1)
    ]


def lines(axes):
    return {(line.get_linestyle(), line.get_color()): line for line in axes.get_lines()}


def test_it_is_a_png():
    assert degradation_figure([("digits", rows("plain20"))], dpi=50).startswith(b"\x89PNG")


def test_plain_nets_are_left_and_residual_nets_right(figures):
    degradation_figure([("digits", rows("plain20") + rows("plain56") + rows("resnet20"))], dpi=50)
    left, right = figures[0].axes
    assert "plain" in left.get_title()
    assert "residual" in right.get_title()
    assert len(left.get_lines()) == 4
    assert len(right.get_lines()) == 2


def test_there_is_a_panel_for_each_kind_that_was_trained(figures):
    for nets, kinds in (
        (("resnet20",), ["residual nets"]),
        (("preact20", "plain20"), ["plain nets", "pre-activation nets"]),
        (
            ("plain20", "resnet20", "preact29"),
            ["plain nets", "residual nets", "pre-activation nets"],
        ),
    ):
        degradation_figure([("digits", [row for net in nets for row in rows(net)])], dpi=50)
        figure = figures.pop()
        assert [axes.get_title() for axes in figure.axes] == [f"digits: {kind}" for kind in kinds]
        assert all(len(axes.get_lines()) == 2 for axes in figure.axes)
        assert figure.get_figwidth() == 5 * len(kinds)


def test_training_is_dashed_and_test_solid(figures):
    degradation_figure([("digits", rows("plain20"))], dpi=50)
    by_style = {line.get_linestyle(): line for line in figures[0].axes[0].get_lines()}
    assert by_style["--"].get_ydata().tolist() == [50, 25, pytest.approx(50 / 3)]
    assert by_style["-"].get_ydata().tolist() == [60, 30, 20]
    assert by_style["-"].get_xdata() == pytest.approx([45, 90, 135])


def test_a_depth_has_one_colour_on_both_sides(figures):
    both = rows("plain20") + rows("plain56") + rows("resnet56")
    degradation_figure([("digits", both)], dpi=50)
    left, right = figures[0].axes
    colour = {
        t.get_text(): line.get_color()
        for t, line in zip(
            left.get_legend().get_texts(), left.get_legend().get_lines(), strict=True
        )
    }
    assert colour["20 layers"] != colour["56 layers"]
    assert {line.get_color() for line in right.get_lines()} == {colour["56 layers"]}


def test_several_seeds_are_a_mean_and_a_band(figures):
    degradation_figure([("digits", rows("plain20", seeds=(0, 2)))], dpi=50)
    axes = figures[0].axes[0]
    test = next(line for line in axes.get_lines() if line.get_linestyle() == "-")
    assert test.get_ydata().tolist() == [61, 31, 21]
    band = axes.collections[-1].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (20, 62)


def test_seeds_of_different_lengths_are_drawn_where_all_are(figures):
    uneven = rows("plain20", epochs=3) + rows("plain20", seeds=(1,), epochs=2)
    degradation_figure([("digits", uneven)], dpi=50)
    assert figures[0].axes[0].get_lines()[0].get_xdata() == pytest.approx([45, 90])


def test_several_runs_are_rows_of_panels(figures):
    degradation_figure([("a", rows("plain20")), ("b", rows("resnet20"))], dpi=50)
    titles = [axes.get_title() for axes in figures[0].axes]
    assert titles == ["a: plain nets", "a: residual nets", "b: plain nets", "b: residual nets"]


def test_axes_are_named_with_their_units(figures):
    degradation_figure([("digits", rows("plain20") + rows("resnet20"))], dpi=50)
    left, right = figures[0].axes
    assert left.get_ylabel() == "error (%)"
    assert left.get_xlabel() == right.get_xlabel() == "iterations"


# --- curves that others published -------------------------------------------------------------


def paper_rows(net, last=64_000):
    return [
        Row(0, net, i, i / 391, 0.1, 1.0, 20.0, 30.0, 1.0) for i in (*range(391, last, 391), last)
    ]


def dotted(axes):
    return [line for line in axes.get_lines() if line.get_linestyle() == ":"]


def test_published_curves_are_those_of_the_source():
    """The final errors that the source states, and the first ones that show the order."""
    ends = {"plain20": (0.77, 9.68), "plain56": (3.42, 12.90), "resnet20": (0.41, 8.11)}
    for net, (train, test) in ends.items():
        assert abs(published.curve(net)[-1].train_error - train) < 0.15
        assert abs(published.curve(net)[-1].test_error - test) < 0.3
    third = {net: published.curve(net)[2] for net in ("plain20", "plain56", "resnet56")}
    assert {row.epoch for row in third.values()} == {3}
    assert [round(row.train_error) for row in third.values()] == [39, 74, 52]
    assert not published.curve("resnet110")


def test_published_errors_are_those_of_the_epoch_or_the_last_before():
    rows = {row.epoch: (row.train_error, row.test_error) for row in published.curve("plain20")}
    assert published.errors("plain20", 3) == rows[3]
    assert 7 not in rows
    assert published.errors("plain20", 7) == rows[4]
    assert published.errors("plain20", 200) == rows[164]
    assert published.errors("plain20", 0) == published.errors("resnet110", 9) == (None, None)


def test_published_curves_are_drawn_on_request_behind_ours_with_one_name(figures):
    both = paper_rows("plain20") + paper_rows("plain56") + paper_rows("resnet110")
    degradation_figure([("CIFAR-10", both)], dpi=50)
    assert not any(map(dotted, figures[0].axes))
    degradation_figure([("CIFAR-10", both)], dpi=50, published=True)
    left, right = figures[1].axes
    assert len(dotted(left)) == 4  # two errors of two nets
    assert not dotted(right)  # of which nothing was published
    thin, thick, *_ = dotted(left)
    assert thin.get_ydata().tolist() == [row.train_error for row in published.curve("plain20")]
    assert thick.get_ydata().tolist() == [row.test_error for row in published.curve("plain20")]
    assert thin.get_xdata()[:3] == pytest.approx([391, 782, 1173])
    assert 64_000 <= thin.get_xdata()[-1] < 64_000 + 391
    ours = [line for line in left.get_lines() if line.get_linestyle() != ":"]
    assert max(line.get_zorder() for line in dotted(left)) < min(line.get_zorder() for line in ours)
    names = [text.get_text() for text in left.get_legend().get_texts()]
    assert names == ["20 layers", "56 layers", "re-implementation"]
    assert "a-martyn/resnet" in figures[1].get_suptitle()


def test_published_curves_go_as_far_as_the_run(figures):
    degradation_figure([("CIFAR-10", paper_rows("plain20", 3 * 391))], dpi=50, published=True)
    assert [len(line.get_xdata()) for line in dotted(figures[0].axes[0])] == [3, 3]
