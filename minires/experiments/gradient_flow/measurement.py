"""Measurement: results that do not depend on each other, so that each may be computed elsewhere."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

R_co = TypeVar("R_co", covariant=True)


class Measurement(ABC, Generic[R_co]):
    """`measurement[i]` computes result number i, and `list(measurement)` all of them, in order."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> R_co: ...

    def __iter__(self) -> Iterator[R_co]:
        return map(self.__getitem__, range(len(self)))
