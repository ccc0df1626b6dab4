"""Options that are made from a configuration, and the command that resumes a run."""

import re
import shlex
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from warnings import catch_warnings

import pytest
import typer
from threadpoolctl import threadpool_info
from typer.testing import CliRunner

from minires import get_num_threads
from minires.cli import app
from minires.cli.options import options_of
from minires.cli.shared import Threads
from minires.cli.training import resume_command, run_folder
from minires.errors import UsageError
from minires.experiments.degradation import Config
from minires.experiments.gradient_flow import FlowConfig
from minires.experiments.landscape import LandscapeConfig
from minires.experiments.stepping import Stepping
from minires.models import NetSpec
from minires.parallel.sweeps import SweepConfig
from minires.runs import RunFolder
from minires.runs.config import option
from minires.train import Row
from minires.vision.finetune import FinetuneConfig


@dataclass(frozen=True)
class Settings:
    """One field of each type that a configuration has."""

    own: str
    name: str = option("a", "A text, {default} by default.")
    nets: tuple[str, ...] = option((), "Texts.")
    seeds: tuple[int, ...] = option((0,), "Integers.")
    most: int | None = option(None, "An integer.")
    lr_start: float = option(0.5, "A number, {default} by default.")
    fast: bool = option(False, "A flag.")
    mirrored: bool = option(True, "A flag that can be turned off.")
    file: str | None = option(None, "A path.", path=Path.absolute)
    folder: Path | None = option(None, "Another path.")


def run(*arguments):
    """What a command got: the settings that were asked for, and its own option."""
    got = []
    probe = typer.Typer()

    @probe.command()
    @options_of(Settings)
    def command(asked: dict[str, Any], own: int = 3) -> None:
        """Do nothing."""
        got.append((asked, own))

    result = CliRunner().invoke(probe, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    return got, result


def test_only_what_is_given_is_asked_for():
    assert run()[0] == [({}, 3)]


def test_each_type_is_read_from_its_text():
    given = ("--name", "b", "--nets", "x, y", "--seeds", "1,2", "--most", "7", "--lr-start", "1e-3")
    paths = ("--file", "f", "--folder", "g")
    got, result = run(*given, "--fast", "--no-mirrored", *paths, "--own", "4")
    assert got, result.output
    assert got[0] == (
        {
            "name": "b",
            "nets": ("x", "y"),
            "seeds": (1, 2),
            "most": 7,
            "lr_start": 0.001,
            "fast": True,
            "mirrored": False,
            "file": str(Path("f").absolute()),
            "folder": Path("g"),
        },
        4,
    )


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--most", "'--most': expected an integer, got 'x'"),
        ("--lr-start", "'--lr-start': expected a number, got 'x'"),
        ("--seeds", "'--seeds': must be integers with commas between, got 'x'"),
        ("--no-fast", "No such option"),
    ],
)
def test_a_text_of_another_type_is_an_error(option, said):
    got, result = run(option, "x")
    assert not got
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_the_help_has_defaults_and_types():
    text = run("--help")[1].output
    for line in (
        r"--name +<str> +A text, a by default\.",
        r"--lr-start +<float> +A number, 0\.5 by default\.",
        r"--most +<int> +An integer\.",
        r"--mirrored +--no-mirrored +<bool> +A flag",
        r"--file +<path> +A path\.",
    ):
        assert re.search(line, text), line


@pytest.mark.parametrize(
    ("command", "config", "without"),
    [
        ("degradation", Config, ("added",)),
        ("flow", FlowConfig, ()),
        ("landscape", LandscapeConfig, ()),
        ("finetune", FinetuneConfig, ("data",)),
        ("step", Stepping, ("nets",)),
    ],
)
def test_a_command_has_an_option_for_each_field_of_its_configuration(command, config, without):
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    fields = [name for name in config.__dataclass_fields__ if name not in without]
    assert len(fields) > 5
    for name in fields:
        assert f"--{name.replace('_', '-')} " in result.output, name
    assert "{default}" not in result.output


@pytest.mark.parametrize("command", ["degradation", "flow", "landscape"])
def test_a_sweep_has_the_options_of_where_it_is_computed(command):
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    for name in SweepConfig.__dataclass_fields__:
        assert f"--{name.replace('_', '-')} " in result.output, name


def test_the_options_of_two_configurations_come_apart():
    got = []
    probe = typer.Typer()

    @probe.command()
    @options_of(Settings, SweepConfig)
    def command(asked: dict[str, Any], where: dict[str, Any], own: int = 3) -> None:
        """Do nothing."""
        got.append((asked, where, own))

    CliRunner().invoke(probe, ["--name", "b", "--workers", "2", "--own", "4"])
    assert got == [({"name": "b"}, {"workers": 2}, 4)]


