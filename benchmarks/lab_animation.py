"""Make the animation of the laboratory at the top of README.

    python benchmarks/lab_animation.py

Starts the laboratory, opens its page in Chromium, and takes a screenshot every few training steps;
half way it cuts three shortcuts of the residual net. Writes benchmarks/results/lab/lab.gif, and the
last screenshot as lab.png.
"""

import shutil
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer
from common import RESULTS
from lab import step_of
from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from minires.lab.server import Served

SIZE = ViewportSize(width=1200, height=1120)
PLAYED = 140, 2000  # ms that a frame and the last one are shown
COLOURS = 128
CUT = (2, 5, 7)  # which shortcuts


def screenshots(page: Page, count: int, every: int) -> list[Image.Image]:
    """Return so many screenshots of the page, so many training steps apart."""
    taken: list[Image.Image] = []
    arcs = page.locator("#nets > section:nth-child(2) .arc")
    while len(taken) < count:
        if step_of(page) < every * (len(taken) + 1):
            page.wait_for_timeout(10)
            continue
        taken.append(Image.open(BytesIO(page.screenshot())))
        if len(taken) == count // 2:
            for number in CUT:
                arcs.nth(number).evaluate("arc => arc.click()")  # without scrolling
    return taken


def main(
    count: Annotated[int, typer.Option(help="Screenshots.")] = 40,
    every: Annotated[int, typer.Option(help="Training steps between two of them.")] = 4,
    width: Annotated[int, typer.Option(help="Of the animation, in pixels.")] = 900,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "lab" / "lab.gif",
) -> None:
    """Write the animation and its last screenshot."""
    served = Served()
    served.start()
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, locale="en-GB", color_scheme="light")
        page.goto(served.url)
        taken = screenshots(page, count, every)
        browser.close()
    served.stop()
    taken[-1].save(out.with_suffix(".png"), optimize=True)
    size = width, width * SIZE["height"] // SIZE["width"]
    small = [shot.convert("RGB").resize(size, Image.Resampling.LANCZOS) for shot in taken]
    palette = small[-1].quantize(COLOURS, Image.Quantize.FASTOCTREE)
    frames = [shot.quantize(palette=palette, dither=Image.Dither.NONE) for shot in small]
    first, last = PLAYED
    durations = [first] * (len(frames) - 1) + [last]
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=durations, loop=0)
    print(f"{out}: {len(frames)} frames of {size[0]}x{size[1]}, {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    typer.run(main)
