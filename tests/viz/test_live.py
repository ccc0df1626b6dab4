"""The progress of trainings: bars on a terminal, a line for each epoch elsewhere."""

import io
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from minires.train import Progress, Row
from minires.viz.live import LiveDisplay, can_draw_over

NETS = {"plain20": 20, "plain56": 56, "resnet110": 110}
PLANNED = [(0, net, 300 * depth) for net, depth in NETS.items()]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def trained(net, iteration):
    """A training after a step, and what it reports."""
    row = Row(0, net, iteration, iteration / 15, 0.1, 0.123, 12.3, 4.5, 3.0)
    recipe = SimpleNamespace(iterations=300)
    trainer = SimpleNamespace(seed=0, net=net, iteration=iteration, recipe=recipe, rows=[row])
    step = Progress(iteration, iteration / 15, 0.1234, 12.34, None if iteration % 15 else row)
    return trainer, step


def shown(width, accuracy=False, steps=(("plain20", 15), ("plain20", 16))):
    """The lines of the last state that is shown, and the display."""
    console = Console(file=Terminal(), width=width, color_system="standard")
    display = LiveDisplay(console, accuracy, planned=PLANNED)
    for net, iteration in steps:
        display.show(*trained(net, iteration))
    with console.capture() as captured:
        console.print(display._bars.get_renderable())
    return re.sub(r"\x1b\[[\d;]*m", "", captured.get()).splitlines(), display


@pytest.mark.parametrize("width", [60, 70, 80, 100, 120])
@pytest.mark.parametrize("accuracy", [False, True])
def test_bars_fit_and_are_long_enough_to_be_read(width, accuracy, monkeypatch):
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    lines, _ = shown(width, accuracy=accuracy)
    assert len(lines) == 4, "a line broke"
    assert all(len(line) <= width for line in lines)
    assert all(line.count("━") + line.count("╸") + line.count("╺") >= 6 for line in lines)
    assert "test 95.5 % right" in lines[0] if accuracy else "test  4.5 %" in lines[0]
    assert ("loss 0.123" in lines[0]) == (width >= 100)
    assert ("train" in lines[0]) == (width >= 70 + 10 * accuracy)


def test_the_nets_to_come_are_listed_and_all_are_a_bar_of_their_own(monkeypatch):
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    lines, display = shown(120, steps=[("plain20", 300), ("plain56", 150)])
    assert [line.split("━")[0].split()[0] for line in lines] == [*NETS, "all"]
    done = display._bars.tasks[-1].percentage
    assert done == pytest.approx(100 * (20 + 56 / 2) / (20 + 56 + 110), abs=0.1)


def test_what_a_resumed_training_has_done_before_tells_nothing_of_its_speed(monkeypatch):
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    _, display = shown(120, steps=[("plain20", 200)])
    task = display._bars.tasks[0]
    assert (task.completed, task.speed) == (200, None)


@pytest.mark.parametrize(
    ("file", "environment"),
    [
        (io.StringIO, {"TERM": "xterm"}),
        (io.StringIO, {"TERM": "xterm", "FORCE_COLOR": "1"}),
        (Terminal, {"TERM": "dumb"}),
        (Terminal, {"TERM": "xterm-color", "JPY_PARENT_PID": "1", "FORCE_COLOR": "1"}),
    ],
    ids=["file", "file of a notebook", "dumb", "cell of a notebook"],
)
def test_where_nothing_can_be_drawn_over_each_epoch_is_a_line(file, environment, monkeypatch):
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    console = Console(file=file(), width=80)
    assert not can_draw_over(console)
    with LiveDisplay(console, planned=PLANNED) as display:
        for iteration in (15, 16, 30):
            display.show(*trained("plain20", iteration))
    text = console.file.getvalue()
    assert "\r" not in text
    assert "\x1b" not in text
    assert text.splitlines() == [
        f"plain20   seed 0  epoch {epoch}      iteration {15 * epoch}/300  loss 0.123  "
        "train 12.30 %  test  4.50 %  3 s"
        for epoch in (1, 2)
    ]


def test_a_terminal_can_be_drawn_over(monkeypatch):
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    assert can_draw_over(Console(file=Terminal(), _environ={"TERM": "xterm"}))