def test_the_folder_of_a_run_is_the_first_that_is_free(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_folder("flow", None) == Path("runs/flow-1")
    Path("runs/flow-1").mkdir(parents=True)
    assert run_folder("flow", None) == Path("runs/flow-2")
    assert run_folder("flow", Path("mine"), resume=True) == Path("mine")
    with pytest.raises(UsageError, match="--resume needs --out, the folder of the run to resume"):
        run_folder("flow", None, resume=True)


def test_the_command_that_resumes_names_the_options_that_are_set():
    given = {"data_dir": Path("c i"), "download": True, "graph": False, "until": None}
    said = resume_command("degradation", Path("run"), Path("d"), **given)
    assert said == "minires degradation --resume --out run --data-dir 'c i' --download d"


def test_plot_takes_little_of_what_a_run_calls_its_data(tmp_path, monkeypatch):
    """A million letters as a title would be laid out for minutes."""
    run = RunFolder.create(tmp_path / "run", {"data": "x" * 1_000_000 + "\x1b"})
    with run.locked():
        run.write_history([Row(0, "plain8", 45, 1, 0.01, 2.1, 90, 80, 1.5)])
    titles = []
    drawn = lambda panels, *_, **more: titles.append(panels[0][0]) or b""  # noqa: E731
    monkeypatch.setattr(import_module("minires.cli.plot"), "degradation_figure", drawn)
    result = CliRunner().invoke(app, ["plot", str(run.path)])
    assert result.exit_code == 0, result.output
    assert titles == ["x" * 80 + "..."]


@pytest.mark.parametrize(
    "command", ["degradation", "flow", "landscape", "finetune", "classify", "step", "gradcheck"]
)
def test_every_command_that_computes_takes_a_number_of_threads(command, monkeypatch):
    """It holds until the command has ended, in operations and in the BLAS."""
    found = []
    probe = typer.Typer()

    @probe.command()
    def compute(threads: Threads = None) -> None:
        blas = [
            library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
        ]
        found.append((get_num_threads(), *blas))

    before = get_num_threads()
    assert CliRunner().invoke(probe, ["--threads", "3"]).exit_code == 0
    assert set(found[0]) == {3}
    assert get_num_threads() == before
    assert CliRunner().invoke(probe, []).exit_code == 0
    assert found[1][0] == before
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert "--threads " in result.output


COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_ends_with_examples_that_can_be_meant(name):
    command = COMMANDS[name]
    title, *examples = command.epilog.split("\n\n")
    assert title == "Examples:"
    assert len(examples) == 2
    known = {flag for option in command.params for flag in option.opts + option.secondary_opts}
    for example in examples:
        program, named, *words = shlex.split(example.replace("\\[", "["), comments=True)
        assert (program, named) == ("minires", name)
        assert {word for word in words if word.startswith("--")} <= known
    for flag in ("-h", "--help"):
        text = CliRunner().invoke(app, [name, flag], env={"COLUMNS": "79", "TERM": "dumb"}).output
        assert all(len(line) <= 79 for line in text.splitlines())
        assert " ".join(examples[0].replace("\\[", "[").split()) in " ".join(text.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_types_of_all_options_have_one_form(name):
    text = CliRunner().invoke(app, [name, "-h"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    types = set(re.findall(r"--[a-z-]+ +(<\w+>|[A-Z]+) ", text))
    assert set() < types <= {"<int>", "<float>", "<str>", "<path>", "<bool>"}


def test_help_shows_what_is_in_brackets_and_breaks_no_line_in_its_middle():
    text = CliRunner().invoke(app, ["export", "-h"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert 'pip install ".[onnx]", in a copy of the repository' in text
    text = CliRunner().invoke(app, ["step", "-h"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert "feature maps, gradients and their norms, and what a residual addition" in text


def test_a_default_is_said_in_one_form():
    for name in COMMANDS:
        result = CliRunner().invoke(app, [name, "-h"], env={"COLUMNS": "200", "TERM": "dumb"})
        assert "[default" not in result.output, name


def completed(*words):
    """What bash is offered for the last of these words."""
    line = {"COMP_WORDS": shlex.join(["minires", *words]), "COMP_CWORD": str(len(words))}
    asked = {"_MINIRES_COMPLETE": "complete_bash", **line}
    done = CliRunner().invoke(app, [], prog_name="minires", env=asked)
    assert done.exit_code == 0, done.output
    return done.stdout.split()


def test_a_shell_completes_the_names_of_nets():
    assert completed("finetune", "--model", "plain") == ["plain18", "plain34"]
    offered = ["plain20,plain32", "plain20,plain44", "plain20,plain56"]
    assert completed("degradation", "--nets", "plain20,plain") == offered, "not one that is there"
    assert "resnet1202" in completed("step", "plain20", "resnet")
    assert completed("memory", "vgg") == []


def test_every_argument_that_names_nets_is_completed_with_nets_that_its_command_takes():
    found = set()
    for command, made in typer.main.get_command(app).commands.items():
        context = made.make_context(command, [], resilient_parsing=True)
        for parameter in made.params:
            if parameter.name in ("net", "nets", "model"):
                offered = [item.value for item in parameter.shell_complete(context, "")]
                imagenet, cifar = (name in offered for name in ("resnet18", "resnet20"))
                family = "any" if imagenet and cifar else "imagenet" if imagenet else "cifar"
                for name in offered:
                    with catch_warnings(action="ignore"):  # both families have resnet50
                        assert str(NetSpec.parse(name, family)) == name
                found.add((command, family))
    small, large = ("degradation", "flow", "landscape"), ("finetune", "classify")
    assert found == {
        *((command, "cifar") for command in small),
        *((command, "imagenet") for command in large),
        *((command, "any") for command in ("export", "memory", "step", "summary")),
    }
