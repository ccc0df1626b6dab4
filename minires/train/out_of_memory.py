"""The error of a training step that runs out of memory, with the batch that would fit."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import clear_frames

from ..errors import OutOfMemoryError, not_enough_memory
from ..inspect.memory import Profile, available
from ..models import NetSpec
from ..models.cifar import CifarNet
from ..models.preact import PreactNet
from ..models.resnet import ResNet
from ..models.spec import Family
from ..nn import Module


@contextmanager
def memory_error_explained(
    net: str, model: Module, shape: tuple[int, ...], backend: str
) -> Iterator[None]:
    """Raise OutOfMemoryError for a MemoryError, NumPy's or CuPy's, with the batch that would fit.

    Args:
        net: the model's name.
        model: what is trained.
        shape: of the images, (N, C, H, W).
        backend: that it is trained on.
    """
    try:
        yield
    except MemoryError as error:
        clear_frames(error.__traceback__)  # they hold what the step had computed
        gc.collect()
        batch = _largest_batch(net, model, shape[1:], backend)
        advice = "half as many need about half of it"
        if batch is not None and 1 < batch < shape[0]:  # above, something else limits the memory
            advice = f"a batch of {batch} would fit"
        what = not_enough_memory(error, f" for a training step on {shape[0]} images")
        raise OutOfMemoryError(f"{net}: {what}; {advice}") from error


def _largest_batch(net: str, model: Module, image: tuple[int, ...], backend: str) -> int | None:
    """Return the largest batch that fits into what is free now; None where that is not known."""
    family: Family = "cifar"
    every = None
    if isinstance(model, CifarNet | PreactNet):
        every = model.layer1.checkpoint_every
    elif isinstance(model, ResNet):
        family = "imagenet"
    else:  # a part of one, or a model of one's own, of which the name says nothing
        return None
    try:
        free = available(backend)
        C, H, W = image
        spec = NetSpec.parse(f"{family}-{net.rpartition('-')[2]}", family)
        profile = Profile.of(spec, (C, H, W))
    except Exception:  # CuPy's own, or again too little memory: the first error is the one to tell
        return None
    return profile.largest_batch(free, every)
