"""A run of `minires flow`: what it raises, what it leaves, and where."""

import csv
import json
from functools import partial

import pytest

from minires.data import digits
from minires.errors import RunError, UsageError
from minires.experiments.degradation import Config, Degradation
from minires.experiments.gradient_flow import FIGURES, FlowConfig, FlowRun
from minires.experiments.gradient_flow import run as flow_run
from minires.experiments.gradient_flow.responses import Responses
from minires.experiments.gradient_flow.shattered import Shattered

DATA = digits()
TINY = {"nets": ("plain8", "resnet8"), "steps": 1, "size": 8}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run, and its events."""
    out = tmp_path_factory.mktemp("runs") / "flow"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow_run, "Shattered", lambda seed: Shattered((8, 14), 2, 8, seed))
        patch.setattr(flow_run, "Responses", partial(Responses, steps=3))
        events = list(FlowRun.start(FlowConfig(**TINY), DATA, out).run())
    return out, events


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_it_leaves_a_figure_and_a_table_of_each_figure(run):
    out, _ = run
    assert {p.name for p in out.iterdir()} == {
        *(f"{name}.{end}" for name in FIGURES for end in ("png", "csv")),
        *("depth.png", "summary.md", "config.json"),
    }
    for name in ("depth", *FIGURES):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert len(rows(out / "flow.csv")) == 2 * 2 * 5 * 2 * 8
    assert len(rows(out / "responses.csv")) == 2 * 7
    assert len(rows(out / "shattered.csv")) == 4 * 2
    assert {row["net"] for row in rows(out / "paths.csv")} == {"resnet8"}


def test_the_summary_has_what_was_seen_and_the_sources(run):
    text = (run[0] / "summary.md").read_text(encoding="utf-8")
    assert text.startswith(
        "# Gradient flow on digits\n\nNets plain8, resnet8; seed 0.\n\nFor the flow"
    )
    assert "enlarged to 8 pixels and the nets trained by SGD: steps 1, batch 16" in text
    headings = [line for line in text.splitlines() if line.startswith("##")]
    assert headings == [f"## {name}.png" for name in ("depth", *FIGURES)]
    for source in ("1902.08129", "1502.01852", "1512.03385", "1702.08591", "1605.06431"):
        assert source in text


def test_what_was_asked_for_is_written_down(run):
    config = json.loads((run[0] / "config.json").read_text())
    assert config["experiment"] == "flow"
    assert config["nets"] == ["plain8", "resnet8"]
    assert config["run"] is None
    assert config["data_sha256"] == DATA.digest


def test_progress_goes_from_nothing_to_all(run):
    by_figure = {}
    for event in run[1]:
        by_figure.setdefault(event.figure, []).append((event.done, event.total))
    assert list(by_figure) == list(FIGURES)
    totals = {"flow": 20, "responses": 2, "shattered": 4, "paths": 4}
    for name, total in totals.items():
        assert by_figure[name] == [(done, total) for done in range(total + 1)]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"is not empty; choose another --out$"):
        FlowRun.start(FlowConfig(**TINY), DATA, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_size_that_is_no_multiple_raises_before_there_is_a_folder(tmp_path):
    with pytest.raises(UsageError, match="a multiple of that; got 12"):
        FlowRun.start(FlowConfig(size=12), DATA, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_figures_are_written_one_by_one_and_alone_if_asked_for(tmp_path):
    config = FlowConfig(**TINY, only=("paths",))
    for event in FlowRun.start(config, DATA, tmp_path / "out").run():
        assert (tmp_path / "out" / "paths.png").exists() == (event.done == event.total)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        *("config.json", "paths.csv", "paths.png", "summary.md")
    }
    assert "for the flow" not in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"nets": ("plain9",)}, "no net 'plain9'"),
        ({"nets": ()}, "at least one net is needed"),
        ({"nets": ("plain8", "plain8")}, "a net is given twice"),
        ({"steps": -1}, "steps must be at least 0, got -1"),
        ({"seed": -1}, "seeds must be at least 0, got -1"),
        ({"dataset": "mnist"}, "no dataset 'mnist'"),
        ({"only": ("flows",)}, "no figure 'flows'; there are: flow, responses, shattered, paths"),
        ({"only": ()}, "at least one figure of flow, responses"),
        ({"only": ("flow", "flow")}, "a figure is given twice in flow, flow"),
        ({"nets": ("plain8", "plain14")}, "paths are those of residual nets, but the nets are"),
    ],
)
def test_what_cannot_be_meant_raises(wrong, sentence):
    with pytest.raises(UsageError, match=sentence):
        FlowConfig(**wrong)
    assert FlowConfig(nets=("plain8",), only=("flow",)).residual == ()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    for _ in Degradation.start(Config(nets=("resnet8",), epochs=1), DATA, out).run():
        pass
    return out


def test_nets_of_a_run_are_measured(trained, tmp_path):
    config = FlowConfig(nets=("resnet8",), only=("responses", "paths"), run=trained)
    list(FlowRun.start(config, DATA, tmp_path / "trained").run())
    text = (tmp_path / "trained" / "summary.md").read_text(encoding="utf-8")
    assert f"as {trained} left them" in text
    assert "In resnet8 after training" in text
    fresh = FlowConfig(nets=("resnet8",), only=("paths",))
    list(FlowRun.start(fresh, DATA, tmp_path / "fresh").run())
    one, other = (rows(tmp_path / name / "paths.csv") for name in ("trained", "fresh"))
    assert len(one) == len(other)
    assert all(a["norm"] != b["norm"] for a, b in zip(one, other, strict=True))


def test_a_missing_net_raises_before_there_is_a_folder(trained, tmp_path):
    config = FlowConfig(nets=("resnet8", "plain8"), run=trained)
    with pytest.raises(UsageError, match="no trained plain8, seed 0; it has resnet8-seed0"):
        FlowRun.start(config, DATA, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_none_or_on_other_data_raises(trained, tmp_path):
    with pytest.raises(UsageError, match="there is no run in"):
        FlowConfig(run=tmp_path)
    with pytest.raises(UsageError, match="is on digits, but the dataset is cifar10"):
        FlowConfig(dataset="cifar10", run=trained)
    (tmp_path / "config.json").write_text('{"format": 1}')
    with pytest.raises(RunError, match="was altered"):
        FlowConfig(run=tmp_path)
