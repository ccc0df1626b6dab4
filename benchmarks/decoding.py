"""Does decoding keep up, so that a net does not wait for its images?

    python benchmarks/decoding.py

JPEGs of the size of ImageNet's, 500x375 pixels and some 100 kB, made up; a resnet18 at 224x224 as
`minires finetune --freeze` trains it: random crops, the frozen stages forward, a step of the last
layer. An epoch from the files, with two worker processes, takes turns with one whose images lie
in memory already. Prints and writes to benchmarks/results/decoding.json: the share of the time that
was spent waiting for images, and how much longer an epoch from files takes.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from common import RESULTS, machine, write
from PIL import Image

import minires
from minires.optim import StepSchedule
from minires.train import Recipe, Trainer
from minires.vision import FolderImages, image_folder
from minires.vision.finetune.features import FrozenFeatures
from minires.vision.finetune.model import split
from minires.vision.folder_images import WORKERS

BATCH = 32


def write_images(root: Path, n: int) -> float:
    """n images of two classes: coarse shapes with fine grain; their mean size in bytes."""
    rng = np.random.default_rng(0)
    sizes = []
    for k in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        shapes = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC)).astype(float)
        pixels = (shapes + rng.normal(0, 9, shapes.shape)).clip(0, 255).astype(np.uint8)
        path = root / ("even", "odd")[k % 2] / f"{k}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=90)
        sizes.append(path.stat().st_size)
    return statistics.mean(sizes)


class InMemory(FolderImages):
    """The same, but decoded beforehand."""

    def decode(self, epoch: int) -> None:
        """Decode an epoch."""
        self.batches = list(super().training_batches(BATCH, 0, epoch))

    def training_batches(
        self, batch_size: int, seed: int, epoch: int, first: int = 0
    ) -> Iterator[tuple[Any, Any]]:
        return iter(self.batches)


def trainer(images: FolderImages, epochs: int) -> Trainer:
    """As `minires finetune --freeze` trains, without validation."""
    minires.manual_seed(0)
    frozen, last = split(minires.models.resnet18(num_classes=2), 0)
    source = FrozenFeatures(images, frozen)
    iterations = epochs * -(-images.train_size // BATCH)
    recipe = Recipe(BATCH, 0.001, iterations, weight_decay=0.0)
    made = Trainer("resnet18", last, source, recipe, StepSchedule(recipe.lr), seed=0)
    made.test_error = lambda: 0.0  # type: ignore[method-assign]
    return made


def epoch(steps: Iterator[Any]) -> float:
    """The seconds until the next row of the history."""
    started = time.perf_counter()
    for progress in steps:
        if progress.row:
            break
    return time.perf_counter() - started


def main(
    images: Annotated[int, typer.Option(help="How many.")] = 320,
    rounds: Annotated[int, typer.Option(help="Epochs of each kind.")] = 3,
    threads: Annotated[int, typer.Option(help="For the net.")] = 2,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "decoding.json",
) -> None:
    """Measure how long a net waits for its images."""
    minires.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as place:
        size = write_images(Path(place), images)
        folder = image_folder(place, 0.01)
        with FolderImages(folder) as from_files, InMemory(folder) as in_memory:
            steps = [trainer(p, rounds + 1).run() for p in (from_files, in_memory)]
            seconds: list[tuple[float, float]] = []
            waited = []
            for number in range(rounds + 1):
                before = from_files.waited
                a = epoch(steps[0])
                waited.append(from_files.waited - before)
                in_memory.decode(number)
                seconds.append((a, epoch(steps[1])))
    seconds, waited = seconds[1:], waited[1:]  # the first starts the processes
    share = sum(waited) / sum(a for a, _ in seconds)
    ratio = statistics.median(b / a for a, b in seconds)
    print(f"{images} images of {size / 1000:.0f} kB, {WORKERS} workers, {threads} threads")
    print(f"an epoch: {statistics.median(a for a, _ in seconds):.2f} s")
    print(f"waiting for images: {100 * share:.1f} % of the time")
    print(f"an epoch with images in memory takes {100 * ratio:.0f} % of that from files")
    epochs = [
        {"files_s": a, "memory_s": b, "waited_s": w}
        for (a, b), w in zip(seconds, waited, strict=True)
    ]
    facts = machine(threads)
    measured = {"images": images, "mean_bytes": size, "workers": WORKERS, "epochs": epochs}
    write(out, facts, **measured, waiting_share=share, memory_over_files=ratio)


if __name__ == "__main__":
    typer.run(main)
