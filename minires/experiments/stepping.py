"""One training step of one or two nets, recorded for the page that steps through it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from ..autograd import Op
from ..backend import Array, manual_seed
from ..data import Dataset
from ..errors import UsageError
from ..inspect import forward_hook
from ..inspect.step_page import TEXTS, Page, bytes_of, step_page
from ..inspect.trace import record
from ..models import NetSpec
from ..modes import no_grad
from ..nn import Module
from ..runs.config import check_least, option
from ..train import Trainer, quick_recipe
from ..weights import load_weights

_MOST = 12_000_000  # bytes of a page; a larger one would lag in a browser


@dataclass(frozen=True)
class Stepping:
    """The settings of a page of one net or two, such as plain20 and resnet20.

    The batch is the first of the first epoch. `weights` are for a single net.

    Raises:
        UsageError: a value is not one of those possible.
    """

    nets: tuple[str, ...]
    batch: int = option(16, "Images in the training step; {default} by default.")
    image: int = option(
        0, "The image of the batch whose feature maps are shown; {default} by default."
    )
    channels: int = option(8, "Feature maps shown of each operation; {default} by default.")
    after: int = option(0, "Train so many steps first; {default} by default.")
    weights: Path | None = option(None, "Begin with the weights of a file (safetensors, .pth).")
    key: str | None = option(None, "Where in a .pth file they are; by default they are found.")
    path: str | None = option(None, "Show this module alone: layer1.0, or layer2.")
    seed: int = option(0, "Of the initial weights and the images; {default} by default.")

    def __post_init__(self) -> None:
        if not 1 <= len(self.specs) <= 2:
            raise UsageError(
                f"one net or two side by side can be stepped through, got {len(self.nets)}"
            )
        check_least(self, batch=2, channels=1, after=0, seed=0)
        if not 0 <= self.image < self.batch:
            raise UsageError(
                f"image must be one of the batch, 0 to {self.batch - 1}, got {self.image}"
            )
        if self.key is not None and self.weights is None:
            raise UsageError(f"key {self.key!r} names tensors in a file of weights: add --weights")
        if self.weights is not None and len(self.nets) != 1:
            raise UsageError(f"weights are those of one net, but {len(self.nets)} were asked for")

    @cached_property
    def specs(self) -> tuple[NetSpec, ...]:
        """The nets, parsed."""
        return tuple(NetSpec.parse(name, "any") for name in self.nets)


def page_of(config: Stepping, dataset: Dataset) -> Page:
    """Return the page that steps through the training step.

    Raises:
        UsageError: the nets are too large for a page, or have no module `path`.
    """
    if any(spec.image(dataset.channels)[0] == 3 for spec in config.specs):
        dataset = dataset.in_colour()
    nets = [(spec, _model(spec, config, dataset)) for spec in config.specs]
    x, labels = _batch(config, dataset)
    _check_size([model for _, model in nets], x, config)
    traces = []
    for spec, model in nets:
        _train(config, spec, model, dataset)
        trace = record(model, x, labels, config.channels, config.image)
        traces.append((spec.name, trace.within(config.path) if config.path else trace))
    title, footer = about(config, dataset, x.shape, str(dataset.classes[labels[config.image]]))
    return step_page(traces, title, footer, dataset.classes)


def about(
    config: Stepping, dataset: Dataset, shape: tuple[int, ...], label: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return title and footer of a page, in each language.

    Args:
        config: what it shows.
        dataset: where its images are from; shape: theirs (N, C, H, W).
        label: of the image whose feature maps are shown.
    """
    title, file = "pageTitleOf" if config.path else "pageTitle", ""
    before = "afterSteps" if config.after else "atInitialisation"
    if config.weights:
        before, file = "withWeights", config.weights.name
    titles, footers = {}, {}
    for language, texts in TEXTS.items():
        fields = vars(config) | {
            "nets": texts["and"].join(config.nets),
            "before": texts[before].format(after=config.after, file=file),
            "data": dataset.name,
            "label": label,
            "height": shape[2],
            "width": shape[3],
        }
        titles[language] = texts[title].format_map(fields)
        footers[language] = texts["footer"].format_map(fields)
    return titles, footers


def _model(spec: NetSpec, config: Stepping, dataset: Dataset) -> Module:
    manual_seed(config.seed)
    model = spec.build(len(dataset.classes), dataset.channels)
    if config.weights:
        load_weights(model, config.weights, key=config.key)
    return model


def _batch(config: Stepping, dataset: Dataset) -> tuple[Array, Array]:
    """Return the first images of the first epoch, as they are trained on."""
    most = len(dataset.train_images)
    if config.batch > most:
        raise UsageError(
            f"batch must be at most the {most} training images of {dataset.name}, got "
            f"{config.batch}"
        )
    return next(dataset.training_batches(config.batch, config.seed, epoch=0))


def _train(config: Stepping, spec: NetSpec, model: Module, dataset: Dataset) -> None:
    """Train a model for `config.after` steps."""
    recipe = quick_recipe(dataset)
    schedule = recipe.schedule(spec.depth)
    trainer = Trainer(str(spec), model, dataset, recipe, schedule, config.seed)
    for _ in islice(trainer.run(), config.after):
        pass


def _check_size(models: Sequence[Module], x: Array, config: Stepping) -> None:
    """Raise for nets whose page would be too large, before time is spent on it."""
    total = 0

    def add(_op: Op, _inputs: tuple[Array | None, ...], output: Array) -> None:
        nonlocal total
        total += bytes_of(output.shape, config.channels)

    # In evaluation, which leaves running statistics alone; what is computed does not matter.
    with no_grad(), forward_hook(add, config.path), np.errstate(all="ignore"):
        for model in models:
            model.eval()(x[:1])
            model.train()
    if total > _MOST:
        raise UsageError(
            f"a page of {' and '.join(config.nets)} on images of {x.shape[2]}x{x.shape[3]} would "
            f"take about {total / 1e6:.0f} MB, more than the {_MOST / 1e6:.0f} that a browser "
            "steps through smoothly; show one block with --path layer1.0, or a smaller input with "
            "--size"
        )
