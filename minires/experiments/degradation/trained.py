"""Reading a degradation run: its configuration, its data and the models that it has trained."""

from collections.abc import Callable
from pathlib import Path

from ...data import Dataset
from ...errors import UsageError
from ...models import cifar_net
from ...nn import Module
from ...runs import RunFolder
from ...runs.checkpoint import undamaged_weights
from ...runs.config import check_same_data
from ...weights import load_weights
from .config import Config


def config_of(run: Path) -> Config:
    """Return the configuration of the run in a folder.

    Raises:
        UsageError: there is no run; RunError: its configuration was altered.
    """
    _, facts = RunFolder.open(run)
    return Config.from_facts(facts, run)


def data_of(run: Path, load_data: Callable[[Config], Dataset]) -> Dataset:
    """Return the data of the run in a folder, as it trains on them.

    Args:
        run: the folder.
        load_data: loads the dataset that a configuration names.

    Raises:
        UsageError: there is no run, or `load_data` gives other data.
        RunError: its configuration was altered.
    """
    _, facts = RunFolder.open(run)
    config = Config.from_facts(facts, run)
    dataset = load_data(config)
    check_same_data(dataset, facts, run)
    return config.prepare(dataset)


def weights_path(run: Path, net: str, seed: int) -> Path:
    """Return where a run writes the weights of a training that has ended."""
    return run / "weights" / f"{net}-seed{seed}.safetensors"


def trained_model(run: Path, net: str, seed: int, num_classes: int, in_channels: int) -> Module:
    """Return the model `net` as a run left it at its end, in evaluation mode.

    Args:
        run: the folder of the run.
        net: a name such as resnet20.
        seed: that of the training.
        num_classes, in_channels: those of the run's data.

    Raises:
        UsageError: the run has not trained that net with that seed to its end; says which it has.
        DataError, StateDictError: its weights file was cut short or altered, or is another net's.
    """
    path = weights_path(run, net, seed)
    if not path.is_file():
        there = sorted(p.stem for p in path.parent.glob("*-seed*.safetensors"))
        raise UsageError(
            f"the run in {run} has no trained {net}, seed {seed}; it has "
            f"{', '.join(there) or 'none'}"
        )
    model = cifar_net(net, num_classes, in_channels)
    load_weights(model, undamaged_weights(path))
    return model.eval()
