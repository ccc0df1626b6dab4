"""Does fine-tuning reach what the same recipe reaches in PyTorch?

    python benchmarks/finetune.py --data-dir DIR     # CIFAR-10's binary files
    python benchmarks/finetune.py --dataset digits

A resnet18 learns the first half of the classes. Its weights are fine-tuned on a folder of images
of the other half, a few of each class, by `minires finetune`'s experiment and by PyTorch: the same
files, weights and recipe, each engine with its own decoding, order, chance and new last layer. The
PyTorch side is written out here, with Pillow alone. Prints a table and writes
benchmarks/results/finetune.json.
"""

import math
import random
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from common import RESULTS, machine, write
from engines.nets import net_of
from engines.pytorch import ResNet
from PIL import Image
from rich.console import Console
from rich.table import Table
from safetensors.numpy import load_file
from torch.nn import functional as F
from turns import use_threads

import minires
from minires import data
from minires.data import Dataset
from minires.optim import StepSchedule
from minires.train import Recipe, Trainer
from minires.vision.finetune import Finetune, FinetuneConfig
from minires.vision.transforms import MEAN, STD

console = Console(highlight=False)


# --- what is learnt from ------------------------------------------------------------------------


def colour(images: np.ndarray, white: int, size: int) -> np.ndarray:
    """Images as RGB of 8 bits and `size` pixels: (N, C, H, W) -> (N, 3, size, size)."""
    times = size // images.shape[2]
    large = (images * (255 / white)).astype(np.uint8).repeat(times, 2).repeat(times, 3)
    return np.broadcast_to(large, (len(large), 3, *large.shape[2:]))


