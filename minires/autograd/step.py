"""One step of a backward pass, as a reader of the walk gets it."""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..arguments import shown
from ..backend import Array, array_module, backend_name, expect_same_backend, is_array
from ..errors import DeviceError, DTypeError, ShapeError, UsageError
from ..kernels import REFERENCE
from ..ops import Op
from ..text import html_text

Source: TypeAlias = Any  # the Op that made an input, the leaf Tensor that it is, or None


class Target(NamedTuple):
    """Where the gradient of one input goes.

    Attributes:
        name: the input's name in the operation's forward, such as "x" or "w".
        source: the Op that made the input, the leaf Tensor that it is, or None.
        label: the source in words: "ReLU layer1.0", "layer1.0.conv1.weight", "a leaf".
        added: whether it is added to a gradient that is there already, from another branch of
            the graph or an earlier backward pass.
    """

    name: str
    source: Source
    label: str
    added: bool

    def __str__(self) -> str:
        return f"{self.name} to {self.label}{', added' if self.added else ''}"


@dataclass
class Step:
    """An operation has turned the gradient of its output into those of its inputs.

    Attributes:
        op: the operation whose backward has just run; its `path`, `line` and `input_shapes`
            say where in the model and in the program it is, and what it was given.
        seconds: the time its backward took.
    """

    op: Op
    incoming: Any
    outgoing: list[Any]
    sources: tuple[Source, ...]
    added: tuple[bool, ...]
    seconds: float

    @property
    def gy(self) -> Array:
        """The gradient that came in."""
        (gy,) = REFERENCE.take([self.incoming])
        return gy

    @property
    def gxs(self) -> list[Array | None]:
        """The gradients that go on, one for each input.

        An entry may be replaced before the walk continues, and the new array goes on instead.
        Never write into the arrays, which may be shared: an addition gives the same one to both
        of its inputs.
        """
        self.outgoing[:] = REFERENCE.take(self.outgoing)
        return self.outgoing

    @property
    def targets(self) -> list[Target]:
        """Where the gradients go, one for each input."""
        labels = map(self._label, self.sources)
        return list(map(Target, self.op.input_names, self.sources, labels, self.added))

    @property
    def norm(self) -> float:
        """The Euclidean norm of the gradient that came in."""
        return norm(self.gy)

    @property
    def norms(self) -> list[float | None]:
        """The Euclidean norms of the gradients that go on; None where there is none."""
        return [None if gx is None else norm(gx) for gx in self.gxs]

    def __repr__(self) -> str:
        going = zip(self.op.input_names, self.norms, strict=False)
        on = ", ".join(f"{name} {size:.3g}" for name, size in going if size is not None)
        return f"Step: {self.op.label}, gradient {self.norm:.3g} -> {on or 'none'}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html_text(target.name)}</td><td>{'' if size is None else f'{size:.3g}'}</td>"
            f"<td>{html_text(str(target.label))}{', added' * target.added}</td></tr>"
            for target, size in zip(self.targets, self.norms, strict=False)
        )
        return (
            f"<p><b>{html_text(self.op.label)}</b>: a gradient of norm {self.norm:.3g} came in</p>"
            f"<table><tr><th>input</th><th>norm</th><th>goes to</th></tr>{rows}</table>"
        )

    def scale(self, factor: float, *names: str) -> None:
        """Multiply the gradients of the inputs `names` (all by default) before they go on.

        At a residual addition, `step.scale(0, "b")` cuts the branch that is added second.

        Raises:
            UsageError: the operation has no input of such a name.
        """
        own = self.op.input_names
        for name in names:
            if name not in own:
                raise UsageError(f"{self.op.name} has the inputs {', '.join(own)}; got {name!r}")
        for i, (name, gx) in enumerate(zip(own, self.gxs, strict=True)):
            if gx is not None and (not names or name in names):
                self.outgoing[i] = gx * gx.dtype.type(factor)

    def check_replaced(self) -> None:
        """Raise DTypeError or DeviceError if a gradient was replaced by none of gy's backend."""
        backend = backend_name(self.incoming)
        for name, gx in zip(self.op.input_names, self.outgoing, strict=False):
            if gx is None:
                continue
            if not (hasattr(gx, "backend") or isinstance(gx, np.generic) or is_array(gx)):
                raise DTypeError(
                    f"{self.op.label} was to hand its input {name} the gradient {gx!r}; "
                    "expected an array, or None"
                )
            if backend_name(gx) != backend:
                raise DeviceError(
                    f"{self.op.label} was to hand its input {name} a gradient on "
                    f"{backend_name(gx)}; expected one on {backend}"
                )

    def _label(self, source: Source) -> str:
        if source is None:
            return "nothing"
        if isinstance(source, Op):
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
    """Return the Euclidean norm, in float64: the squares of exploding gradients overflow."""
    return float(array_module(array).linalg.norm(array.astype("float64")))


def check_gradients(op: Op, gxs: list[Any]) -> None:
    """Raise ShapeError or DTypeError if gradients do not have the inputs' number, shape, dtype."""
    if len(gxs) != len(op.input_shapes):
        raise ShapeError(
            f"{op.name}.backward gave {len(gxs)} gradients for {len(op.input_shapes)} inputs"
        )
    for i, (gx, shape, wanted) in enumerate(zip(gxs, op.input_shapes, op.needs_grad, strict=True)):
        if gx is not None and wanted and (gx.shape != shape or gx.dtype != op.dtype):
            raise (ShapeError if gx.shape != shape else DTypeError)(
                f"{op.label} hands its input {op.input_names[i]} a gradient of shape "
                f"{gx.shape} and type {gx.dtype}; it has shape {shape} and type {op.dtype}"
            )


def expect_gradient(returned: Any, instead_of: Array) -> Any:
    """Return what a hook returned instead of a gradient, once it is checked to be like it."""
    array = getattr(returned, "held", returned)
    if not is_array(array):
        raise DTypeError(f"a hook returned {shown(returned)}; expected a gradient, or None")
    expect_same_backend("a hook", returned=array, gradient=instead_of)
    for kind, error in (("shape", ShapeError), ("dtype", DTypeError)):
        if getattr(array, kind) != getattr(instead_of, kind):
            raise error(
                f"a hook returned a gradient of {kind} {getattr(array, kind)} instead of one of "
                f"{getattr(instead_of, kind)}"
            )
    return array
