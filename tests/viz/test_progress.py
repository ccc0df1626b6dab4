"""`minires.progress`: the events of a run, shown where it runs."""

import sys
from types import SimpleNamespace

import pytest

import minires
from minires.data import digits
from minires.errors import UsageError
from minires.experiments.degradation import Config, Degradation
from minires.train import Row
from minires.viz import progress as module
from minires.viz.progress import curves_figure


@pytest.fixture
def run(tmp_path):
    config = Config(nets=("resnet8",), epochs=2, batch=256)
    return Degradation.start(config, digits(), tmp_path / "run")


def test_outside_of_a_notebook_each_epoch_is_a_line(run, capsys):
    iterations = [event.progress.iteration for event in minires.progress(run.run())]
    assert iterations == list(range(1, 13))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("resnet8   seed 0  epoch 1 ")
    assert second.startswith("resnet8   seed 0  epoch 2 ")


@pytest.mark.parametrize("events", [None, 3, [1, 2], "text"])
def test_what_is_no_run_is_answered_with_how_it_is_called(events):
    with pytest.raises(UsageError, match=r"shows the events of a run, .*\(run.run\(\)\); got "):
        list(minires.progress(events))


class Notebook:
    """What IPython has in a notebook's kernel; keeps what was displayed."""

    kernel = None
    version_info = (9, 0)  # which Matplotlib asks for

    def __init__(self):
        self.shown = []

    def get_ipython(self):
        return self

    def display(self, data, raw, display_id):
        self.shown.append(data)
        return SimpleNamespace(update=lambda data, raw: self.shown.append(data))


def test_in_a_notebook_there_are_curves_and_the_time_left(run, capsys, monkeypatch):
    notebook = Notebook()
    titles = []
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    monkeypatch.setattr(module, "_PAUSE", 0)
    monkeypatch.setattr(
        module, "curves_figure", lambda rows, title: titles.append(title) or b"\x89PNG"
    )
    steps = sum(1 for _ in minires.progress(run.run()))
    assert capsys.readouterr().out == ""
    assert notebook.shown[0] == {"text/plain": "training ..."}
    assert notebook.shown[1] == {"text/plain": "resnet8-seed0: 8%"}, "before the first epoch's end"
    assert len(notebook.shown) == steps + 2
    last = notebook.shown[-1]
    assert last["image/png"] == b"\x89PNG"
    assert last["text/plain"].startswith("resnet8, seed 0: epoch 2, training error ")
    assert titles[-1] == "resnet8-seed0: 100%"
    assert all(" left" in title for title in titles[:1])


def test_curves_of_several_nets_are_told_apart(figures):
    rows = {
        net: [Row(0, net, i, i, 0.1, 1.0, 50 / i, 40 / i, 1.0) for i in range(1, n)]
        for net, n in (("plain20", 4), ("resnet20", 2))
    }
    assert curves_figure(rows, "a $title").startswith(b"\x89PNG")
    (axes,) = figures[0].axes
    assert [line.get_label() for line in axes.lines if line.get_linestyle() == "-"] == list(rows)
    assert len({line.get_color() for line in axes.lines}) == 2
    assert axes.get_title() == "a $title"


@pytest.mark.parametrize("epochs", [1, 2, 3, 25])
def test_epochs_are_marked_at_whole_numbers(figures, epochs):
    rows = [Row(0, "plain20", i, i, 0.1, 1.0, 50 / i, 40 / i, 1.0) for i in range(1, epochs + 1)]
    curves_figure({"plain20": rows}, "a title")
    ticks = figures[0].axes[0].get_xticks()
    assert ticks.tolist() == [round(tick) for tick in ticks]
    assert len(ticks) > 1
