"""The same elements in another arrangement: padding, joining, the parameter-free shortcut."""

from collections.abc import Sequence

from ..arguments import integer, is_integer, several, shown
from ..autograd import Operand, Tensor
from ..deprecated import old_parameters
from ..errors import ShapeError
from ..ops.reshape import Concatenate, Pad
from ..pytorch import expect_only


def as_tensor(x: Operand) -> Tensor:
    """Return a tensor as it is, and anything else as one."""
    return x if isinstance(x, Tensor) else Tensor(x)


@old_parameters(x="input")
def pad(
    input: Operand, pad: tuple[int, ...], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Return x with constants around its last dimensions, the last one first.

    `pad` is (left, right, top, bottom, ...); `mode` can only be "constant", of `value` or 0.
    """
    expect_only(mode=mode)
    x = as_tensor(input)
    widths = isinstance(pad, tuple | list) and all(map(is_integer, pad))
    if not widths or len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ShapeError(
            f"pad got {shown(pad)} for shape {x.shape}; expected two widths a dimension, "
            "the last one first"
        )
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    outer = ((0, 0),) * (x.ndim - len(pairs))
    return Pad(outer + tuple(pairs[::-1]), 0.0 if value is None else value)(x)


def cat(tensors: Sequence[Operand], dim: int = 0) -> Tensor:
    """Return tensors one after the other along `dim`; their other sizes are equal."""
    parts = several(tensors, "tensors")
    return Concatenate(len(parts), dim)(*parts)


@old_parameters(x="input")
def shortcut_a(input: Operand, channels: int, stride: int) -> Tensor:
    """Return every `stride`-th pixel, and zero channels, half of them on each side: option A.

    (N, C, H, W) -> (N, channels, ⌈H / stride⌉, ⌈W / stride⌉), without a parameter
    (He et al. 2015, section 3.3).
    """
    x = as_tensor(input)
    stride, channels = integer(stride, "stride", 1), integer(channels, "channels", 1)
    if x.ndim != 4 or channels < x.shape[1]:
        raise ShapeError(
            f"shortcut_a got shape {x.shape} for {channels} channels; it can only add channels"
        )
    y = x[:, :, ::stride, ::stride] if stride > 1 else x
    missing = channels - x.shape[1]
    return pad(y, (0, 0, 0, 0, missing // 2, missing - missing // 2)) if missing else y
