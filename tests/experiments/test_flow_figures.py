"""The figures of gradient flow, looked into: what is drawn where, and how what cannot be."""

import matplotlib.figure
import numpy as np
import pytest

from minires.errors import UsageError
from minires.experiments.gradient_flow.ablations import VARIANTS, Flow
from minires.experiments.gradient_flow.ablations_figure import ablations_figure, depth_figure
from minires.experiments.gradient_flow.figures import (
    paths_figure,
    responses_figure,
    shattered_figure,
)
from minires.experiments.gradient_flow.paths import PathGradient
from minires.experiments.gradient_flow.responses import LayerResponses
from minires.experiments.gradient_flow.shattered import Shattering
from minires.models import NetSpec
from minires.viz.style import headline


def flow(net="plain8", variant="He", batch_norm=True, gradient=(8, 4, 2, 9), ended=None):
    values = np.array([gradient, [1, 1, 1, 1]], float)
    return Flow(net, variant, batch_norm, tuple("abcd"), (0, 5), values / 2, values, ended)


def panels(figure):
    return {axes.get_title(): axes for axes in figure.axes if axes.get_ylabel()}


def curves(axes):
    """The data of the lines that have more than one point."""
    return [line.get_xydata() for line in axes.get_lines() if len(line.get_xdata()) > 1]


def marks(axes, marker):
    return [tuple(line.get_xydata()[0]) for line in axes.get_lines() if line.get_marker() == marker]


def test_a_net_is_a_column_and_a_measure_two_rows(figures):
    flows = [
        flow(net, v.label, bn) for net in ("a8", "b8") for v in VARIANTS for bn in (True, False)
    ]
    assert ablations_figure(flows, "what it shows", dpi=40).startswith(b"\x89PNG")
    (figure,) = figures
    assert len(figure.axes) == 12
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles == [
        f"{net}, {how} batch norm" for how in ("with", "without") for net in ("a8", "b8")
    ]
    labels = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes[::2]]
    assert (
        labels[::2]
        == labels[1::2]
        == [
            *(
                "norm of the gradient of a layer's response",
                "standard deviation of a layer's response",
            ),
            "gradient at the first layer / at the last 3x3 layer",
        ]
    )
    assert {axes.get_xlabel() for axes in figure.axes} == {"layer", "steps of training"}
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown[: len(VARIANTS)] == [v.label for v in VARIANTS]
    assert figure.get_suptitle() == "what it shows"


def test_what_depth_does_is_drawn_in_the_deepest_net_of_each_kind(figures):
    flows = [
        *(flow("plain8"), flow("plain14", gradient=(64, 8, 2, 9)), flow("resnet14")),
        *(flow("plain14", variant="Xavier"), flow("plain14", batch_norm=False)),
    ]
    depth_figure(flows, "what it shows", dpi=40)
    (axes,) = figures[0].axes
    assert [text.get_text() for text in axes.texts] == ["plain14", "resnet14"]
    assert [line.tolist() for line in curves(axes)] == [
        *([[1, 32], [2, 4], [3, 1]], [[1, 4], [2, 2], [3, 1]])
    ]
    assert axes.get_yscale() == "log"
    assert figures[0].get_suptitle() == "what it shows"


def test_of_the_measures_those_are_drawn_that_were_asked_for(figures):
    ablations_figure([flow()], dpi=40, measures=["growth", "gradient"])
    labels = [axes.get_ylabel().split()[0] for axes in figures[0].axes]
    assert labels == ["gradient", "gradient", "norm", "norm"]
    assert curves(figures[0].axes[0])[0].tolist() == [[0, 4], [5, 1]]
    with pytest.raises(UsageError, match=r"no measure 'norms'; there are: gradient, std"):
        ablations_figure([flow()], measures=["norms"])


def test_curves_are_the_numbers(figures):
    ablations_figure([flow()], dpi=40)
    gradient, _, std, _, growth, _ = figures[0].axes
    assert curves(gradient)[0].tolist() == [[1, 8], [2, 4], [3, 2]]
    assert curves(std)[0].tolist() == [[1, 4], [2, 2], [3, 1]]
    assert marks(gradient, "o") == [(4, 9)], "the linear layer stands apart"
    assert curves(growth)[0].tolist() == [[0, 4], [5, 1]]
    assert gradient.get_yscale() == "log"


