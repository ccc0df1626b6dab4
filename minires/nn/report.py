"""LoadReport: what a model copied from a state dict, and what it did not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..arguments import flag, shown
from ..autograd import Tensor
from ..backend import backend_name, converted, is_array, move, note_write, to_numpy
from ..errors import StateDictError

NUMBER_KINDS = "fiu"  # of dtypes that weights may have: floats and integers
_SHOWN = 5  # tensors that a sentence names


class Mismatch(NamedTuple):
    """A tensor that was given with another shape than the model's, or that holds no numbers.

    Attributes:
        name: of the parameter or buffer.
        shape, dtype: of what was given.
        expected: the shape of the model's tensor.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    expected: tuple[int, ...]

    def __str__(self) -> str:
        if self.dtype.kind not in NUMBER_KINDS:
            return f"{self.name} holds {self.dtype}, not numbers"
        return f"{self.name} has shape {self.shape}, the model's has {self.expected}"


@dataclass(frozen=True)
class LoadReport:
    """What was not copied when weights were loaded.

    Iterating over a report gives one sentence for each notice and each tensor that was not copied;
    a report with nothing to say has length 0 and is false.

    Attributes:
        missing: names of the model's tensors that were not given.
        unexpected: names that were given and are not in the model.
        mismatched: tensors that were given with another shape, or without numbers.
        notices: sentences about the file: entries that are no tensors, a prefix of all names.
    """

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[Mismatch, ...] = ()
    notices: tuple[str, ...] = ()

    def fits(self, except_for: str | tuple[str, ...] = ()) -> bool:
        """Return whether nothing is missing, unexpected or mismatched.

        Args:
            except_for: names that begin so are left out, such as "fc." for a last layer.
        """
        others = (entry.name for entry in self.mismatched)
        names = (*self.missing, *self.unexpected, *others)
        return all(name.startswith(except_for) for name in names)

    def describe(self, except_for: str | tuple[str, ...] = ()) -> str:
        """Return the notices, and the first tensors that were not copied, in words.

        Args:
            except_for: names that begin so are left out.
        """
        problems = [
            sentence for name, sentence in self._problems() if not name.startswith(except_for)
        ]
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        return "; ".join([*self.notices, *problems[:_SHOWN], *more])

    def _problems(self) -> Iterator[tuple[str, str]]:
        """Yield the name of each tensor that was not copied, and a sentence about it."""
        yield from ((name, f"{name} is missing") for name in self.missing)
        yield from ((name, f"{name} is not in the model") for name in self.unexpected)
        yield from ((entry.name, str(entry)) for entry in self.mismatched)

    def __iter__(self) -> Iterator[str]:
        yield from self.notices
        yield from (sentence for _, sentence in self._problems())

    def __len__(self) -> int:
        return sum(map(len, (self.missing, self.unexpected, self.mismatched, self.notices)))

    def __str__(self) -> str:
        return self.describe() or "all weights were loaded"


def copied(own: Mapping[str, Tensor], state_dict: Any, strict: bool) -> LoadReport:
    """Copy a state dict into tensors by name; see `Module.load_state_dict`."""
    named = isinstance(state_dict, Mapping) and all(isinstance(n, str) for n in state_dict)
    if not named:
        raise StateDictError(f"expected weights by name, got {shown(state_dict)}")
    given = {
        name: _with_shape(value)
        for name, value in state_dict.items()
        if not name.endswith("num_batches_tracked")
    }
    report = _compared(own, given)
    if flag(strict, "strict") and not report.fits():
        raise StateDictError(f"the weights do not fit the model: {report}")
    skipped = {*report.missing, *(entry.name for entry in report.mismatched)}
    changed = {name: tensor for name, tensor in own.items() if name not in skipped}
    for name, tensor in changed.items():  # all, before the first is changed
        note_write(tensor.data, "load_state_dict", name)
    for name, tensor in changed.items():
        array = converted(np.asarray(given[name]), tensor.dtype)
        tensor.data[...] = move(array, backend_name(tensor.data))
    return report


def _with_shape(value: Any) -> Any:
    """Return what has a shape, a dtype of NumPy and `__array__`: `value` itself if it has them."""
    if is_array(value):
        return to_numpy(value)
    deferred = isinstance(getattr(value, "dtype", None), np.dtype) and hasattr(value, "__array__")
    try:
        return value if deferred else np.asarray(value)
    except Exception as error:  # its own `__array__` may raise anything
        raise StateDictError(f"expected an array, got {shown(value)}: {error}") from error


def _compared(own: Mapping[str, Tensor], given: Mapping[str, Any]) -> LoadReport:
    """Return in what the names, shapes and dtypes of `given` differ from the model's own."""
    return LoadReport(
        missing=tuple(name for name in own if name not in given),
        unexpected=tuple(name for name in given if name not in own),
        mismatched=tuple(
            Mismatch(name, given[name].shape, given[name].dtype, tensor.shape)
            for name, tensor in own.items()
            if name in given
            and (given[name].dtype.kind not in NUMBER_KINDS or given[name].shape != tensor.shape)
        ),
    )
