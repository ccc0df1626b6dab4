"""The training process obeys commands between two training steps, and says where it is."""

import json
import subprocess
import sys
import threading
import time
from multiprocessing import Pipe
from types import ModuleType, SimpleNamespace

import pytest

from minires import data
from minires.errors import UsageError
from minires.experiments.degradation.trained import weights_path
from minires.lab import Session, worker
from minires.lab.process import TrainingProcess
from minires.lab.saving import save, script
from minires.lab.worker import Worker
from minires.runs import RunFolder, read_history

SMALL = "net=plain8,resnet8&images=48&batch=8"
ENDS = "net=plain8,plain20&norm=0,0&lr=10,0.01&factor=3,10&images=48&batch=8"


class Training:
    """A worker in a thread of this process, and the other end of its connection."""

    def __init__(self, address):
        self.connection, other = Pipe()
        self._thread = threading.Thread(target=self._serve, args=(other, address))
        self._thread.start()

    @staticmethod
    def _serve(connection, address):
        try:
            Worker(connection, address, data.load).serve()
        except (EOFError, OSError):
            connection.close()

    def command(self, name, **fields):
        self.connection.send_bytes(json.dumps({"do": name, **fields}).encode())

    def until(self, kind, condition=lambda value: True):
        """The first message of a kind that fulfils a condition."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.connection.poll(60)
            text = self.connection.recv_bytes().decode()
            if text[0] == kind and condition(value := json.loads(text[1:])):
                return value
        raise AssertionError(f"no {kind} came")

    def close(self):
        self.connection.close()
        self._thread.join()


@pytest.fixture
def training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Training(SMALL)
    yield made
    made.close()


def test_it_trains_at_once_pauses_and_walks_step_by_step(training):
    assert training.until("S")["number"] == 1
    training.until("F", lambda frame: frame["step"] >= 3)
    training.command("run", running=False)
    paused = training.until("F", lambda frame: not frame["running"])
    training.command("step")
    assert training.until("F")["step"] == paused["step"] + 1
    training.command("step")
    assert training.until("F")["step"] == paused["step"] + 2
    training.command("run", running=True)
    training.until("F", lambda frame: frame["step"] > paused["step"] + 4)


def test_the_walk_is_recorded_again_when_the_step_that_comes_is_another(training):
    training.command("walk", shown=True)
    paused = training.until("F", lambda frame: not frame["running"])
    assert paused["walk"] == 0, "it says that it pauses before it records"
    assert training.until("F", lambda frame: frame["walk"] == 1)["step"] == paused["step"]
    training.command("operate", net=1, kind="gradient", path="layer1.0.Add", value=0)
    training.until("F", lambda frame: frame["walk"] == 2 and len(frame["surgeries"]) == 1)
    training.command("step")
    training.until("F", lambda frame: frame["walk"] == 3 and frame["step"] == paused["step"] + 1)
    training.command("undo")
    training.until("F", lambda frame: frame["walk"] == 4 and not frame["surgeries"])
    training.command("operate", net=1, kind="gradient", path="layer1.0.Sum", value=0)
    assert "gradient of resnet8 is for" in training.until("N")["text"]
    training.command("walk", shown=False)
    training.until("F", lambda frame: frame["walk"] == 0 and not frame["running"])
    training.command("walk", shown=True)
    training.until("F", lambda frame: frame["walk"] == 5)
    training.command("run", running=True)
    training.until("F", lambda frame: frame["walk"] == 0 and frame["running"])
    training.command("walk", shown=True)
    training.until("F", lambda frame: frame["walk"] == 6)
    training.command("open", address=SMALL)
    training.until("F", lambda frame: frame["walk"] == 0 and frame["running"])
    training.command("walk", shown="yes")
    assert "shown" in training.until("N")["text"]


def test_the_first_look_comes_after_a_step_has_been_shown(training):
    """A look takes as long as a step: the curves are not to wait for it."""
    frames = []
    while (text := training.connection.recv_bytes().decode())[0] != "L":
        if text[0] == "F":
            frames.append(json.loads(text[1:])["step"])
    assert frames[0] == 0
    assert frames[-1] >= 1


def test_the_end_of_both_nets_is_told_though_no_frame_is_due(training, monkeypatch):
    monkeypatch.setattr(worker, "_FRAME", 60.0)
    training.command("open", address=ENDS)
    frame = training.until("F", lambda frame: all(net["ended"] for net in frame["nets"]))
    look = training.until("L", lambda look: look["number"] == frame["number"])
    assert look["step"] == frame["step"]


def test_surgery_is_seen_in_the_next_frame_and_undone(training):
    training.command("run", running=False)
    before = training.until("F", lambda frame: not frame["running"])
    training.command("operate", net=1, kind="shortcut", path="layer2.0", value=0)
    frame = training.until("F")
    assert frame["nets"][1]["edits"][1]["shortcut"] is False
    assert frame["surgeries"][0]["step"] == before["step"]
    assert frame["undo"]
    assert f"at={before['step']}:1:shortcut:layer2.0:0" in frame["address"]
    training.command("undo")
    frame = training.until("F")
    assert frame["address"] == before["address"]
    assert not frame["undo"]


def test_without_its_guide_a_session_goes_on(training):
    training.command("open", address=f"{SMALL}&guide=5")
    frame = training.until("F", lambda frame: frame["number"] == 2 and frame["step"] > 1)
    assert frame["address"].endswith("&guide=5")
    training.command("free")
    later = training.until("F", lambda later: "guide" not in later["address"])
    assert later["number"] == 2
    assert later["step"] >= frame["step"]


def test_a_session_that_is_opened_has_a_scene_of_its_own(training):
    training.command("open", address="net=resnet8&images=48&batch=8&lr=0.02")
    scene = training.until("S", lambda scene: scene["number"] == 2)
    assert [net["lr"] for net in scene["config"]["nets"]] == [0.02, 0.02]
    training.until("F", lambda frame: frame["number"] == 2 and frame["step"] > 0)
    training.command("image", number=7)
    training.until("L", lambda look: look["image"] == 7)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (b"", "there is no such command"),
        (b"\xff", "there is no such command"),
        (b"[" * 10_000, "there is no such command"),
        (b"[1]", "there is no such command"),
        (b'{"do": "serve"}', "there is no such command"),
        (b'{"do": "step", "more": 1}', "there is no such command"),
        (b'{"do": ["step"]}', "there is no such command"),
        (b'{"do": "open"}', "there is no such command"),
        (b'{"do": "open", "address": 3}', "an address is a text"),
        (b'{"do": "open", "address": "net=resnet9999"}', "the depth of resnet9999|no net"),
        (b'{"do": "open", "address": "dataset=cifar10"}', "cifar10 needs"),
        (b'{"do": "open", "address": "dataset=/etc"}', "dataset must be digits, cifar10, folder"),
        (b'{"do": "open", "address": "folder=/etc"}', "an address has net, "),
        (b'{"do": "image", "number": 40}', "the number of an image"),
        (b'{"do": "run", "running": "yes"}', "running must be True or False"),
        (b'{"do": "operate", "net": 5, "kind": "lr"}', "the net of a surgery"),
        (b'{"do": "operate", "net": 1, "kind": "init", "path": "x"}', "init of resnet8 is for"),
    ],
)
def test_what_is_no_command_is_answered_and_training_goes_on(training, command, message):
    frame = training.until("F")
    training.connection.send_bytes(command)
    notice = training.until("N")
    assert notice["kind"] == "error"
    assert any(part in notice["text"] for part in message.split("|"))
    training.until("F", lambda later: later["step"] > frame["step"])


def test_a_session_that_cannot_be_opened_begins_with_the_usual_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Training("dataset=cifar10")
    assert made.until("S")["config"]["dataset"] == "digits"
    assert "cifar10 needs" in made.until("N")["text"]
    made.close()


def test_a_session_is_saved_as_a_run(training, tmp_path):
    training.command("save")
    assert "before the first epoch" in training.until("N")["text"]
    training.until("F", lambda frame: frame["nets"][1]["tests"])
    training.command("save")
    assert training.until("N") == {"kind": "saved", "text": "runs/lab-1"}
    _, facts = RunFolder.open(tmp_path / "runs" / "lab-1")
    assert facts["address"] == SMALL
    rows = read_history(tmp_path / "runs" / "lab-1" / "history.csv")
    assert {row.net for row in rows} == {"plain8", "resnet8"}
    assert weights_path(tmp_path / "runs" / "lab-1", "resnet8", 0).is_file()
    command = [sys.executable, "-m", "minires", "plot", "runs/lab-1", "--out", "again.svg"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "again.svg").is_file()


def test_frames_keep_their_rate_when_training_steps_do_not_divide_their_interval(monkeypatch):
    """Every 0.1 s with steps of 0.07 s: not every second step, which would be every 0.14 s."""
    now, due, frames = 0.0, 0.0, 0
    for _ in range(100):
        now += 0.07
        monkeypatch.setattr(worker, "time", SimpleNamespace(perf_counter=lambda now=now: now))
        if now >= due:
            due, frames = worker._next(due, now, 0.1), frames + 1
    assert frames == pytest.approx(70, abs=1)
    assert worker._next(0.0, now, 0.1) == now + 0.1  # a long delay is not made up for


def test_frames_and_looks_have_a_share_of_the_time_at_most(monkeypatch):
    monkeypatch.setattr(worker, "time", SimpleNamespace(perf_counter=lambda: 5.0))
    assert worker._next(4.0, 4.0, 0.1) == pytest.approx(4 + 1 / worker._SHARE)


def test_the_program_that_starts_training_is_not_run_again(tmp_path, monkeypatch):
    ran, script = tmp_path / "ran", tmp_path / "script.py"
    script.write_text(f"open({str(ran)!r}, 'w').close()")
    program = ModuleType("__main__")
    program.__file__ = str(script)
    monkeypatch.setitem(sys.modules, "__main__", program)
    training = TrainingProcess(SMALL, None)
    news = threading.Event()
    training.on_message(0, news.set)
    assert news.wait(60)
    training.close()
    assert training.latest["S"][0] == 1
    assert not ran.exists()
    assert sys.modules["__main__"] is program


def trained(address, steps):
    session = Session.open(address, data.load)
    for _ in session.run():
        if session.step == steps:
            return session
    raise AssertionError("both nets ended")


def test_two_nets_of_one_name_are_saved_as_two_runs(tmp_path):
    session = trained("net=resnet8&lr=0.01,0.02&images=16&batch=8", 2)
    folders = save(session, tmp_path)
    assert [folder.name for folder in folders] == ["lab-1", "lab-2"]
    assert all(len(read_history(folder / "history.csv")) == 1 for folder in folders)
    with pytest.raises(UsageError, match="before the first epoch"):
        save(Session.open("net=resnet8", data.load), tmp_path)


def test_the_script_computes_the_same(capsys):
    session = trained(SMALL, 10)
    session.operate(1, "shortcut", "layer1.0", 0)
    session = trained(session.address, 20)
    names = {}
    exec(script(session), names)
    again = names["session"]
    assert [t.curve for t in again.trainings] == [t.curve for t in session.trainings]
    assert again.address == session.address
    assert capsys.readouterr().out.startswith("10 plain8 ")
