"""How quick is the laboratory: its start, its frames, its answers, and its training?

    python benchmarks/lab.py
    python benchmarks/lab.py --minutes 30

Starts `minires lab` several times and opens its page in Chromium: seconds from the command to the
first curves; frames that reach the page and training steps, a second; milliseconds from a click
on a shortcut to its mark on the curves, of clicks about a second apart, as a user's are. Then the
same two nets train without the laboratory, with the same threads, for the speed that is left to
it. Prints a table in Markdown and writes benchmarks/results/lab.json. With --minutes, one session
runs so long instead, and its memory is printed every minute: of the server, of the training
process, and of the page's objects, in MB.
"""

import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from common import RESULTS, machine, write
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from minires import get_num_threads
from minires.data import digits
from minires.experiments.degradation import Config
from minires.experiments.degradation.training import Trainings

NETS = "plain20,resnet20", "plain56,resnet56"
VIEWPORT = ViewportSize(width=1400, height=900)
ADDRESS = "net={}&batch={}"
ANSWER = """
() => new Promise((resolve) => {
  const curves = document.querySelector("#errors"), marks = curves.querySelectorAll(".mark").length;
  const began = performance.now();
  new MutationObserver((_, observer) => {
    if (curves.querySelectorAll(".mark").length === marks) return;
    observer.disconnect();
    requestAnimationFrame(() => resolve(performance.now() - began));
  }).observe(curves, { childList: true, subtree: true });
  document.querySelector("#nets > section:nth-child(2) .arc").click();
})
"""


def step_of(page: Page) -> int:
    """The training step that the page shows."""
    found = re.search(r"step (\d+)", page.locator("#where").inner_text())
    return int(found[1]) if found else 0


@contextmanager
def laboratory(nets: str, batch: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the laboratory with two nets; inside, give its process and its URL."""
    command = [str(Path(sys.executable).with_name("minires")), "lab", ADDRESS.format(nets, batch)]
    lab = subprocess.Popen([*command, "--no-open"], stdout=subprocess.PIPE, text=True)
    assert lab.stdout is not None
    try:
        yield lab, lab.stdout.readline().split()[-1]
    finally:
        children = psutil.Process(lab.pid).children(recursive=True)
        lab.send_signal(signal.SIGINT)
        lab.wait(30)
        psutil.wait_procs(children, 30)


def session(browser: Browser, nets: str, batch: int, seconds: float) -> dict[str, Any]:
    """Start the laboratory with two nets, and measure for so many seconds."""
    began = time.perf_counter()
    with laboratory(nets, batch) as (_, url):
        page = browser.new_page(viewport=VIEWPORT, locale="en-GB")
        frames = 0

        def count(message: str | bytes) -> None:
            nonlocal frames
            frames += message[:1] == "F"

        page.on("websocket", lambda socket: socket.on("framereceived", count))
        page.goto(url)
        page.locator("#errors polyline").nth(1).wait_for(state="attached")
        first = time.perf_counter() - began
        page.wait_for_timeout(3000)
        frames = 0
        step, started = step_of(page), time.perf_counter()
        page.wait_for_timeout(1000 * seconds)
        taken = time.perf_counter() - started
        rates = frames / taken, (step_of(page) - step) / taken
        answers = []
        for _ in range(8):
            page.wait_for_timeout(random.uniform(700, 1300))  # at once it would meet the look again
            answers.append(page.evaluate(ANSWER))
        page.close()
    return {
        "first_curves_s": first,
        "frames_a_second": rates[0],
        "steps_a_second": rates[1],
        "answer_ms": statistics.median(answers),
        "longest_answer_ms": max(answers),
    }


def alone(nets: str, batch: int, seconds: float) -> float:
    """Return the training steps a second of both nets in turn, without the laboratory."""
    config = Config(nets=tuple(nets.split(",")), batch=batch, epochs=1000)
    trainings = Trainings(config, config.prepare(digits()))
    runs = [trainings.steps(trainings.trainer(0, spec)) for spec in config.specs]
    for run in runs:
        next(run)
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        for run in runs:
            next(run)
        count += 1
    return count / (time.perf_counter() - started)


def memory(browser: Browser, nets: str, batch: int, minutes: int) -> None:
    """Print the memory of a session's processes and of its page, in MB, every minute."""
    print("| minute | step | server | training | page |\n|---|---|---|---|---|", flush=True)
    with laboratory(nets, batch) as (lab, url):
        page = browser.new_page(viewport=VIEWPORT, locale="en-GB")
        page.goto(url)
        chrome = page.context.new_cdp_session(page)
        chrome.send("Performance.enable")
        server = psutil.Process(lab.pid)
        for minute in range(1, minutes + 1):
            page.wait_for_timeout(60_000)
            chrome.send("HeapProfiler.collectGarbage")
            metrics = chrome.send("Performance.getMetrics")["metrics"]
            heap = next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize")
            training = max(child.memory_info().rss for child in server.children())
            sizes = (server.memory_info().rss, training, heap)
            row = " | ".join(f"{size / 1e6:.1f}" for size in sizes)
            print(f"| {minute} | {step_of(page)} | {row} |", flush=True)
        page.close()


def main(
    seconds: Annotated[float, typer.Option(help="To measure rates for.")] = 15,
    rounds: Annotated[int, typer.Option(help="Sessions of each pair of nets.")] = 3,
    batch: Annotated[int, typer.Option(help="Images of a training step.")] = 32,
    minutes: Annotated[int, typer.Option(help="Measure memory for so long instead.")] = 0,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "lab.json",
) -> None:
    """Measure sessions of two nets of 20 layers, and of 56."""
    found: dict[str, dict[str, Any]] = {}
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        if minutes:
            memory(browser, NETS[0], batch, minutes)
            browser.close()
            return
        for nets in NETS:
            turns = []
            for _ in range(rounds):
                turn = session(browser, nets, batch, seconds)
                turn["of_its_speed_alone"] = turn["steps_a_second"] / alone(nets, batch, seconds)
                turns.append(turn)
            found[nets] = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
        browser.close()
    print(f"| | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
    for key in turns[0]:
        print(f"| {key} | {' | '.join(f'{of[key]:.3g}' for of in found.values())} |")
    write(out, machine(get_num_threads()), batch=batch, seconds=seconds, sessions=found)


if __name__ == "__main__":
    typer.run(main)
