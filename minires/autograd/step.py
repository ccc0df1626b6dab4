"""One step of a backward walk, as its readers get it, and which steps they asked for."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import numpy as np

from ..backend import Array, Promise, array_module, backend_name, is_array, settled
from ..errors import DeviceError, DTypeError, UsageError, expect

if TYPE_CHECKING:
    from .engine import Op, Tensor

# The name or the class of an operation, or several of them; None for all.
Ops: TypeAlias = "str | type[Op] | Iterable[str | type[Op]] | None"


class Target(NamedTuple):
    """Where the gradient of one input goes.

    Attributes:
        name: what the operation's forward calls the input, such as "x" or "w".
        source: the Op that made the input, the leaf Tensor that it is, or None: nobody wants it.
        label: the source for a reader: "ReLU layer1.0", "layer1.0.conv1.weight", "a leaf".
        added: whether it is added to a gradient that is there already, from another branch of
            the graph or an earlier backward pass.
    """

    name: str
    source: "Op | Tensor | None"
    label: str
    added: bool

    def __str__(self) -> str:
        return f"{self.name} to {self.label}{', added' if self.added else ''}"


@dataclass
class Step:
    """An operation has turned the gradient of its output into those of its inputs.

    Attributes:
        op: the operation whose backward has just run; its `path`, `line` and `input_shapes`
            say where in the net and in the program it is, and what it was given.
        seconds: the time its backward took.
    """

    op: "Op"
    incoming: Array | Promise
    handed_on: list[Array | Promise | None]
    sources: "tuple[Op | Tensor | None, ...]"
    added: tuple[bool, ...]
    seconds: float

    @property
    def gy(self) -> Array:
        """The gradient that came in."""
        return cast(Array, settled(self.incoming))

    @property
    def gxs(self) -> list[Array | None]:
        """The gradients it hands on, one an input.

        An entry may be replaced before going on, and the new array is handed on instead;
        never write into the arrays, which may be shared: an addition hands the same one to
        both of its inputs.
        """
        self.handed_on[:] = map(settled, self.handed_on)
        return cast(list[Array | None], self.handed_on)

    @property
    def targets(self) -> list[Target]:
        """Where the gradients go, one an input."""
        labels = map(self._label, self.sources)
        return list(map(Target, self.op.input_names, self.sources, labels, self.added))

    @property
    def norm(self) -> float:
        """The Euclidean norm of the gradient that came in."""
        return norm(self.gy)

    @property
    def norms(self) -> list[float | None]:
        """The Euclidean norms of the gradients it hands on; None where there is none."""
        return [None if gx is None else norm(gx) for gx in self.gxs]

    def scale(self, factor: float, *names: str) -> None:
        """Multiply the gradients of the inputs `names` (all by default) before they go on.

        At a residual join, `step.scale(0, "b")` cuts the arm that is added second.

        Raises:
            UsageError: the operation has no input of such a name.
        """
        own = [target.name for target in self.targets]
        for name in names:
            expect(
                name in own,
                UsageError,
                f"{self.op.name} has the inputs {', '.join(own)}; got {name!r}",
            )
        for i, (target, gx) in enumerate(zip(self.targets, self.gxs, strict=True)):
            if gx is not None and (not names or target.name in names):
                self.handed_on[i] = gx * gx.dtype.type(factor)

    def expect_arrays(self) -> None:
        """Refuse anything but an array of gy's backend in the place of a gradient."""
        backend = backend_name(self.incoming)
        for name, gx in zip(self.op.input_names, self.handed_on, strict=False):
            if gx is None:
                continue
            if not (isinstance(gx, Promise | np.generic) or is_array(gx)):
                raise DTypeError(
                    f"{self.op.label} was to hand its input {name} the gradient {gx!r}; "
                    "expected an array, or None"
                )
            if backend_name(gx) != backend:
                raise DeviceError(
                    f"{self.op.label} was to hand its input {name} a gradient on "
                    f"{backend_name(gx)}; expected one on {backend}"
                )

    def _label(self, source: "Op | Tensor | None") -> str:
        if source is None:
            return "nobody"
        if not hasattr(source, "grad"):
            return source.label
        return f"{self.op.path}.{source.name}".lstrip(".") if source.name else "a leaf"

    def __str__(self) -> str:
        gone = [
            f"{target}, norm {size:.2e}"
            for target, size in zip(self.targets, self.norms, strict=True)
            if size is not None and target.source is not None
        ]
        came = f"gy {self.gy.shape}, norm {self.norm:.2e}"
        return f"{self.op.name} ({self.op.where}): {came}; hands on {'; '.join(gone) or 'nothing'}"


def norm(array: Array) -> float:
    """The Euclidean norm, computed in float64: gradients that explode square to infinity."""
    return float(array_module(array).linalg.norm(array.astype("float64")))


def matching(ops: Ops, path: str | None) -> "Callable[[Op], bool]":
    """Whether an operation is one of `ops`, in the module `path` or one below it; see `Step`.

    Args:
        ops: names such as "Add", classes, or several of either; None for all.
        path: a module's path such as "layer2" or "layer2.0.conv1", in which * stands for
            anything: "*.bn1"; None for all.
    """
    wanted: Any = () if ops is None else ops
    wanted = (wanted,) if isinstance(wanted, str | type) else tuple(wanted)
    names = {op for op in wanted if isinstance(op, str)}
    classes = tuple(op for op in wanted if isinstance(op, type))
    # "layer1" is not "layer10": what follows must begin with a dot.
    within = None if path is None else re.compile(rf"{translate(path)}|{translate(path + '.*')}")

    def matches(op: "Op") -> bool:
        chosen = ops is None or op.name in names or isinstance(op, classes)
        return chosen and (within is None or within.match(op.path) is not None)

    return matches


def expect_some(found: bool, wanted: str, there: "Iterable[Op]") -> None:
    """Refuse a choice of operations that fits none of those there are."""
    expect(found, UsageError, lambda: f"no operation fits {wanted}; there are {_listing(there)}")


def _listing(ops: "Iterable[Op]") -> str:
    ops = list(ops)
    names = ", ".join(sorted({op.name for op in ops}))
    paths = sorted({op.path.split(".")[0] for op in ops if op.path})
    return names + (f" in {', '.join(paths)}" if paths else "")
