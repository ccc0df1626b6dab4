"""The error of a model on test images."""

from collections.abc import Iterable

from ..backend import Array, move
from ..modes import no_grad
from ..nn import Module


def error_rate(model: Module, batches: Iterable[tuple[Array, Array]], backend: str) -> float:
    """Return the error of a model in evaluation, in %; leaves it in training mode.

    Args:
        model: a classifier.
        batches: images (N, C, H, W) and labels, int64 (N,).
        backend: where the model is.
    """
    model.eval()
    wrong = seen = 0
    with no_grad():
        for x, labels in batches:
            predicted = model(move(x, backend)).data.argmax(axis=1)
            wrong += int((predicted != move(labels, backend)).sum())
            seen += len(labels)
    model.train()
    return 100 * wrong / seen
