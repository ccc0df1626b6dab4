"""The configuration of a landscape run, and the trained nets that it names."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...data import Dataset
from ...errors import UsageError
from ...nn import Module
from ...runs.config import check_least, option
from ..degradation import Config, config_of, data_of, trained_model, weights_path
from .surface import axis

LoadData = Callable[[Config], Dataset]


@dataclass(frozen=True)
class LandscapeConfig:
    """The settings of a run. Without `dataset` it is that of `run`, or else digits.

    Raises:
        UsageError: a value is not one of those possible.
    """

    nets: tuple[str, ...] = option(
        ("plain56", "resnet56"), "By commas; plain56,resnet56 by default.", nets="cifar"
    )
    points: int = option(25, "Along each direction; odd, {default} by default.")
    span: float = option(1.0, "Largest step; 1, the default, moves each filter by its own length.")
    images: int = option(256, "Training images whose loss it is; {default} by default.")
    seed: int = option(0, "Of the directions and the choice of images; {default} by default.")
    net_seed: int = option(0, "Which training of the models, by its seed; {default} by default.")
    dataset: str | None = option(None, "digits (shipped) or cifar10; with --run, that run's.")
    run: str | None = option(
        None,
        "Folder of a degradation run with these models; else they are trained.",
        path=Path.resolve,
    )

    def __post_init__(self) -> None:
        self.training()
        axis(self.points, self.span)
        check_least(self, seed=0)

    def training(self) -> Config:
        """Return the configuration of the training of the nets, where no `run` is given."""
        return Config(self.dataset or "digits", self.nets, seeds=(self.net_seed,))

    def source(self, out: Path) -> Path:
        """Return the folder of the run with the trained nets; `out` is that of this run."""
        return out / "training" if self.run is None else Path(self.run)

    def data(self, out: Path, load_data: LoadData) -> Dataset:
        """Return the data that the nets are trained on.

        Raises:
            UsageError: it is not the dataset asked for, or `load_data` gives other data.
        """
        source = self.source(out)
        if self.run is None and not (source / "config.json").exists():
            return load_data(self.training())
        has = config_of(source).dataset
        if self.dataset not in (None, has):
            raise UsageError(
                f"the nets in {source} are trained on {has}, but {self.dataset} was asked for"
            )
        return data_of(source, load_data)

    def trained(self, out: Path) -> bool:
        """Return whether the run in `source` has trained all the nets."""
        source, seed = self.source(out), self.net_seed
        return all(weights_path(source, net, seed).is_file() for net in self.nets)

    def model(self, net: str, out: Path, dataset: Dataset) -> Module:
        """Return a trained net; raises as `trained_model` does."""
        classes = len(dataset.classes)
        return trained_model(self.source(out), net, self.net_seed, classes, dataset.channels)

    def digests(self, out: Path, dataset: Dataset) -> dict[str, str] | None:
        """Return the SHA-256 of the weights of each net in `run`, or None; raises as `model`."""
        if self.run is None:
            return None
        return {net: _digest(self.model(net, out, dataset)) for net in self.nets}


def _digest(model: Module) -> str:
    sha = hashlib.sha256()
    for array in model.state_dict().values():
        sha.update(array.data)
    return sha.hexdigest()
