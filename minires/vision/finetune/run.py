"""Fine-tune a model on a folder of images: a run that can be stopped and resumed."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from ...backend import manual_seed
from ...data.dataset import Source
from ...errors import RunError, UsageError
from ...models import imagenet_net
from ...models.resnet import ResNet
from ...nn import Module
from ...optim import StepSchedule
from ...runs import RunFolder, run_of
from ...runs.autosave import Event, autosave
from ...runs.checkpoint import undamaged_weights
from ...runs.config import check_same_options
from ...runs.machine import check_same_machine, machine
from ...train import Progress, Recipe, Trainer
from ...train.recipe import epoch_length
from ...weights import load_weights
from ..decoding import decoders
from ..folder_images import WORKERS, FolderImages
from ..folders import ImageFolder, image_folder, readable
from .config import FinetuneConfig
from .features import FrozenFeatures
from .model import load_pretrained, split
from .report import FINAL_FILES, write_report
from .results import Outcome, Result, best_row, validate

START, BEST = "start", "best"  # names of the run's weights files


class Finetune:
    """A fine-tuning run: made with `start` or `resume`, then `run`.

    A context manager, which ends its worker processes.

    Attributes:
        stopped: whether `run` ended because it was asked to, with something left to train.
        model: the model; after a complete `run` with the best weights, in evaluation mode.
        trainer: trains it, or its last stages; `run` restores it from its checkpoint.
        notices: sentences about what the file of weights has beside them.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        folder: ImageFolder,
        left_out: dict[str, str],
        model: ResNet,
        out: RunFolder,
        workers: int,
        notices: tuple[str, ...] = (),
    ) -> None:
        self.config = config
        self.folder = folder
        self.left_out = left_out
        self.model = model
        self.out = out
        self.stopped = False
        self.notices = notices
        self.images = FolderImages(folder, config.size, config.augment, workers)
        self.trainer = self._trainer()

    @classmethod
    def start(
        cls, config: FinetuneConfig, out: Path, workers: int = WORKERS, strict: bool = False
    ) -> "Finetune":
        """Start a new run in the folder `out`, after decoding all images once.

        Args:
            config: the settings.
            out: the folder to make.
            workers: number of processes that decode images.
            strict: raise DataError for images that cannot be decoded; otherwise leave them out.

        Raises:
            UsageError: `out` is not empty, or there is no folder of images.
            DataError: images that cannot be trained on, or, with `strict`, cannot be decoded.
            StateDictError: the weights are those of another model.
            RunError: `out` cannot be written.
        """
        RunFolder(out).check_empty()
        listed = image_folder(config.data, config.val_split, config.seed)
        model, notices = _initial_model(config, listed.classes)
        with FolderImages(listed, config.size, workers=workers) as images:
            problems = images.problems()
        folder = readable(listed, problems, strict)
        facts = {
            "experiment": "finetune",
            **asdict(config),
            "classes": folder.classes,
            "data_sha256": folder.digest,
            "left_out": problems,
            "machine": {**machine(), **decoders()},
        }
        run_folder = RunFolder.create(out, facts)
        with run_folder.locked():
            run_folder.save_weights(START, model)
        return cls(config, folder, problems, model, run_folder, workers, notices)

    @classmethod
    def resume(
        cls, asked: dict[str, Any], out: Path, data: Path | None = None, workers: int = WORKERS
    ) -> "Finetune":
        """Resume the run in the folder `out`.

        Args:
            asked: fields of FinetuneConfig that the user gave again; each must be what the run has,
                but for `epochs`, which may be more: the rate is constant, so that the run ends as
                one that was started with so many.
            out: the folder.
            data: the folder of images, if it was moved since.
            workers: number of processes that decode images.

        Raises:
            UsageError: no run there, another configuration, or other images.
            RunError, DataError: the run was altered.
        """
        run_folder, facts = RunFolder.open(out)
        had = FinetuneConfig.from_facts(facts, out)
        config = replace(had, epochs=max(had.epochs, asked.get("epochs", 0)))
        check_same_options(config, asked, out)
        listed = image_folder(data or config.data, config.val_split, config.seed)
        try:
            left_out = {str(path): str(reason) for path, reason in facts["left_out"].items()}
            digest = facts["data_sha256"]
        except (KeyError, AttributeError) as error:
            raise RunError(f"the configuration of the run in {out} was altered: {error}") from error
        folder = listed.without(left_out)
        if folder.digest != digest:
            raise UsageError(
                f"the images in {listed.root} are not those that the run in {out} was started on: "
                "files were added, removed, renamed or changed since"
            )
        check_same_machine(run_folder, facts, {**machine(), **decoders()})
        model = _started_model(config, listed.classes, run_folder)
        if config != had:
            with run_folder.locked():
                run_folder.note(epochs=config.epochs)
        return cls(config, folder, left_out, model, run_folder, workers)

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Yield every training step that is left; save on the way, write the report at the end.

        Args:
            stop: asked after every step whether to stop.

        Raises:
            RunError: another process uses the folder, or it cannot be written.
            DataError: the best weights were altered.
            NonFiniteError: a loss is NaN or infinite.
        """
        trainer = self.trainer
        started = time.monotonic()

        def save(progress: Progress) -> None:
            # The weights first: after a kill in between, the checkpoint leads to them again.
            if progress.row is not None and progress.row == best_row(trainer.rows):
                self.out.save_weights(BEST, self.model)
            self.out.save(trainer)
            self.out.write_history(trainer.rows)

        with self.out.locked():
            if not self.out.weights(START).is_file():  # killed before it was written
                self.out.save_weights(START, self.model)
            self.out.restore(trainer)
            if trainer.finished:
                yield Event(trainer, None)
            else:
                self.out.remove(*(self.out.path / name for name in FINAL_FILES))
                self.stopped = yield from autosave(trainer, trainer.run(), save, stop)
            seconds = time.monotonic() - started
            outcomes: list[Outcome] = []
            if trainer.finished:
                load_weights(self.model, undamaged_weights(self.out.weights(BEST)))
                outcomes = validate(self.model.eval(), self.images)
            rows, waited, config = trainer.rows, self.images.waited, self.config
            result = Result(config, self.folder, self.left_out, rows, outcomes, seconds, waited)
            write_report(self.out, result)

    @property
    def net(self) -> ResNet:
        """Return `model`, the name that this attribute has now."""
        warnings.warn("Finetune.net is now called model", DeprecationWarning, stacklevel=2)
        return self.model

    @property
    def description(self) -> str:
        """Return how many images there are, and which layers are trained."""
        left_out = f" ({len(self.left_out)} files left out)" if self.left_out else ""
        return f"{self.folder}{left_out}; trained layers: {self.config.trained}"

    def close(self) -> None:
        """End the worker processes."""
        self.images.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _trainer(self) -> Trainer:
        """Return the training from its start."""
        config = self.config
        source: Source = self.images
        model: Module = self.model
        if config.freeze:
            frozen, model = split(self.model, config.stages)
            source = FrozenFeatures(self.images, frozen)
        iterations = config.epochs * epoch_length(source, config.batch)
        recipe = Recipe(config.batch, config.lr, iterations, momentum=0.9, weight_decay=0.0)
        schedule = StepSchedule(config.lr)
        return Trainer(config.model, model, source, recipe, schedule, config.seed)


def _initial_model(
    config: FinetuneConfig, classes: Sequence[str]
) -> tuple[ResNet, tuple[str, ...]]:
    """Return the model as its training starts, and notices about its weights."""
    manual_seed(config.seed)
    model = imagenet_net(config.model, len(classes))
    if config.weights is None:
        return model, ()
    weights = Path(config.weights)
    run = run_of(weights)
    if run and RunFolder.open(run)[1].get("classes") == list(classes):
        load_weights(model, weights, key=config.key)
        return model, (f"{weights} is for the same classes: its last layer is trained on",)
    return model, load_pretrained(model, weights, config.key)


def _started_model(config: FinetuneConfig, classes: Sequence[str], out: RunFolder) -> ResNet:
    """Return the same for a run on disk, which may have been killed before it was saved."""
    if not out.weights(START).is_file():
        return _initial_model(config, classes)[0]
    model = imagenet_net(config.model, len(classes))
    load_weights(model, undamaged_weights(out.weights(START)))
    return model
