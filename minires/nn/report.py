"""LoadReport: what a model copied from a state dict, and what it did not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

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
