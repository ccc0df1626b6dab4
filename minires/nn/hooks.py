"""Calling the hooks of a module: after its forward, and once backward has been through it."""

from typing import Any

from ..arguments import shown
from ..autograd import Tensor
from ..errors import UsageError


def called_with_hooks(module: Any, x: Tensor, *more: Any) -> Tensor:
    """Return `module.forward(x, *more)`, or what its forward hooks make of that."""
    watched = bool(module.backward_hooks)
    entering = _itself(x) if watched else x
    y = module.forward(entering, *more)
    for hook in module.forward_hooks:
        returned = hook(module, (x, *more), y)
        if returned is not None:
            y = returned
        if not isinstance(y, Tensor):
            raise UsageError(f"a forward hook returned {shown(y)}; expected a Tensor, or None")
    return _watched(module, entering, y) if watched else y


def _itself(x: Tensor) -> Tensor:
    """Return x as an operation has made it, so that its gradient is that of this use alone."""
    return x.reshape(x.shape)


def _watched(module: Any, x: Tensor, y: Tensor) -> Tensor:
    """Return y itself; backward calls the module's hooks with the gradients of x and of y."""
    y = _itself(y)
    outputs: list[Any] = []

    def call(gx: Any) -> Any:
        for hook in module.backward_hooks:
            returned = hook(module, (gx,), tuple(outputs))
            if returned is not None:
                gx = returned[0] if isinstance(returned, tuple) else returned
        return gx

    def leaving(gy: Any) -> None:
        outputs[:] = [gy]
        if not x.requires_grad:
            call(None)

    if y.requires_grad:
        y.register_hook(leaving)
    if x.requires_grad:
        x.register_hook(call)
    return y
