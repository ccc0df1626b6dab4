"""The machine for pickles: what it builds, and that nothing runs on it."""

import contextlib
import pickle
import random
import sys
from pathlib import Path

import pytest
from pth_files import name, plain

from minires.errors import DataError
from minires.weights.pickled import PickleMachine

FILE = Path("w.pth")


def called(*arguments):
    """Stands for what a pickle may call."""
    return ("called", *arguments)


NAMES = {"lent.function": called, "lent.value": 7}


def run(program):
    return PickleMachine(FILE, NAMES, lambda identity: ("persistent", identity)).run(program)


SHARED = ["x"]
DATA = (
    {"a": 1, "b": -1, "c": 2**40, "d": -(2**70), "e": 255, "f": 65535, "g": 2**31 - 1},
    [1.5, None, True, False, "ü€\n", "", "x" * 300],
    ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [[]], {}, {1: {2.5: {None: 3}}}),
    [SHARED, SHARED],
    list(range(3000)),
)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", DATA, ids=lambda v: type(v).__name__)
def test_plain_data_is_what_it_was(value, protocol):
    assert run(pickle.dumps(value, protocol)) == value


def test_what_was_one_list_is_one_list():
    a, b = run(pickle.dumps(DATA[3], 2))
    assert a is b
    loop = []
    loop.append(loop)
    got = run(pickle.dumps(loop, 2))
    assert got[0] is got


def test_what_is_lent_can_be_called_and_nothing_else():
    assert run(name("lent", "function") + plain((1, "x")) + b"R.") == ("called", 1, "x")
    assert run(name("lent", "value") + b".") == 7
    assert run(plain("key") + b"Q.") == ("persistent", "key")
    with pytest.raises(DataError, match="not callable"):
        run(name("lent", "value") + b")R.")


def test_the_attributes_of_a_dict_are_passed_over():
    assert run(b"}" + plain({"_metadata": 1}) + b"b.") == {}


# --- what is refused ----------------------------------------------------------------------


class Reduced:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


REFUSED = {
    "os.system": (name("os", "system") + plain(("touch ran",)) + b"R.", "'os.system'"),
    "eval": (name("builtins", "eval") + plain(("1",)) + b"R.", "'builtins.eval'"),
    "eval of Python 2": (name("__builtin__", "eval") + plain(("1",)) + b"R.", "'__builtin__.eval'"),
    "getattr chain": (name("builtins", "getattr") + b".", "'builtins.getattr'"),
    "a longer name": (name("lent", "function.__globals__") + b".", "'lent.function.__globals__'"),
    "a shorter name": (name("lent", "functio") + b".", "'lent.functio'"),
    "of another module": (name("lent.function", "x") + b".", "'lent.function.x'"),
    "by the stack": (plain("os") + plain("system") + b"\x93.", "'os.system'"),
    "INST": (b"(" + plain("touch ran") + b"ios\nsystem\n.", "INST 'os system'"),
    "OBJ": (b"(" + name("lent", "function") + b"o.", "instruction OBJ"),
    "NEWOBJ": (name("lent", "function") + b")\x81.", "instruction NEWOBJ"),
    "NEWOBJ_EX": (name("lent", "function") + b")}\x92.", "instruction NEWOBJ_EX"),
    "EXT": (b"\x82\x01.", "instruction EXT1 1"),
    "PERSID": (b"Pkey\n.", "instruction PERSID 'key'"),
    "bytes": (pickle.dumps(b"x", 3), "instruction SHORT_BINBYTES"),
    "bytearray": (b"\x96" + b"\xff" * 8 + b".", "damaged"),
    "a class of one's own": (pickle.dumps(Reduced(sys.exit, 3), 2), "'sys.exit'"),
    "a terminal's escapes": (name("\x1b[2J", "x") + b".", r"'\\x1b\[2J.x'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_anything_else_is_refused_by_name_and_not_run(what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program, said = REFUSED[what]
    with pytest.raises(DataError, match=r"^w\.pth ") as refusal:
        run(program)
    assert refusal.match(said)
    assert list(tmp_path.iterdir()) == []


def test_a_function_that_is_lent_keeps_its_attributes():
    function = name("lent", "function")
    state = b"N}" + plain("__defaults__") + plain((1,)) + b"s\x86"  # (None, {...}): setattr
    with pytest.raises(DataError, match="expected a dict, found a function"):
        run(function + state + b"b" + function + b")R.")
    assert called.__defaults__ is None
    assert called() == ("called",)


DAMAGED = {
    "nothing": b"",
    "no end": plain(1),
    "nothing on the stack": b".",
    "no mark": b"t.",
    "no memo": b"h\x05.",
    "an unknown instruction": b"\xff.",
    "a cut string": b"X\xff\xff\x00\x00abc",
    "no text": b"X\x02\x00\x00\x00\xff\xfe.",
    "an append to a tuple": b")" + plain(1) + b"a.",
    "an item of a list": b"]" + plain(1) + plain(2) + b"s.",
    "half an item": b"}(" + plain(1) + b"u.",
    "arguments that are none": name("lent", "function") + plain(5) + b"R.",
    "a call of a string": plain("x") + b")R.",
    "a list as a key": b"}]" + plain(1) + b"s.",
    "a list as a name": b"]]\x93.",
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_pickle_is_refused(what):
    with pytest.raises(DataError, match=r"^w\.pth holds a damaged pickle"):
        run(DAMAGED[what])


# --- bombs, which kill or stall Python's own machine --------------------------------------


def test_a_number_in_the_memo_reserves_no_memory():
    """Python 3.11's machine reserves 2 · 8 · 2³¹ bytes for this."""
    assert run(b"Nr\xff\xff\xff\x7fj\xff\xff\xff\x7f.") is None


def test_a_key_nested_ever_deeper_is_not_hashed():
    """hash(((((...),),),)) overflows the stack of the process."""
    with pytest.raises(DataError, match="expected a string or a number, found a tuple"):
        run(b"})" + b"\x85" * 100_000 + b"Ns.")


def test_a_key_that_holds_itself_twice_and_twice_is_not_hashed():
    """hash((t, t)) of t = (s, s) of s = ...: 2⁶⁴ steps."""
    doubled = b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(64))
    with pytest.raises(DataError, match="found a tuple"):
        run(b"})" + doubled + b"Ns.")
    assert isinstance(run(b")" + doubled + b"."), tuple)


def test_lists_nested_ever_deeper_are_built_and_forgotten():
    assert isinstance(run(b"]" * 100_000 + b"a" * 99_999 + b"."), list)


def test_altered_pickles_are_read_or_refused():
    """Every other outcome, such as another exception, fails."""
    random_ = random.Random(0)
    programs = [pickle.dumps(value, protocol) for value in DATA[:4] for protocol in (2, 4)]
    programs.append(b"\x80\x02" + name("lent", "function") + plain((1, "x")) + b"R.")
    read = 0
    for _ in range(3000):
        program = bytearray(random_.choice(programs))
        for _ in range(random_.randint(1, 4)):
            program[random_.randrange(len(program))] = random_.randrange(256)
        with contextlib.suppress(DataError):
            run(bytes(program))
            read += 1
    assert 100 < read < 2900
