"""Nets that a run of the degradation experiment has trained, for a closer look at them."""

from pathlib import Path

from ..errors import UsageError, expect
from ..models import cifar_net
from ..nn import Module, load_weights
from ..train import RunFolder
from .config import Config


def config_of(run: Path) -> Config:
    """What the run in a folder was asked for.

    Raises:
        UsageError: there is no run; RunError: its configuration was altered.
    """
    _, facts = RunFolder.open(run)
    return Config.from_facts(facts, run)


def trained(run: Path, net: str, seed: int, num_classes: int, in_channels: int) -> Module:
    """The net `net` as a run left it at its end, in evaluation.

    Raises:
        UsageError: the run has not trained that net with that seed to its end; says which it has.
        DataError, StateDictError: its weights file was cut short, or is another net's.
    """
    path = run / "weights" / f"{net}-seed{seed}.safetensors"
    there = sorted(p.stem for p in path.parent.glob("*-seed*.safetensors"))
    expect(
        path.is_file(),
        UsageError,
        f"the run in {run} has no trained {net}, seed {seed}; it has {', '.join(there) or 'none'}",
    )
    model = cifar_net(net, num_classes, in_channels)
    load_weights(model, path)
    return model.eval()
