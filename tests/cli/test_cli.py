"""The command line as a user meets it: its output, its exit code, how it is stopped."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import ENVIRONMENT, TINY, fails, in_a_process, minires, start, wait_for
from standin import standin

from minires import cli
from minires.models import NetSpec
from minires.train import Trainer, out_of_memory


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    parent = tmp_path_factory.mktemp("cli")
    result = in_a_process(*TINY, cwd=parent)
    assert result.returncode == 0, result.stderr
    return parent, result


def test_a_run_without_out_makes_a_folder_of_its_own(finished):
    parent, result = finished
    assert (parent / "runs" / "degradation-1" / "summary.md").exists()
    assert "resnet8   seed 0  epoch 1" in result.stdout
    assert "figure: runs/degradation-1/degradation.png" in result.stdout


def test_a_second_run_gets_a_second_folder(finished):
    parent, _ = finished
    assert minires(*TINY, cwd=parent).returncode == 0
    assert (parent / "runs" / "degradation-2" / "summary.md").exists()


def test_plot_draws_again_from_the_files(finished):
    parent, _ = finished
    figure = parent / "runs" / "degradation-1" / "degradation.png"
    before = figure.read_bytes()
    figure.unlink()
    assert minires("plot", "runs/degradation-1", cwd=parent).returncode == 0
    assert figure.read_bytes()[:4] == before[:4] == b"\x89PNG"


def test_plot_puts_several_runs_in_one_figure(finished):
    parent, _ = finished
    run = "runs/degradation-1"
    assert minires("plot", run, run, "--out", "both.png", cwd=parent).returncode == 0
    assert (parent / "both.png").read_bytes().startswith(b"\x89PNG")
    assert minires("plot", run, "--out", "one.svg", cwd=parent).returncode == 0
    assert b"<svg" in (parent / "one.svg").read_bytes()
    fails(minires("plot", run, "--out", "one.gif", cwd=parent), 2, "must end in .png, .svg, .pdf")
    fails(minires("plot", run, run, cwd=parent), 2, "say where to write it with --out")
    fails(minires("plot", "nowhere", cwd=parent), 2, "there is no run in nowhere")


def test_plot_says_what_a_run_without_an_epoch_is(tmp_path):
    diverged = minires(*TINY, "--lr", "1e30", "--out", "run", cwd=tmp_path)
    fails(diverged, 1, "the loss is nan")
    fails(minires("plot", "run", cwd=tmp_path), 2, "the run in run has no finished epoch to draw")


def test_names_that_are_no_text_are_drawn(finished):
    parent, _ = finished
    strange = Path(os.fsdecode(b"\xff\x1b$x$"))
    shutil.copytree(parent / "runs" / "degradation-1", parent / strange)
    result = in_a_process("plot", strange, "runs/degradation-1", "--out", "strange.svg", cwd=parent)
    assert result.returncode == 0, result.stderr
    assert "\\udcff\\x1b$x$" in (parent / "strange.svg").read_text()
    weights = next((parent / strange / "weights").iterdir())
    weights.rename(weights.with_name(strange.name))
    how = ("--batch", "2", "--size", "8", "--weights", weights.with_name(strange.name))
    result = minires("step", "resnet8", *how, cwd=parent)
    assert result.returncode == 0, result.stderr
    assert "with the weights of \\udcff\\x1b$x$;" in (parent / "step.html").read_text("utf-8")


def test_plot_draws_published_curves_beside_runs_like_theirs_alone(finished):
    parent, _ = finished
    run = parent / "runs" / "degradation-1"
    said = (
        "curves are those of CIFAR-10 by the paper's schedule; the run in .* is on digits by the q"
    )
    fails(minires("plot", run, "--published", cwd=parent), 2, said)
    shutil.copytree(run, parent / "paper")
    config = parent / "paper" / "config.json"
    papers = {"dataset": "cifar10", "schedule": "paper", "epochs": None}
    facts = json.loads(config.read_text()) | papers
    config.write_text(json.dumps(facts))
    figure = ("--published", "--out", "paper.svg")
    assert minires("plot", "paper", *figure, cwd=parent).returncode == 0
    others = {"epochs": 3, "lr": 0.2, "batch": 64, "validation": True}
    config.write_text(json.dumps(facts | others))
    said = (
        "by the paper schedule, of 3 epochs, with a learning rate of 0.2, at batch 64, "
        "on a validation split"
    )
    fails(minires("plot", "paper", *figure, cwd=parent), 2, said)


@pytest.mark.parametrize("command", ["degradation", "flow", "landscape", "gradcheck"])
def test_a_backend_that_is_not_there_gets_a_sentence(tmp_path, command):
    said = "backend 'tpu'.*there are: numpy, cupy"
    fails(minires(command, "--backend", "tpu", cwd=tmp_path), 2, said)
    said = f"MINIRES_BACKEND=tpu in the environment: {said}"
    fails(minires(command, cwd=tmp_path, MINIRES_BACKEND="tpu"), 2, said)
    assert not list(tmp_path.iterdir())


def test_a_table_of_tuning_constants_that_is_not_there_gets_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("minires.kernels.cpu.tuning._ASKED", "fastest")
    for command in ("degradation", "gradcheck"):
        fails(minires(command, cwd=tmp_path), 2, "MINIRES_TUNING=fastest in the environment")
    assert not list(tmp_path.iterdir())


def test_an_existing_run_is_not_overwritten(finished):
    parent, _ = finished
    history = parent / "runs" / "degradation-1" / "history.csv"
    before = history.read_bytes()
    result = minires(*TINY, "--out", "runs/degradation-1", cwd=parent)
    fails(result, 2, "runs/degradation-1 is not empty; add --resume")
    assert history.read_bytes() == before


def test_resume_with_another_configuration_is_an_error(finished):
    parent, _ = finished
    out = ("--resume", "--out", "runs/degradation-1")
    fails(minires(*TINY[:3], *out, "--lr", "0.7", cwd=parent), 2, "but 0.7 was")
    assert minires("degradation", *out, cwd=parent).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--nets", "plain21"), 2, r"no net 'plain21'; expected plain or resnet and a depth of 6n"),
        (("--seeds", "0,x"), 2, "'--seeds': must be integers with commas between, got '0,x'"),
        (("--epochs", "0"), 2, "epochs must be at least 1, got 0"),
        (("--batch", "1"), 2, "batch must be at least 2, got 1"),
        (("--batch", "1000000", "--nets", "resnet110"), 2, "resnet110 at batch 1000000 would need"),
        (("--checkpoint-every", "0"), 2, "checkpoint_every must be at least 1, got 0"),
        (("--epochs", "many"), 2, "'--epochs': expected an integer, got 'many'"),
        (("--lr", "fast"), 2, "'--lr': expected a number, got 'fast'"),
        (("--dataset", "mnist"), 2, "no dataset 'mnist'; there are: digits, cifar10"),
        (("--dataset", "cifar10"), 2, "cifar10 needs --data-dir"),
        (("--dataset", "cifar10", "--data-dir", "nowhere"), 2, "there is no data folder nowhere"),
        (("--schedule", "slow"), 2, "no schedule 'slow'"),
        (("--backend", "tpu"), 2, "no backend 'tpu'"),
        (("--resume",), 2, "--resume needs --out"),
        (("--resume", "--out", "nowhere"), 2, "there is no run in nowhere"),
        (("--out", "file/run"), 1, "file/run cannot be written: Not a directory"),
        (("--dataset", "cifar10", "--data-dir", "a" * 300), 2, "there is no data folder aaaa"),
    ],
)
def test_mistakes_get_a_sentence(tmp_path, arguments, code, sentence):
    (tmp_path / "file").write_text("")
    fails(minires("degradation", *arguments, cwd=tmp_path), code, sentence)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_without_permission_to_write_is_a_sentence(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    fails(minires(*TINY, "--out", "run", cwd=tmp_path), 1, "cannot be written: Permission denied")


def test_a_loss_that_is_no_number_is_a_sentence(tmp_path):
    result = minires(*TINY, "--lr", "1e30", "--out", "run", cwd=tmp_path)
    fails(result, 1, r"resnet8, seed 0: the loss is \w+ at iteration \d+: \w+ \(.*blocks|cifar.py")


LONGER = ("degradation", "--nets", "plain8,resnet14", "--epochs", "3", "--out", "run")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    parent = tmp_path_factory.mktemp("unbroken")
    assert in_a_process(*LONGER, cwd=parent).returncode == 0
    return parent / "run"


def same(a, b):
    """Two runs have the same history, but for the seconds, and the same weights."""
    one, other = (
        [line.rsplit(",", 1)[0] for line in (run / "history.csv").read_text().splitlines()]
        for run in (a, b)
    )
    assert len(one) == 7
    assert one == other
    for path in (a / "weights").iterdir():
        assert path.read_bytes() == (b / "weights" / path.name).read_bytes()


def test_killed_again_and_again_a_run_ends_as_an_unbroken_one(unbroken, tmp_path):
    process = start(LONGER, tmp_path)
    wait_for(tmp_path / "run" / "config.json", process)
    for pause in (0.0, 0.9, 1.3, 1.7):
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        process = start(("degradation", "--resume", "--out", "run"), tmp_path)
    process.communicate()
    assert process.returncode == 0
    same(unbroken, tmp_path / "run")


def test_ctrl_c_leaves_the_figure_so_far_and_says_how_to_resume(unbroken, tmp_path):
    process = start((*LONGER, "--until", "99"), tmp_path)
    wait_for(tmp_path / "run" / "history.csv", process)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "resume with: minires degradation --resume --out run --until 99\n" in output
    assert "Traceback" not in errors
    assert (tmp_path / "run" / "degradation.png").exists()
    assert in_a_process("degradation", "--resume", "--out", "run", cwd=tmp_path).returncode == 0
    same(unbroken, tmp_path / "run")


@pytest.mark.parametrize("where", ["learn", "test"])
def test_out_of_memory_a_run_keeps_what_it_has_and_says_how_to_resume(monkeypatch, tmp_path, where):
    calls = []

    def runs_out(trainer, *arguments):
        calls.append(trainer.iteration)
        if len(calls) == 1 + (45 if where == "learn" else 1):
            raise MemoryError("Out of memory allocating 512 bytes")
        return method(trainer, *arguments)

    method = getattr(Trainer, where)
    monkeypatch.setattr(Trainer, where, runs_out)
    monkeypatch.setattr(out_of_memory, "available", lambda _: 10_000_000)
    said = r"not enough memory .*\(Out of memory allocating 512 bytes\); "
    said += r"a batch of \d+ would fit; " if where == "learn" else ""
    said += r"what is saved stays: .*, resume with: minires degradation --resume --out run$"
    run = ("degradation", "--nets", "resnet8", "--epochs", "2", "--out", "run")
    fails(minires(*run, cwd=tmp_path), 1, said)
    before = calls.copy()
    assert minires("degradation", "--resume", "--out", "run", cwd=tmp_path).returncode == 0
    assert calls[len(before)] >= 45  # the first epoch is not trained again
    lines = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in lines[1:]] == ["45", "90"]


GPU_RUN = ("degradation", "--backend", "cupy", "--out", "run")


def no_memory(*_, **__):
    raise MemoryError("Out of memory allocating 512 bytes")


@pytest.mark.parametrize(
    ("change", "options", "code", "said"),
    [
        (lambda c: setattr(c, "ones", no_memory), (), 1, "the GPU is taken by other processes"),
        (
            lambda c: setattr(c.cuda.runtime, "memGetInfo", lambda: (40_000_000, 80 << 30)),
            ("--nets", "plain8,resnet56", "--batch", "128"),
            *(2, r"resnet56 at batch 128 .* 40 MB are free on the GPU; .* and a batch of \d+ fits"),
        ),
        (
            lambda c: setattr(c.cuda.Device, "compute_capability", "61"),
            *((), 1, "capability 6.1, and minires' kernels need 7.0"),
        ),
        (
            lambda c: setattr(c.cuda.Device, "compute_capability", "75"),
            *(("--tf32",), 1, r"TF32 needs .* 8\.0 .* has 7\.5; compute without tf32"),
        ),
    ],
    ids=["taken", "too small", "too old", "too old for TF32"],
)
def test_a_gpu_that_will_not_do_gets_a_sentence_and_leaves_nothing(
    tmp_path, change, options, code, said
):
    with standin() as cupy:
        change(cupy)
        fails(minires(*GPU_RUN, *options, cwd=tmp_path), code, said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        *(("summary", "resnet20"), ("step", "resnet20"), ("landscape", "--nets", "plain8")),
        ("flow", "--nets", "plain8,resnet8"),
    ],
    ids=lambda command: command[0],
)
def test_no_memory_for_a_model_is_a_sentence(tmp_path, monkeypatch, command):
    monkeypatch.setattr(NetSpec, "build", no_memory)
    said = r"there is not enough memory \(Out of memory allocating 512 bytes\)"
    fails(minires(*command, cwd=tmp_path), 1, said)


def test_pythons_own_lack_of_memory_has_no_empty_brackets(tmp_path, monkeypatch):
    def nothing(*_, **__):
        raise MemoryError

    monkeypatch.setattr(NetSpec, "build", nothing)
    fails(minires("summary", "resnet20", cwd=tmp_path), 1, r"there is not enough memory$")


def test_version_and_help():
    assert re.match(r"minires \d+\.\d+", in_a_process("--version").stdout)
    text = minires("degradation", "--help", cwd=".").stdout
    for option in (
        *("--dataset", "--data-dir", "--nets", "--epochs", "--schedule", "--seeds"),
        *("--backend", "--out", "--resume"),
    ):
        assert option in text


def test_gradcheck_prints_a_table_of_every_operation():
    result = minires("gradcheck", cwd=".")
    assert result.returncode == 0, result.stdout
    for name in ("Conv2d", "BatchNorm", "MaxPool2d", "CrossEntropy", "Add"):
        assert name in result.stdout


def test_gradcheck_fails_where_a_backward_is_wrong():
    script = (
        "from minires.ops.relu import ReLU\n"
        "ReLU.backward = lambda self, gy: gy * 1.001\n"
        "from minires.cli import main\n"
        "main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, "gradcheck"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "checks failed" in result.stderr
    assert "ReLU (residual addition relu(x + relu(x))), input 0, element (" in result.stderr


FLOW = ("flow", "--nets", "plain8,resnet8", "--steps", "1", "--size", "8", "--only", "flow,paths")


def test_flow_leaves_figures_tables_and_a_summary_in_a_folder_of_its_own(tmp_path):
    result = minires(*FLOW, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert {p.name for p in (tmp_path / "runs" / "flow-1").iterdir()} == {
        *("flow.png", "flow.csv", "paths.png", "paths.csv", "summary.md", "config.json"),
        "depth.png",
    }
    assert "flow: 20 measurements" in result.stdout
    figures = "figures: runs/flow-1/depth.png, runs/flow-1/flow.png, runs/flow-1/paths.png"
    assert figures in " ".join(result.stdout.split())
    assert result.stderr == ""
    again = minires(*FLOW[:-1], "paths", cwd=tmp_path)
    assert "figure: runs/flow-2/paths.png" in again.stdout
    assert (tmp_path / "runs" / "flow-2" / "paths.png").exists()
    fails(minires(*FLOW, "--out", "runs/flow-1", cwd=tmp_path), 2, "runs/flow-1 is not empty")


def test_flow_takes_the_nets_of_a_run(finished, tmp_path):
    run = finished[0] / "runs" / "degradation-1"
    only = ("--only", "responses,paths", "--run", run)
    result = minires("flow", *only, "--out", "of-a-run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "In resnet8 after training" in " ".join(result.stdout.split())
    fails(
        minires("flow", *only, "--nets", "resnet14", "--out", "other", cwd=tmp_path),
        2,
        "has no trained resnet14, seed 0; it has resnet8-seed0",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--nets", "plain21"), 2, r"no net 'plain21'; expected plain or resnet"),
        (("--nets", "plain20"), 2, "paths are those of residual nets, but the nets are plain20"),
        (("--nets", "resnet8,preact11"), 2, "but preact11 normalises before its layers; leave it"),
        (("--only", "flows"), 2, "no figure 'flows'; there are: flow, responses, shattered, paths"),
        (("--steps", "some"), 2, "'--steps': expected an integer, got 'some'"),
        (("--steps", "-1"), 2, "steps must be at least 0, got -1"),
        (("--seed", "-1"), 2, "seeds must be at least 0, got -1"),
        (("--size", "12"), 2, "can be enlarged to a multiple of that; got 12"),
        (("--dataset", "mnist"), 2, "no dataset 'mnist'"),
        (("--dataset", "cifar10"), 2, "cifar10 needs --data-dir"),
        (("--run", "nowhere"), 2, "there is no run in nowhere"),
        (("--out", "file/flow"), 1, "file/flow cannot be (read|written): Not a directory"),
    ],
)
def test_mistakes_in_flow_get_a_sentence(tmp_path, arguments, code, sentence):
    (tmp_path / "file").write_text("")
    fails(minires("flow", *arguments, cwd=tmp_path), code, sentence)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_command_is_imported_alone_and_every_one_is_known():
    code = (
        "import sys; sys.argv[1:] = ['plot']; import minires.cli as cli; "
        "print(*(n for n in cli._COMMANDS if f'minires.cli.{n}' in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "plot\n"
    sources = Path(cli.__file__).parent.glob("*.py")
    commands = {path.stem for path in sources if "\n@command(" in path.read_text("utf-8")}
    assert set(cli._COMMANDS) == commands
