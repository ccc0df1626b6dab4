"""The server: this machine alone, by its token, from its own page; two pages share a session."""

import http.client
import json
import re
import time
from contextlib import ExitStack, closing, suppress
from urllib.parse import urlsplit

import pytest

pytest.importorskip("uvicorn", reason="the laboratory's server")
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from minires.lab.server import Served
from minires.lab.web import LARGEST

SMALL = "net=plain8,resnet8&images=48&batch=8"


@pytest.fixture(scope="module")
def served():
    lab = Served(SMALL)
    lab.start()
    yield lab
    lab.stop()
    assert not lab.training.process.is_alive()


def get(served, path="", **headers):
    url = urlsplit(served.url)
    return at(url, url.path + path, headers)


def at(url, path, headers):
    with closing(http.client.HTTPConnection(url.hostname, url.port, timeout=30)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()


def live(served, origin=None):
    url = urlsplit(served.url)
    origin = origin or f"http://{url.netloc}"
    path = f"ws://{url.netloc}{url.path}live"
    return connect(path, origin=origin, proxy=None)


def until(page, kind, condition=lambda value: True):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        text = page.recv(timeout=60)
        if text[0] == kind and condition(value := json.loads(text[1:])):
            return value
    raise AssertionError(f"no {kind} came")


def test_the_page_and_its_files_are_small_and_safe(served):
    total, wanted = 0, ["", "palette.css", "en.json", "zh.json", "guides.json"]
    answer, index = get(served)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    wanted += re.findall(r'(?:href|src)="([\w.]+)"', index.decode())
    while wanted:
        name = wanted.pop()
        answer, content = get(served, name)
        assert answer.status == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        total += len(content)
        if name.endswith(".js"):
            assert "javascript" in answer.headers["Content-Type"]
            wanted += re.findall(r'from "./([\w.]+)"', content.decode())
    assert total < 400_000


def test_the_walk_is_a_page_with_a_policy_of_its_own_that_the_page_alone_may_frame(served):
    assert get(served, "walk")[0].status == 404
    with live(served) as page:
        page.send(json.dumps({"do": "walk", "shown": True}))
        until(page, "F", lambda frame: frame["walk"])
        answer, content = get(served, "walk?1")
        page.send(json.dumps({"do": "run", "running": True}))
    assert answer.status == 200
    assert "html" in answer.headers["Content-Type"]
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"default-src 'none'; style-src 'sha256-" in content
    assert b"at initialisation" in content or b"steps of training" in content
    assert "frame-src 'self'" in get(served)[0].headers["Content-Security-Policy"]


def test_without_the_token_there_is_nothing(served):
    url = urlsplit(served.url)
    for path in ("/", "/index.html", "/live", "/wrong/", f"{url.path[:-2]}/"):
        assert at(url, path, {})[0].status == 404
    assert get(served, "..%2f..%2fserver.py")[0].status == 404
    with pytest.raises(InvalidStatus):
        connect(f"ws://{url.netloc}/live", origin=f"http://{url.netloc}", proxy=None)


def test_other_pages_and_other_hosts_are_turned_away(served):
    url = urlsplit(served.url)
    for origin in ("http://example.org", f"https://{url.netloc}", "null", "http://127.0.0.1"):
        with pytest.raises(InvalidStatus), live(served, origin):
            pass
    assert get(served, Host="example.org")[0].status == 400


def test_two_pages_share_a_session_and_a_slow_one_gets_the_newest(served):
    with live(served) as first, live(served) as second:
        assert until(first, "S")["number"] == until(second, "S")["number"]
        first.send(json.dumps({"do": "operate", "net": 1, "kind": "branch", "path": "layer1.0"}))
        until(second, "F", lambda frame: len(frame["surgeries"]) == 1)
        before = until(second, "F")["step"]
        until(first, "F", lambda frame: frame["step"] > before + 30)
        first.send(json.dumps({"do": "undo"}))
        until(second, "F", lambda frame: not frame["surgeries"])


def test_a_page_that_comes_later_is_told_everything_but_old_notices(served):
    with live(served) as page:
        page.send("nonsense")
        assert until(page, "N")["kind"] == "error"
    with live(served) as page:
        kinds = {page.recv(timeout=60)[0] for _ in range(3)}
    assert {"S", "F"} <= kinds
    assert "N" not in kinds


def test_the_first_page_is_told_what_went_wrong_before_it_came():
    lab = Served("dataset=cifar10&net=plain8,resnet8")
    lab.start()
    try:
        deadline = time.monotonic() + 60
        while not lab.training.latest["N"][0] and time.monotonic() < deadline:
            time.sleep(0.05)
        with live(lab) as page:
            assert "cifar10 needs" in until(page, "N")["text"]
        with live(lab) as page:
            assert "N" not in {page.recv(timeout=60)[0] for _ in range(3)}
    finally:
        lab.stop()


def test_a_message_that_is_too_large_closes_the_page_alone(served):
    with live(served) as page:
        page.send("x" * (LARGEST + 1))
        with pytest.raises(ConnectionClosed):
            until(page, "Z")
    with live(served) as page:
        until(page, "F")


def test_a_page_too_many_is_turned_away(served):
    with ExitStack() as pages:
        for _ in range(16):
            pages.enter_context(live(served))
        with live(served) as page, pytest.raises(ConnectionClosed):
            page.recv(timeout=60)
        assert page.close_code == 1013
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(ConnectionClosed), live(served) as page:
            until(page, "F")
            return
        time.sleep(0.1)
    raise AssertionError("no page was let in again")