def test_where_a_curve_leaves_the_numbers_there_is_a_mark(figures):
    ablations_figure([flow(gradient=(0, 4, 2, 9))], dpi=40)
    assert marks(figures[0].axes[0], "v") == [(2, 4)]
    ablations_figure([flow(gradient=(np.inf, 4, 2, 9))], dpi=40)
    assert marks(figures[1].axes[0], "X") == [(2, 4)]
    assert marks(figures[1].axes[0], "v") == []
    ablations_figure([flow(gradient=(0, 0, 0, 9))], dpi=40)
    assert marks(figures[2].axes[0], "v") == [(1, 0)], "at the bottom of the panel"


def test_a_training_that_ended_has_a_mark_at_its_last_step(figures):
    ablations_figure([flow(ended=7)], dpi=40)
    assert marks(figures[0].axes[4], "X") == [(5, 1)]


def test_colours_and_dashes_tell_the_variants_apart(figures):
    ablations_figure([flow(variant=v.label) for v in VARIANTS], dpi=40)
    lines = [line for line in figures[0].axes[0].get_lines() if len(line.get_xdata()) > 1]
    assert len({line.get_color() for line in lines}) == len(VARIANTS)
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == len(VARIANTS)


def test_responses_are_drawn_by_layer_and_by_size(figures):
    responses = [
        LayerResponses(NetSpec.parse("plain20"), ("a", "b", "c"), np.array([1.0, 3.0, 2.0])),
        LayerResponses(NetSpec.parse("resnet20"), ("a", "b", "c"), np.array([0.5, 0.4, 0.6])),
        LayerResponses(NetSpec.parse("resnet56"), ("a",), np.array([0.2])),
    ]
    responses_figure(responses, "what it shows", dpi=40)
    by_layer, by_size = figures[0].axes
    plain, residual, deep = by_layer.get_lines()
    assert plain.get_ydata().tolist() == [1, 3, 2]
    assert by_size.get_lines()[0].get_ydata().tolist() == [3, 2, 1]
    assert (plain.get_linestyle(), residual.get_linestyle()) == ("--", "-")
    assert plain.get_color() == residual.get_color() != deep.get_color()
    assert by_layer.get_ylabel() == "standard deviation of the response"
    assert by_layer.get_xlabel() == "3x3 layer"


def shattering(net, *correlation):
    return Shattering(
        NetSpec.parse(net), np.array(correlation), np.linspace(0, 90, 4), np.array([1.0, -1, 3, -1])
    )


def test_correlations_are_drawn_by_depth_with_a_band(figures):
    nets = [
        *(
            shattering("plain56", 0, 0.1),
            shattering("plain8", 0.8, 0.9),
            shattering("plain20", 0.3, 0.3),
        ),
        *(shattering("resnet8", 0.9, 1), shattering("resnet56", 0.5, 0.7)),
    ]
    shattered_figure(nets, "what it shows", dpi=40)
    *traces, axes = figures[0].axes
    assert [trace.get_title() for trace in traces] == ["plain8", "plain56", "resnet8", "resnet56"]
    plain, residual, _ = axes.get_lines()
    np.testing.assert_allclose(plain.get_xydata(), [[8, 0.85], [20, 0.3], [56, 0.05]])
    np.testing.assert_allclose(residual.get_xydata(), [[8, 0.95], [56, 0.6]])
    assert plain.get_linestyle() == "--"
    band = axes.collections[0].get_paths()[0].vertices
    assert band[band[:, 0] == 8][:, 1].max() == pytest.approx(0.89), "the 90th percentile"
    slope = traces[0].get_lines()[0].get_ydata()
    np.testing.assert_allclose(slope, np.array([1, -1, 3, -1]) / np.sqrt(3))


def test_paths_are_counted_weighed_and_multiplied(figures):
    norms = ([4.0, 4.0], [1.0, 3.0], [1.0, 1.0])
    gradients = [PathGradient("resnet8", 2, k, np.array(n)) for k, n in enumerate(norms)]
    paths_figure(gradients, "what it shows", dpi=40)
    number, size, product = (axes.get_lines()[0].get_ydata().tolist() for axes in figures[0].axes)
    assert number == [25, 50, 25]
    assert size == [4, 2, 1]
    assert product == pytest.approx([400 / 9, 400 / 9, 100 / 9])
    first, _, last = figures[0].axes
    assert first.get_ylim() == last.get_ylim()
    assert first.get_ylim()[1] > 50
    assert last.get_ylabel() == "share of the sum (%)"


def test_a_headline_is_broken_into_lines_of_one_length():
    figure = matplotlib.figure.Figure(figsize=(6, 2))
    words = " ".join(["word"] * 40)
    headline(figure, words)
    lines = figure.get_suptitle().split("\n")
    assert " ".join(lines) == words
    assert len(lines) == 3
    assert max(map(len, lines)) - min(map(len, lines)) <= 20
    headline(figure, "")
    assert figure.get_suptitle() == ""
