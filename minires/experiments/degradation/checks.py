"""What is looked at before a run is started or resumed."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ... import __version__
from ...backend import load
from ...data import Dataset
from ...errors import UsageError
from ...inspect.memory import check_memory
from ...kernels.cuda.graph import expect_graphs
from ...parallel.rank_trainer import expect_divisible
from ...parallel.ranks import Ranks, use_own_device
from ...runs.config import parse_config
from .config import Config


@dataclass
class _Before:
    """What config.json says of the ranks; older ones say nothing, and were of one."""

    ranks: tuple[int, ...]


def check_possible(config: Config, graph: bool, until: int | None, ranks: Ranks) -> None:
    """Raise for a backend that cannot be used or has no graphs, and for fewer epochs than one."""
    if graph and ranks.size > 1:
        raise UsageError("a CUDA graph holds no messages between ranks; leave out the graph")
    use_own_device(ranks, config.backend)
    load(config.backend)
    if graph:
        expect_graphs(config.backend)
    if until is not None and until < 1:
        raise UsageError(f"a net can stop after 1 epoch or more, got {until}")


def check_fitting(config: Config, dataset: Dataset, ranks: Ranks) -> None:
    """Raise for ranks that were given different things or too few images, and for nets that would
    not fit into the backend's memory, the deepest first."""
    recipe = config.recipe(dataset)
    data = {"data": dataset.name, "the data's SHA-256": dataset.digest}
    ranks.expect_same({"the version of minires": __version__, **asdict(config), **data})
    expect_divisible(recipe, dataset, ranks)
    image, batch = dataset.train_images.shape[1:], recipe.batch_size // ranks.size
    for net in sorted(config.specs, key=lambda net: net.depth, reverse=True):
        check_memory(net, image, batch, config.checkpoint_every, config.backend)


def recipe_facts(config: Config, dataset: Dataset) -> dict[str, Any]:
    """Return the recipe as config.json has it, which names a warm-up only if there is one."""
    facts = asdict(config.recipe(dataset))
    return facts if facts["warmup"] else {k: v for k, v in facts.items() if k != "warmup"}


def ranks_before(facts: dict[str, Any], out: Path) -> tuple[int, ...]:
    """Return on how many ranks the run in `out` has been, one number after the other.

    Raises:
        RunError: its config.json was altered.
    """
    return parse_config(_Before, {"ranks": [1], **facts}, out).ranks
