"""The command and the notebook: errors before anything is started, an end without a trace."""

import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest
from typer.testing import CliRunner

from minires.cli import app
from minires.errors import RunError, UsageError
from minires.kernels import get_num_threads
from minires.lab.opening import open_lab, show
from minires.lab.server import Served
from minires.runs import RunFolder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"address": "net=resnet21"}, "no net 'resnet21'"),
        ({"address": "http://127.0.0.1:8/token/#net=resnet21"}, "no net 'resnet21'"),
        ({"port": 70_000}, "port must be"),
        ({"port": "80"}, "port must be"),
    ],
)
def test_what_cannot_be_opened_is_said_at_once(arguments, message):
    with pytest.raises(UsageError, match=message):
        open_lab(**arguments)


def test_without_a_web_server_there_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    monkeypatch.delitem(sys.modules, "minires.lab.web", raising=False)
    with pytest.raises(UsageError, match=r'needs a web server.*pip install "\.\[lab\]"'):
        open_lab()
    assert multiprocessing.active_children() == []


def test_a_port_that_is_taken_is_named():
    pytest.importorskip("uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=f"port {port} cannot be used"):
            open_lab(port=port)


def test_a_cell_of_a_notebook_shows_it():
    pytest.importorskip("uvicorn")
    shown = show("net=plain8,resnet8&images=16&batch=8", height=300)
    try:
        assert f'<iframe src="{shown.url}"' in shown._repr_html_()
        with urllib.request.urlopen(shown.url) as page:
            assert "frame-ancestors http://localhost:*" in page.headers["Content-Security-Policy"]
    finally:
        shown.stop()


def test_threads_are_those_that_the_nets_are_trained_with(tmp_path, monkeypatch):
    pytest.importorskip("uvicorn", reason="it needs a web server")
    monkeypatch.chdir(tmp_path)

    def save_and_end(served, show):
        news = threading.Event()
        served.training.on_message(0, news.set)
        while not served.training.latest["N"][1]:  # until the first epoch nothing is saved
            frame = served.training.latest["F"][1]
            if frame and json.loads(frame[1:])["step"] >= 2:
                served.training.command('{"do": "save"}')
            assert news.wait(60)
            news.clear()
        served.close()

    monkeypatch.setattr(Served, "run", save_and_end)
    before = get_num_threads()
    arguments = ["lab", "net=resnet8&images=16&batch=8", "--no-open", "--threads", "3"]
    CliRunner().invoke(app, arguments, catch_exceptions=False)
    _, facts = RunFolder.open(tmp_path / "runs" / "lab-1")
    assert facts["machine"]["threads"] == 3
    assert get_num_threads() == before


@pytest.mark.skipif(sys.platform == "win32", reason="there a signal ends a process")
def test_ctrl_c_ends_the_command_and_its_training(tmp_path):
    pytest.importorskip("uvicorn")
    command = [sys.executable, "-m", "minires", "lab", "--no-open", "net=plain8,resnet8"]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    with subprocess.Popen(command, **how, start_new_session=True) as process:
        url = re.fullmatch(r"laboratory: (http://127\S+/)\n", process.stdout.readline())[1]
        urllib.request.urlopen(url).close()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, while training only starts
        said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said.endswith("ended\n")
    assert complaints == ""
