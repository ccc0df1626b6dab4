"""Nets that a run of the degradation experiment has trained, for a closer look at them."""

from collections.abc import Callable
from pathlib import Path

from ...data import Dataset
from ...errors import UsageError, expect
from ...models import cifar_net
from ...nn import Module
from ...runs import RunFolder
from ...runs.config import check_same_data
from ...weights import load_weights
from .config import Config


def config_of(run: Path) -> Config:
    """What the run in a folder was asked for.

    Raises:
        UsageError: there is no run; RunError: its configuration was altered.
    """
    _, facts = RunFolder.open(run)
    return Config.from_facts(facts, run)


def data_of(run: Path, load_data: Callable[[Config], Dataset]) -> Dataset:
    """The data that the run in a folder trains on, as it uses them.

    Raises:
        UsageError: there is no run, or what `load_data` gets is other data; RunError: its
        configuration was altered.
    """
    _, facts = RunFolder.open(run)
    config = Config.from_facts(facts, run)
    dataset = load_data(config)
    check_same_data(dataset, facts, run)
    return config.prepare(dataset)


def weights_of(run: Path, net: str, seed: int) -> Path:
    """Where a run leaves the weights of a training that has ended."""
    return run / "weights" / f"{net}-seed{seed}.safetensors"


def trained(run: Path, net: str, seed: int, num_classes: int, in_channels: int) -> Module:
    """The net `net` as a run left it at its end, in evaluation.

    Raises:
        UsageError: the run has not trained that net with that seed to its end; says which it has.
        DataError, StateDictError: its weights file was cut short, or is another net's.
    """
    path = weights_of(run, net, seed)
    there = sorted(p.stem for p in path.parent.glob("*-seed*.safetensors"))
    expect(
        path.is_file(),
        UsageError,
        f"the run in {run} has no trained {net}, seed {seed}; it has {', '.join(there) or 'none'}",
    )
    model = cifar_net(net, num_classes, in_channels)
    load_weights(model, path)
    return model.eval()
