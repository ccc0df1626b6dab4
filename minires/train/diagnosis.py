"""Why a loss is NaN or infinite: the operation that made the first such number."""

from ..backend import Array, array_module
from ..errors import NonFiniteError
from ..inspect import detect_anomaly
from ..nn import Module

ADVICE = "a lower learning rate usually helps"
REPLAYED = "it came from a replayed graph; without the graph its operation would be named"


def origin_of_nan(model: Module, x: Array) -> str:
    """Return where a loss that is not finite came from.

    Runs the forward pass again and stops at the operation that made the first NaN or infinity.

    Args:
        model: the model, with the parameters that the loss was computed with.
        x: the batch, (N, C, H, W).
    """
    origin = "the loss alone is not finite"
    try:
        with detect_anomaly():
            model(x)
    except NonFiniteError as error:
        origin = str(error)
    xp = array_module(x)
    bad = [name for name, p in model.named_parameters() if not xp.isfinite(p.data).all()]
    if bad:
        origin += f"; {len(bad)} parameters were not finite before this step, first {bad[0]}"
    return origin
