"""Softmax and the cross-entropy."""

from ..arguments import integer, is_one_of, shown
from ..autograd import Operand, Tensor
from ..backend import Array, array_module, is_array, placed, real_numbers
from ..deprecated import old_parameters
from ..errors import LabelError, UsageError
from ..ops import checks
from ..ops.loss import CrossEntropy, LogSoftmax, NegativeLogLikelihood
from .shapes import as_tensor


@old_parameters(x="input")
def log_softmax(input: Operand, dim: int = -1) -> Tensor:
    """Return x − ln Σ eˣ along `dim`."""
    return LogSoftmax(dim)(input)


def softmax(input: Operand, dim: int = -1) -> Tensor:
    """Return eˣ / Σ eˣ along `dim`."""
    return as_tensor(input).softmax(dim)


@old_parameters(x="input")
def cross_entropy(
    input: Operand,
    target: Operand,
    weight: Operand = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross-entropy of logits (N, C) and integer labels (N,), as PyTorch defines it.

    Args:
        input: the logits; target: the labels.
        weight: (C,), how much the images of each class count; None for all alike.
        ignore_index: images with this label do not count; None for none.
        reduction: "mean" over what counts, a single number; "sum"; or "none", one for each image.
        label_smoothing: the share of each label that goes to all classes alike.

    Raises:
        LabelError: a label is no class, or a mean is asked for and all labels are ignored.
    """
    x = as_tensor(input)
    if isinstance(target, Tensor):
        labels = target.data
    else:
        target = target if is_array(target) else array_module(x.data).asarray(real_numbers(target))
        labels = placed(target)
    if not is_one_of(reduction, ("mean", "sum", "none")):
        raise UsageError(f"reduction must be 'mean', 'sum' or 'none', got {shown(reduction)}")
    if weight is None and ignore_index is None and reduction == "mean":
        return CrossEntropy(labels, label_smoothing)(x)
    counted = None if weight is None else as_tensor(weight).data
    return _weighted(x, labels, counted, ignore_index, reduction, label_smoothing)


def _weighted(
    x: Tensor,
    labels: Array,
    weight: Array | None,
    ignored: int | None,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    """Return what `cross_entropy` does, with each class and each image counting differently."""
    xp = array_module(x.data)
    checks.logits(CrossEntropy(labels), x.data)
    counts = xp.ones(labels.shape, x.dtype)
    if ignored is not None:
        counts[labels == integer(ignored, "ignore_index")] = 0
        labels = xp.where(counts > 0, labels, 0)
    op = CrossEntropy(labels, label_smoothing)
    checks.cross_entropy(op, x.data)
    targets = op.targets(xp, x.data) * counts[:, None]
    if weight is not None:
        checks.class_weights(x.data, weight)
        targets *= weight
        counts *= weight[labels]
    losses = NegativeLogLikelihood(targets)(LogSoftmax(1)(x))
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if not (total := float(counts.sum())):
        raise LabelError("cross_entropy got no label that counts, of which there is no mean")
    return losses.sum() / total
