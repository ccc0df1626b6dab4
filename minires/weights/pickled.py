"""A machine for pickles that can build plain data, and can run nothing.

A pickle is a program. Python's machine for it imports whatever a pickle names and calls it with
whatever it likes. This one has the few instructions that numbers, strings, tuples, lists and
dicts need. A name is looked up in a table that the reader of the file wrote, any other is refused
by name; what the table holds is all that a pickle can call.

Restricting Python's own machine (`Unpickler.find_class`) is not enough: a pickle of a few bytes
makes it reserve gigabytes for its memo, set attributes of the functions it was lent, or hash a
tuple that holds itself so often, or is nested so deep, that it never ends or the process dies.
"""

import pickletools
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError

# What a damaged program makes of the machine: nothing on the stack, no such memo, a wrong type.
_DAMAGED = (LookupError, TypeError, ValueError, OverflowError, Warning)


class PickleMachine:
    """Runs one pickle.

    Args:
        path: the file, to be named where something is refused.
        names: what "module.name" of a pickle stands for: a function that it may call, or a value.
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
        self.memo: dict[int, Any] = {}

    def run(self, program: bytes) -> Any:
        """What the pickle holds.

        Raises:
            DataError: it asks for a name or an instruction that it may not have, or is damaged.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of strange escapes in a name
                for instruction, argument, _ in pickletools.genops(program):
                    if instruction.name == "STOP":
                        return self.stack.pop()
                    self._do(instruction.name, argument)
        except _DAMAGED as error:
            raise DataError(f"{self.path} holds a damaged pickle ({error})") from error
        raise DataError(f"{self.path} holds a pickle that does not end")

    def _do(self, instruction: str, argument: Any) -> None:
        stack = self.stack
        match instruction:
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "NONE" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)  # None of NONE
            case "NEWTRUE" | "NEWFALSE":
                stack.append(instruction == "NEWTRUE")
            case "MARK":
                self.below.append(stack)
                self.stack = []
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [stack.pop() for _ in range(int(instruction[-1]))]
                stack.append(tuple(reversed(items)))
            case "TUPLE":
                self._unmark().append(tuple(stack))
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                item = stack.pop()
                self._top(list).append(item)
            case "APPENDS":
                self._unmark()
                self._top(list).extend(stack)
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._top(dict)[_plain(key)] = value
            case "SETITEMS":
                self._unmark()
                self._top(dict).update(zip(map(_plain, stack[::2]), stack[1::2], strict=True))
            case "GLOBAL":
                stack.append(self._named(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(self._named(f"{_plain(module)}.{_plain(name)}"))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(function(*arguments))
            case "BUILD":
                stack.pop()  # attributes, which nothing here has: a state dict's `_metadata`
                self._top(dict)
            case "BINPERSID":
                stack.append(self.persistent(stack.pop()))
            case "PROTO" | "FRAME":
                pass
            case _:
                asked = instruction if argument is None else f"{instruction} {argument!r:.80}"
                raise DataError(f"{self.path} asks for the pickle instruction {asked}{_REFUSED}")

    def _named(self, name: str) -> Any:
        if name not in self.names:
            raise DataError(f"{self.path} asks for {name!r:.200}{_REFUSED}")
        return self.names[name]

    def _unmark(self) -> list[Any]:
        """Go back to the stack beneath the last mark."""
        self.stack = self.below.pop()
        return self.stack

    def _top(self, kind: type) -> Any:
        """What lies on top of the stack, which must be a list or dict."""
        top = self.stack[-1]
        if not isinstance(top, kind):
            raise TypeError(f"expected a {kind.__name__}, found a {type(top).__name__}")
        return top


_REFUSED = (
    ", which tensors do not need; it was refused before it could run. "
    "Weights alone are saved by torch.save(model.state_dict(), path)"
)


def _plain(key: Any) -> Any:
    """A key or a name that is a number or a string: hashing anything else may take for ever."""
    if not isinstance(key, str | int | float | None):
        raise TypeError(f"expected a string or a number, found a {type(key).__name__}")
    return key
