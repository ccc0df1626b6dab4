"""The errors of minires: their messages name what was given and what was expected."""

from .text import printable


class MiniresError(Exception):
    """Root of every error minires raises on purpose; `exit_code` is the command line's."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the message; it may name what is in a file, and so reaches no terminal raw."""
        return printable(super().__str__(), keep="\n")


class UsageError(MiniresError, ValueError):
    """An option or argument that cannot be meant: the caller has to ask for something else."""

    exit_code = 2


class ShapeError(MiniresError, ValueError):
    """Arrays whose ranks or sizes do not fit the operation."""


class RangeError(MiniresError, IndexError):
    """A key of a tensor that points beyond its elements, or does not fit its shape."""


class DTypeError(MiniresError, TypeError):
    """Arrays of the wrong type, or of types that must not be mixed."""


class LabelError(MiniresError, ValueError):
    """Class labels of the wrong type, or outside the range of the classes."""


class DeviceError(MiniresError, RuntimeError):
    """A backend that cannot be used, or arrays of two backends in one operation."""


class OutOfMemoryError(MiniresError, MemoryError):
    """A training step for which there is not enough memory."""


class GraphError(MiniresError, RuntimeError):
    """A backward pass asked of a graph that cannot give it."""


class MissingNameError(MiniresError, AttributeError):
    """A name of PyTorch that is not here; the message says what takes its place."""


class NonFiniteError(MiniresError, ArithmeticError):
    """A NaN or an infinity where a number was expected."""


class GradientError(MiniresError, AssertionError):
    """A hand-written backward pass that disagrees with the numerical gradient."""


class StateDictError(MiniresError, ValueError):
    """Weights, or what an optimiser keeps, whose names or shapes are not those of the one here."""


class DataError(MiniresError):
    """A data file that is missing, cut short or altered."""


class UnreadableError(DataError):
    """A file that the system does not let be read; it may be whole."""


class RunError(MiniresError):
    """A run folder that cannot be written, read or continued."""


class DamageWarning(UserWarning):
    """A file that was found cut short or altered, and what was done instead of using it."""


class MachineWarning(UserWarning):
    """A run that is resumed where its results may have other last bits, and why."""


class NameWarning(UserWarning):
    """A name that two nets have, and which of them was taken."""


def not_enough_memory(error: MemoryError, purpose: str = "") -> str:
    """Return that there is too little memory for something, and what NumPy or CuPy says of it.

    Python's own MemoryError says nothing.
    """
    return f"there is not enough memory{purpose}{f' ({error})' if str(error) else ''}"
