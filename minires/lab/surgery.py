"""Surgery: what can be changed on a net that is being trained."""

from dataclasses import dataclass

from ..arguments import LARGEST, integer, real, shown
from ..autograd import Tensor
from ..errors import UsageError
from ..models.blocks import Block
from .config import MOMENTUM, RATES


@dataclass(frozen=True)
class Surgery:
    """One change; its text is STEP:NET:KIND:PATH:VALUE, such as 120:1:shortcut:layer1.0:0.

    Attributes:
        step: how many training steps were taken before it.
        net: 0 or 1.
        kind: one of `KINDS`.
        path: of the block or the layer, or the operation's name, see `OperationNames`; "" for those
            of the whole net.
        value: what `KINDS` says.

    Raises:
        UsageError: a value is not one of those possible.
    """

    step: int
    net: int
    kind: str
    path: str
    value: float

    def __post_init__(self) -> None:
        integer(self.step, "the step of a surgery", at_least=0)
        integer(self.net, "the net of a surgery", 0, 1)
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise UsageError(f"a surgery is one of {', '.join(KINDS)}, got {shown(self.kind)}")
        if not isinstance(self.path, str):
            raise UsageError(f"the path of a surgery is a text, got {shown(self.path)}")
        _, low, high = KINDS[self.kind]
        if self.kind in ("shortcut", "freeze") and self.value not in (0, 1):
            raise UsageError(f"the value of {self.kind} is 0 or 1, got {shown(self.value)}")
        object.__setattr__(self, "value", real(self.value, f"the value of {self.kind}", low, high))

    @classmethod
    def parse(cls, text: str) -> "Surgery":
        """Return the surgery of a text.

        Raises:
            UsageError: it is none.
        """
        try:
            step, net, kind, path, value = text.split(":")
            return cls(int(step), int(net), kind, path, float(value))
        except ValueError as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(
                f"a surgery must be like 120:1:shortcut:layer1.0:0, got {shown(text)}"
            ) from None

    def __str__(self) -> str:
        return f"{self.step}:{self.net}:{self.kind}:{self.path}:{self.value:.12g}"


class EditedBlock(Block):
    """A block with the parameters of another one, whose branch or shortcut is changed.

    y = relu(factor F(x) + shortcut(x)), or relu(factor F(x)) without a shortcut.

    Args:
        block: the other one; a plain one gets shortcuts of option A, which have no parameters.
        shortcut: whether there is a shortcut.
        factor: that of the branch.
    """

    def __init__(self, block: Block, shortcut: bool, factor: float) -> None:
        vars(self).update(vars(block))
        self.shortcut = (block.shortcut or "A") if shortcut else None
        self.factor = factor

    def branch(self, x: Tensor) -> Tensor:
        return super().branch(x) * self.factor


# Each kind: what its path is, and the least and the greatest value.
#   shortcut   1: the block has a shortcut; 0: it has none
#   branch     the factor of F(x)
#   freeze     1: the parameters of the block stay as they are; 0: they are trained
#   init       the layer's weights are drawn anew, and its velocity is 0
#   zero       in the next training step no gradient goes back from the layer
#   gradient   in the next training step, the factor of the gradients that the operation hands on
#   lr, momentum
KINDS: dict[str, tuple[str, float, float]] = {
    "shortcut": ("block", 0, 1),
    "branch": ("block", -10, 10),
    "freeze": ("block", 0, 1),
    "init": ("layer", 0, LARGEST),
    "zero": ("layer", 0, LARGEST),
    "gradient": ("operation", -10, 10),
    "lr": ("", *RATES),
    "momentum": ("", *MOMENTUM),
}
LASTING: tuple[str, ...] = ("shortcut", "branch", "freeze", "lr", "momentum")