def first_half(dataset: Dataset, n: int, size: int) -> Dataset:
    """The training images of the first classes, n of each at most."""
    half = len(dataset.classes) // 2
    chosen = first_of_each(dataset.train_labels, range(half), n)
    images = colour(dataset.train_images[chosen], dataset.white, size)
    labels = dataset.train_labels[chosen]
    return replace(
        dataset,
        train_images=images,
        train_labels=labels,
        test_images=images[:32],
        test_labels=labels[:32],
        classes=dataset.classes[:half],
        white=255,
        shift=dataset.shift * (size // dataset.train_images.shape[2]),
    )


def first_of_each(labels: np.ndarray, classes: range, n: int) -> np.ndarray:
    """The places of the first n of each class."""
    return np.sort(np.concatenate([np.flatnonzero(labels == label)[:n] for label in classes]))


def write_folder(dataset: Dataset, root: Path, train: int, val: int, size: int) -> None:
    """The other classes as image files: training images in train/, test images in val/."""
    classes = range(len(dataset.classes) // 2, len(dataset.classes))
    for part, images, labels, n in (
        ("train", dataset.train_images, dataset.train_labels, train),
        ("val", dataset.test_images, dataset.test_labels, val),
    ):
        for i in first_of_each(labels, classes, n):
            folder = root / part / dataset.classes[labels[i]]
            folder.mkdir(parents=True, exist_ok=True)
            pixels = colour(images[i : i + 1], dataset.white, size)[0].transpose(1, 2, 0)
            Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{i}.png")


def learnt(dataset: Dataset, epochs: int, path: Path) -> float:
    """Train a resnet18 on the first half, write its weights; the training error at the end."""
    minires.manual_seed(0)
    net = minires.models.resnet18(num_classes=len(dataset.classes))
    iterations = epochs * -(-len(dataset.train_images) // 128)
    recipe = Recipe(batch_size=128, lr=0.05, iterations=iterations)
    schedule = StepSchedule(recipe.lr, (iterations * 3 // 4,))
    trainer = Trainer("resnet18", net, dataset, recipe, schedule, seed=0)
    for progress in trainer.run():
        if progress.row:
            console.print(
                f"learning the first half: epoch {progress.epoch:g}, "
                f"training error {progress.row.train_error:.1f} %"
            )
    minires.save_weights(net, path)
    return trainer.rows[-1].train_error


# --- minires, and PyTorch written out -----------------------------------------------------------


def by_minires(config: FinetuneConfig, out: Path) -> list[float]:
    """Validation accuracy after each epoch, in %."""
    with Finetune.start(config, out) as run:
        for _ in run.run():
            pass
        return [100 - row.test_error for row in run.trainer.rows]


def by_pytorch(config: FinetuneConfig) -> list[float]:
    """Validation accuracy after each epoch, in %."""
    torch.manual_seed(config.seed)
    chance = random.Random(config.seed)
    root = Path(config.data)
    classes = sorted(p.name for p in (root / "train").iterdir())
    train, val = (
        [
            (path, k)
            for k, name in enumerate(classes)
            for path in sorted((root / part / name).iterdir())
        ]
        for part in ("train", "val")
    )
    net = ResNet(replace(net_of("resnet18"), classes=len(classes)))
    weights = {k: torch.from_numpy(v) for k, v in load_file(str(config.weights)).items()}
    weights = {k: v for k, v in weights.items() if not k.startswith("fc.")}
    missing, unexpected = net.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(k.startswith("fc.") or k.endswith("num_batches_tracked") for k in missing)
    optimiser = torch.optim.SGD(net.parameters(), lr=config.lr, momentum=0.9)
    accuracies = []
    for _ in range(config.epochs):
        net.train()
        chance.shuffle(train)
        for x, labels in batches(train, config.batch, lambda p: crop(p, config.size, chance)):
            optimiser.zero_grad()
            F.cross_entropy(net(x), labels).backward()
            optimiser.step()
        net.eval()
        with torch.inference_mode():
            right = sum(
                (net(x).argmax(1) == labels).sum().item()
                for x, labels in batches(val, config.batch, lambda p: centre(p, config.size))
            )
        accuracies.append(100 * right / len(val))
    return accuracies


def batches(
    pairs: list[tuple[Path, int]], n: int, prepare: Any
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Normalised images and labels."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    for start in range(0, len(pairs), n):
        part = pairs[start : start + n]
        images = [prepare(Image.open(path).convert("RGB")) for path, _ in part]
        x = torch.stack([torch.from_numpy(np.array(p)).permute(2, 0, 1) / 255 for p in images])
        yield (x - mean) / std, torch.tensor([label for _, label in part])


def centre(image: Image.Image, size: int) -> Image.Image:
    """Resize to 256 for a size of 224, and cut the middle."""
    scale = (256 * size // 224) / min(image.size)
    w, h = (int(side * scale) for side in image.size)
    left, top = (w - size) // 2, (h - size) // 2
    resized = image.resize((w, h), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + size, top + size))


def crop(image: Image.Image, size: int, chance: random.Random) -> Image.Image:
    """A random part of 8 to 100 % of the area, 3:4 to 4:3 in shape, mirrored half of the time."""
    width, height = image.size
    while True:
        area = chance.uniform(0.08, 1) * width * height
        ratio = math.exp(chance.uniform(-math.log(4 / 3), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            break
    left, top = chance.randint(0, width - w), chance.randint(0, height - h)
    part = image.crop((left, top, left + w, top + h))
    part = part.resize((size, size), Image.Resampling.BILINEAR)
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if chance.random() < 0.5 else part


def table(results: list[dict[str, Any]]) -> Table:
    """Accuracies for a reader."""
    shown = Table("seed", "minires, best", "minires, last", "PyTorch, best", "PyTorch, last")
    for r in results:
        ours, theirs = r["minires"], r["pytorch"]
        figures = max(ours), ours[-1], max(theirs), theirs[-1]
        shown.add_row(str(r["seed"]), *(f"{accuracy:.1f} %" for accuracy in figures))
    return shown


def main(
    dataset: Annotated[str, typer.Option(help="cifar10 or digits.")] = "cifar10",
    data_dir: Annotated[Path | None, typer.Option(help="Of CIFAR-10's binary files.")] = None,
    named: Annotated[str | None, typer.Option(help="What the data are, if a copy.")] = None,
    size: Annotated[int, typer.Option(help="Pixels that the net sees.")] = 32,
    first: Annotated[int, typer.Option(help="Images a class of the first half.")] = 600,
    first_epochs: Annotated[int, typer.Option(help="Epochs on it.")] = 8,
    train: Annotated[int, typer.Option(help="Images a class to fine-tune on.")] = 100,
    val: Annotated[int, typer.Option(help="Images a class to validate on.")] = 100,
    epochs: Annotated[int, typer.Option(help="Of fine-tuning.")] = 10,
    seeds: Annotated[int, typer.Option(help="How often each engine fine-tunes.")] = 2,
    threads: Annotated[int, typer.Option(help="For both engines.")] = 2,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "finetune.json",
) -> None:
    """Fine-tune with minires and with PyTorch, and compare."""
    use_threads(threads)
    loaded = data.load(dataset, data_dir)
    with tempfile.TemporaryDirectory() as place:
        root, weights = Path(place) / "images", Path(place) / "first.safetensors"
        write_folder(loaded, root, train, val, size)
        error = learnt(first_half(loaded, first, size), first_epochs, weights)
        results: list[dict[str, Any]] = []
        for seed in range(seeds):
            config = FinetuneConfig(
                str(root), weights=str(weights), epochs=epochs, size=size, seed=seed
            )
            ours = by_minires(config, Path(place) / f"run-{seed}")
            results.append({"seed": seed, "minires": ours, "pytorch": by_pytorch(config)})
            console.print(table(results))
    best = {name: statistics.mean(max(r[name]) for r in results) for name in ("minires", "pytorch")}
    ratio = best["minires"] / best["pytorch"]
    console.print(f"minires reaches {ratio:.3f} of PyTorch's best accuracy, in the mean")
    settings = {
        "dataset": named or loaded.name, "size": size, "first": first, "first_epochs": first_epochs,
        "train": train, "val": val, "epochs": epochs, "lr": FinetuneConfig("").lr,
    }  # fmt: skip
    facts = machine(threads) | {"torch": torch.__version__}
    write(out, facts, settings=settings, first_half_train_error=error, results=results, ratio=ratio)


if __name__ == "__main__":
    typer.run(main)
