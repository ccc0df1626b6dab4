"""What a run of `minires landscape` can be asked for, and the nets it looks at."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...data import Dataset
from ...errors import UsageError, expect
from ...nn import Module
from ...runs.config import option
from ..degradation.config import Config
from ..degradation.trained import config_of, data_of, trained, weights_of
from .surface import axis

LoadData = Callable[[Config], Dataset]


@dataclass(frozen=True)
class LandscapeConfig:
    """What a run was asked for.

    Attributes:
        nets: names such as plain56 and resnet56.
        points: along each direction; odd.
        span: how far along each direction, to both sides; 1 is as far as the weights are long.
        images: of the training images, the batch whose loss is computed.
        seed: of the directions and the choice of images.
        net_seed: which training of the nets, by its seed.
        dataset: "digits" or "cifar10"; None for the run's own, or digits.
        run: the folder of the degradation run that trained the nets; None to train them here.

    Raises:
        UsageError: a value that cannot be meant.
    """

    nets: tuple[str, ...] = option(
        ("plain56", "resnet56"), "By commas; plain56,resnet56 by default."
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
        expect(self.seed >= 0, UsageError, f"seed must be at least 0, got {self.seed}")

    def training(self) -> Config:
        """What the nets are trained by, where that is done here."""
        return Config(self.dataset or "digits", self.nets, seeds=(self.net_seed,))

    def source(self, out: Path) -> Path:
        """The folder of the run with the trained nets; `out` is that of this run."""
        return out / "training" if self.run is None else Path(self.run)

    def data(self, out: Path, load_data: LoadData) -> Dataset:
        """What the nets are trained on.

        Raises:
            UsageError: it is not the dataset asked for, or `load_data` gets other data.
        """
        source = self.source(out)
        if self.run is None and not (source / "config.json").exists():
            return load_data(self.training())
        has = config_of(source).dataset
        expect(
            self.dataset in (None, has),
            UsageError,
            f"the nets in {source} are trained on {has}, but {self.dataset} was asked for",
        )
        return data_of(source, load_data)

    def trained(self, out: Path) -> bool:
        """Whether the run in `source` has trained all the nets."""
        source, seed = self.source(out), self.net_seed
        return all(weights_of(source, net, seed).is_file() for net in self.nets)

    def net(self, name: str, out: Path, dataset: Dataset) -> Module:
        """A trained net; raises as `trained` does."""
        classes = len(dataset.classes)
        return trained(self.source(out), name, self.net_seed, classes, dataset.channels)

    def digests(self, out: Path, dataset: Dataset) -> dict[str, str] | None:
        """The SHA-256 of the weights of each net in `run`; None where this run trains its own.

        Raises:
            UsageError: the run has not all the nets; says which it has.
        """
        if self.run is None:
            return None
        return {name: _digest(self.net(name, out, dataset)) for name in self.nets}


def _digest(model: Module) -> str:
    sha = hashlib.sha256()
    for array in model.state_dict().values():
        sha.update(array.data)
    return sha.hexdigest()
