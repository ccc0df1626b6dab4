"""Weights of a trained model, from whatever file has them, into a model that is used or tuned."""

from dataclasses import replace
from pathlib import Path

from ..errors import StateDictError
from ..nn import Module
from ..weights import load_weights
from ..weights.state_dicts import listed


def load_trained(
    model: Module, path: Path, key: str | None, what: str, except_for: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Read all weights of a model.

    Tensors of layers that the model has not, such as a loss's, are left out; more tensors within a
    layer of the model's are those of another model.

    Args:
        model: takes the weights.
        path: the file.
        key: where in it they are, see `load_weights`.
        what: what the file should hold, for the error: "the weights of resnet18".
        except_for: names that begin so may be missing, or of another size: "fc.".

    Returns:
        Sentences about what the file has beside them.

    Raises:
        DataError: no such file, or it cannot be read.
        StateDictError: the file holds the weights of another model; names it.
        UsageError: as for `load_weights`.
    """
    report = load_weights(model, path, strict=False, key=key)
    layers = {name.partition(".")[0] for name, _ in model.named_tensors()}
    beside = [name for name in report.unexpected if name.partition(".")[0] not in layers]
    within = tuple(name for name in report.unexpected if name.partition(".")[0] in layers)
    report = replace(report, unexpected=within)
    if not report.fits(except_for):
        raise StateDictError(f"{path} does not hold {what}: {report.describe(except_for)}")
    left_out = [f"{listed(beside)}: not in the model, left out"] if beside else []
    return (*report.notices, *left_out)
