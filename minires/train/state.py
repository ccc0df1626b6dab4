"""The state of a training: everything that a checkpoint holds, read from a trainer and restored."""

import reprlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from ..backend import Array, move, to_numpy
from ..errors import DataError, NonFiniteError
from .loop import ADVICE, Trainer
from .progress import EpochTotals, Row
from .values import check_value


def training_state(trainer: Trainer) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return everything needed to resume a training.

    Returns:
        Tensors by name, NumPy arrays: the model's, and the optimiser's as "velocity.NAME".
        Metadata that JSON can hold: the iteration, the rows, the schedule, the epoch's totals.

    Raises:
        NonFiniteError: a tensor holds a NaN or an infinity, and must not replace a good checkpoint.
    """
    tensors = trainer.model.state_dict()
    tensors |= {name: np.array(to_numpy(v)) for name, v in _velocities(trainer)}
    if bad := _not_finite(tensors):
        raise NonFiniteError(
            f"{trainer.net}, seed {trainer.seed}: {bad} holds a NaN or an infinity after "
            f"iteration {trainer.iteration}; {ADVICE}"
        )
    metadata = {
        "net": trainer.net,
        "seed": trainer.seed,
        "iteration": trainer.iteration,
        "loss_sum": trainer.totals.loss,
        "wrong": trainer.totals.wrong,
        "seen": trainer.totals.seen,
        "seconds": trainer.seconds,
        "schedule": trainer.schedule.state_dict(),
        "rows": [asdict(row) for row in trainer.rows],
    }
    return tensors, metadata


def restore_training(trainer: Trainer, tensors: dict[str, Array], metadata: dict[str, Any]) -> None:
    """Set a trainer to a state that `training_state` returned.

    Raises:
        DataError: the state is that of another training, or was altered.
    """
    try:
        check_value("rows", metadata["rows"], list)
        rows = [Row.checked(row) for row in metadata["rows"]]
        _check_metadata(trainer, metadata, rows)
        if bad := _not_finite(tensors):
            raise ValueError(f"{bad} holds a NaN or an infinity")
        parameters = {k: v for k, v in tensors.items() if not k.startswith("velocity.")}
        for name, v in _velocities(trainer):
            if tensors[name].shape != v.shape:
                raise ValueError(f"{name} has shape {tensors[name].shape}, expected {v.shape}")
        trainer.model.load_state_dict(parameters)
        for name, v in _velocities(trainer):
            v[...] = move(tensors[name], trainer.backend)
        trainer.iteration = metadata["iteration"]
        trainer.totals = EpochTotals(metadata["loss_sum"], metadata["wrong"], metadata["seen"])
        trainer.seconds = metadata["seconds"]
        trainer.schedule.load_state_dict(metadata["schedule"])
        trainer.rows = rows
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"not a checkpoint of {trainer.net}, seed {trainer.seed}: {error}"
        ) from error


def _velocities(trainer: Trainer) -> Iterator[tuple[str, Array]]:
    """The optimiser's velocities, each with its name in a state."""
    names = (f"velocity.{name}" for name, _ in trainer.model.named_parameters())
    return zip(names, trainer.optimiser.velocities, strict=True)


def _check_metadata(trainer: Trainer, metadata: dict[str, Any], rows: list[Row]) -> None:
    """Raise ValueError, TypeError or KeyError unless the trainer can have written this."""
    for key, expected in (("net", trainer.net), ("seed", trainer.seed)):
        if metadata[key] != expected:
            raise ValueError(f"it is of {key} {reprlib.repr(metadata[key])}")
    iteration, last = metadata["iteration"], trainer.recipe.iterations
    if type(iteration) is not int or not 0 <= iteration <= last:
        raise ValueError(f"iteration {reprlib.repr(iteration)} of {last}")
    for row in rows:
        if (row.net, row.seed) != (trainer.net, trainer.seed) or row.iteration > iteration:
            raise ValueError(f"a row of {row.net}, seed {row.seed}, iteration {row.iteration}")
    if iteration == last and (not rows or rows[-1].iteration != iteration):
        raise ValueError("the last row is missing")
    for key in ("loss_sum", "wrong", "seen", "seconds"):
        check_value(key, metadata[key], float | int, least=0)
    schedule = metadata["schedule"]
    check_value("schedule", schedule, dict)
    for key, own in trainer.schedule.state_dict().items():
        check_value(f"schedule.{key}", schedule[key], type(own))
        for error in schedule[key] if isinstance(own, list) else ():
            check_value(f"schedule.{key}", error, float | int, least=0, most=100)


def _not_finite(tensors: dict[str, Array]) -> str | None:
    """The name of the first tensor that holds a NaN or an infinity."""
    return next((name for name, a in tensors.items() if not np.isfinite(a).all()), None)
