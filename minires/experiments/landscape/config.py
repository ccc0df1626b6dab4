"""The configuration of a landscape run, and the trained nets that it names."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...data import Dataset
from ...errors import UsageError
from ...nn import Module
from ..degradation import Config, config_of, data_of, trained_model, weights_path
from .surface import axis

LoadData = Callable[[Config], Dataset]


@dataclass(frozen=True)
class LandscapeConfig:
    """The settings of a run.

    Attributes:
        nets: names such as plain56 and resnet56.
        points: along each direction; odd.
        span: the largest step along each direction, to both sides; a step of 1 has the length of
            the weights.
        images: of the training images, the batch whose loss is computed.
        seed: of the directions and the choice of images.
        net_seed: which training of the nets, by its seed.
        dataset: "digits" or "cifar10"; None for the run's own, or digits.
        run: the folder of the degradation run that trained the nets; None to train them here.

    Raises:
        UsageError: a value is not one of those possible.
    """

    nets: tuple[str, ...] = ("plain56", "resnet56")
    points: int = 25
    span: float = 1.0
    images: int = 256
    seed: int = 0
    net_seed: int = 0
    dataset: str | None = None
    run: str | None = None

    def __post_init__(self) -> None:
        self.training()
        axis(self.points, self.span)
        if self.seed < 0:
            raise UsageError(f"seed must be at least 0, got {self.seed}")

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
        """Return the SHA-256 of the weights of each net in `run`; None where no `run` is given.

        Raises:
            UsageError: the run has not all the nets; says which it has.
        """
        if self.run is None:
            return None
        return {net: _digest(self.model(net, out, dataset)) for net in self.nets}


def _digest(model: Module) -> str:
    sha = hashlib.sha256()
    for array in model.state_dict().values():
        sha.update(array.data)
    return sha.hexdigest()
