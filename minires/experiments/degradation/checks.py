"""What is looked at before a run is started or resumed."""

import reprlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...backend import expect_tf32, load
from ...data import Dataset
from ...errors import RunError, UsageError
from ...inspect.memory import check_memory
from ...parallel.rank_trainer import expect_divisible
from ...parallel.ranks import Ranks, use_own_device
from ...parallel.sweeps import Sweep, machine_of
from ...parallel.unwritten import UnwrittenFolder
from ...runs import RunFolder
from ...runs.config import check_same_data, check_same_options, parse_config
from ...runs.machine import check_same_machine
from .config import Config


@dataclass
class _Before:
    """What config.json says of the ranks; older ones say nothing, and were of one."""

    ranks: tuple[int, ...]


def check_possible(config: Config, graph: bool | None, until: int | None, ranks: Ranks) -> None:
    """Raise for a backend, TF32 or epochs that cannot be, or that are not the same on all ranks."""
    ranks.expect_same({"backend": config.backend, "until": until})
    if graph and ranks.size > 1:
        raise UsageError("a graph holds no messages between ranks; leave out the graph")
    use_own_device(ranks, config.backend)
    load(config.backend)
    if config.tf32:
        expect_tf32()
    if until is not None and until < 1:
        raise UsageError(f"a net can stop after 1 epoch or more, got {until}")


def check_fitting(config: Config, dataset: Dataset, ranks: Ranks) -> None:
    """Raise for ranks that were given different things or too few images, and for nets that would
    not fit into the backend's memory, the deepest first."""
    recipe = config.recipe(dataset)
    data = {"data": dataset.name, "the data's SHA-256": dataset.digest}
    ranks.expect_same({**asdict(config), **data})
    expect_divisible(recipe, dataset, ranks)
    image, batch = dataset.train_images.shape[1:], recipe.batch_size // ranks.size
    for net in sorted(config.specs, key=lambda net: net.depth, reverse=True):
        check_memory(net, image, batch, config.checkpoint_every, config.backend)


def recipe_facts(config: Config, dataset: Dataset) -> dict[str, Any]:
    """Return the recipe as config.json has it, which names a warm-up and added iterations
    only if there are some."""
    facts = asdict(config.recipe(dataset))
    return {k: v for k, v in facts.items() if v or k not in ("warmup", "added")}


def ranks_before(facts: dict[str, Any], out: Path) -> tuple[int, ...]:
    """Return on how many ranks the run in `out` has been, one number after the other.

    Raises:
        RunError: its config.json was altered.
    """
    return parse_config(_Before, {"ranks": [1], **facts}, out).ranks


def facts_of(
    config: Config, prepared: Dataset, digest: str, sweep: Sweep | None, ranks: Ranks
) -> dict[str, Any]:
    """Return what config.json says of a new run; `digest` is that of the data as they came."""
    return {
        **asdict(config),
        "data": prepared.name,
        "data_sha256": digest,
        "machine": machine_of(sweep, config.backend),
        "ranks": [ranks.size],
        "recipe": recipe_facts(config, prepared),
    }


def reopened(
    asked: dict[str, Any],
    out: Path,
    load_data: Callable[[Config], Dataset],
    graph: bool | None,
    until: int | None,
    sweep: Sweep | None,
    ranks: Ranks,
) -> tuple[Config, Dataset, RunFolder, tuple[int, ...]]:
    """Return the settings, the data and the folder of a run that is to be resumed, and its
    `ranks_before`.

    Arguments, warnings and errors are those of `Degradation.resume`.
    """
    facts = ranks.from_first(lambda: RunFolder.open(out)[1])
    had = Config.from_facts(facts, out)
    before = ranks_before(facts, out)
    check_same_options(had, {k: v for k, v in asked.items() if k != "epochs"}, out)
    check_possible(had, graph, until, ranks)
    dataset = load_data(had)
    check_same_data(dataset, facts, out)
    prepared = had.prepare(dataset)
    if facts.get("recipe") != recipe_facts(had, prepared):
        raise RunError(
            f"the run in {out} was started by another version of minires, with the recipe "
            f"{reprlib.repr(facts.get('recipe'))}; this version would continue with another one"
        )
    config = had.lengthened(asked["epochs"], prepared) if "epochs" in asked else had
    check_fitting(config, prepared, ranks)
    folder = RunFolder(out) if ranks.rank == 0 else UnwrittenFolder(out)
    check_same_machine(folder, facts, machine_of(sweep, config.backend))
    if config != had:
        recipe = recipe_facts(config, prepared)
        with folder.locked():
            folder.note(epochs=config.epochs, added=config.added, recipe=recipe)
    return config, dataset, folder, before
