"""A machine for pickles that can build plain data, and can run nothing.

A pickle is a program. Python's machine for it imports whatever a pickle names and calls it with
whatever it likes. This one has the few instructions that numbers, strings, tuples, lists and
dicts need. A name is looked up in a table that the reader of the file wrote, and any other name
raises an error; what the table holds is all that a pickle can call. What no tensor is made of
becomes `Inert`: a word for its kind, without its content.

Restricting Python's own machine (`Unpickler.find_class`) is not enough: a pickle of a few bytes
makes it reserve gigabytes for its memo, set attributes of the functions it was lent, or hash, or
put into an error's message, a tuple that holds itself so often that it never ends. Here nothing is
hashed but text, no value is compared or printed, and there is a bound on the number of steps.
"""

import pickletools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..files import brief

# Instructions of one pickle. PyTorch's have one for three bytes, of which 4,000,000 are read.
_MOST_STEPS = 1_500_000
_MOST_ARGUMENTS = 16  # of a call

# What a damaged program makes of the machine: nothing on the stack, no such memo, a wrong type.
_DAMAGED = (LookupError, TypeError, ValueError, OverflowError, Warning)


@dataclass(frozen=True)
class Inert:
    """Something in a pickle that is no tensor, or a name that makes such things when it is called.

    Attributes:
        kind: a word for a message, such as "Counter".
    """

    kind: str


class PickleMachine:
    """Runs one pickle.

    Args:
        path: the file, which errors name.
        names: what "module.name" of a pickle stands for: a function that it may call, a value, or
            `Inert`.
        persistent: makes a value of a persistent id, as PyTorch's pickles have for storages.
    """

    def __init__(
        self, path: Path, names: Mapping[str, Any], persistent: Callable[[Any], Any]
    ) -> None:
        self.path = path
        self.names = names
        self.persistent = persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks beneath the marks that are set
        self.memo: list[Any] = []

    def run(self, program: bytes) -> Any:
        """Return what the pickle holds: of its dicts, the entries whose keys are text.

        Raises:
            DataError: it asks for a name or an instruction that it may not have, is damaged, or
                takes too many steps.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of strange escapes in a name
                instructions = pickletools.genops(program)
                for _, (instruction, argument, _) in zip(
                    range(_MOST_STEPS), instructions, strict=False
                ):
                    if instruction.name == "STOP":
                        return self.stack.pop()
                    self._do(instruction.name, argument)
        except _DAMAGED as error:
            raise DataError(f"{self.path} holds a damaged pickle ({brief(error)})") from error
        raise DataError(f"{self.path} holds a pickle that does not end in {_MOST_STEPS:,} steps")

    def _do(self, instruction: str, argument: Any) -> None:
        stack = self.stack
        match instruction:
            case "BINPUT" | "LONG_BINPUT":
                self._memoize(argument)
            case "MEMOIZE":
                self._memoize(len(self.memo))
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "NONE" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)  # None of NONE
            case "NEWTRUE" | "NEWFALSE":
                stack.append(instruction == "NEWTRUE")
            case "SHORT_BINSTRING" | "SHORT_BINBYTES" | "BINBYTES":
                stack.append(Inert("bytes"))
            case "BYTEARRAY8":
                stack.append(Inert("bytearray"))
            case "MARK":
                self.below.append(stack)
                self.stack = []
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                first = len(stack) - int(instruction[-1])
                if first < 0:
                    raise LookupError("nothing on the stack")
                stack[first:] = [tuple(stack[first:])]
            case "TUPLE":
                self._unmark().append(tuple(stack))
            case "EMPTY_LIST" | "EMPTY_DICT" | "EMPTY_SET":
                stack.append(_EMPTY[instruction]())
            case "FROZENSET":
                self._unmark().append(Inert("frozenset"))
            case "PROTO" | "FRAME":
                pass
            case _:
                self._change(instruction, argument)

    def _change(self, instruction: str, argument: Any) -> None:
        """Do one of the instructions that change what is on the stack, or that name something."""
        stack = self.stack
        match instruction:
            case "APPEND":
                self._extend([stack.pop()])
            case "APPENDS" | "ADDITEMS":
                self._unmark()
                self._extend(stack)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._set([key, value])
            case "SETITEMS":
                self._unmark()
                self._set(stack)
            case "GLOBAL":
                stack.append(self._named(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                if not (isinstance(module, str) and isinstance(name, str)):
                    raise TypeError("expected a name of text")
                stack.append(self._named(f"{module}.{name}"))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(call(function, arguments))
            case "NEWOBJ" if isinstance(stack[-2], Inert):
                stack.pop()  # arguments; the object is as inert as its class
            case "BUILD":
                stack.pop()  # attributes, which nothing here has: a state dict's `_metadata`
                self._top(dict)
            case "BINPERSID":
                stack.append(self.persistent(stack.pop()))
            case _:
                asked = f"{instruction} {_shown(argument)}".rstrip()
                raise DataError(f"{self.path} asks for the pickle instruction {asked}{_ADVICE}")

    def _named(self, name: str) -> Any:
        if name not in self.names:
            raise DataError(f"{self.path} asks for {_shown(name)}{_ADVICE}")
        return self.names[name]

    def _memoize(self, number: int) -> None:
        """Keep what is on top of the stack; PyTorch, and Python, number from 0 on, without gaps."""
        if number > len(self.memo):
            raise ValueError(f"number {number} of the memo after {len(self.memo)} others")
        self.memo[number : number + 1] = [self.stack[-1]]

    def _unmark(self) -> list[Any]:
        """Go back to the stack beneath the last mark."""
        self.stack = self.below.pop()
        return self.stack

    def _top(self, kind: type) -> Any:
        """Return what lies on top of the stack, which must be a list or dict, or be inert."""
        top = self.stack[-1]
        if not isinstance(top, kind | Inert):
            raise TypeError(f"expected a {kind.__name__}, found a {type(top).__name__}")
        return top

    def _extend(self, items: Sequence[Any]) -> None:
        if isinstance(top := self._top(list), list):
            top.extend(items)

    def _set(self, items: Sequence[Any]) -> None:
        """Set keys and values, which take turns, in the dict on top of the stack.

        Entries whose keys are numbers, such as those of an optimizer, or tuples are left out: many
        integers have the same hash, and a tuple may be too large to be hashed at all.
        """
        entries = list(zip(items[::2], items[1::2], strict=True))
        for key, _ in entries:
            if isinstance(key, list | dict):
                raise TypeError(f"a {type(key).__name__} cannot be a key")
        if isinstance(top := self._top(dict), dict):
            top.update((key, value) for key, value in entries if isinstance(key, str))


def call(function: Any, arguments: Any) -> Any:
    """Return what a function of the table returns for the arguments that a pickle gives it.

    Raises:
        TypeError: it is no function, or these are no arguments; the message has no value in it.
    """
    if isinstance(function, Inert):
        return function
    if not callable(function):
        raise TypeError(f"a {type(function).__name__} is not callable")
    if not (isinstance(arguments, tuple) and len(arguments) <= _MOST_ARGUMENTS):
        raise TypeError(f"expected a few arguments, found a {type(arguments).__name__}")
    return function(*arguments)


_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": lambda: Inert("set"),
}
_ADVICE = (
    ", which tensors do not need; nothing of it was run. "
    "Weights alone are saved by torch.save(model.state_dict(), path)"
)


def _shown(argument: Any) -> str:
    """Return the argument of an instruction for a message: text in quotes, or a small number."""
    if isinstance(argument, str):
        return repr(argument[:100])
    return str(argument) if isinstance(argument, int) and abs(argument) < 2**64 else ""
