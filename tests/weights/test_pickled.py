"""The machine for pickles: what it builds, and that nothing runs on it."""

import contextlib
import pickle
import random
import sys
import time
from pathlib import Path

import pytest
from pth_files import name, plain

from minires.errors import DataError
from minires.weights import pickled
from minires.weights.pickled import Inert, PickleMachine

FILE = Path("w.pth")


def called(*arguments):
    """Stands for what a pickle may call."""
    return ("called", *arguments)


NAMES = {
    "lent.function": called,
    "lent.value": 7,
    "lent.inert": Inert("inert"),
    **{f"builtins.{kind}": Inert(kind) for kind in ("set", "frozenset")},
    **{f"__builtin__.{kind}": Inert(kind) for kind in ("set", "frozenset")},
    "_codecs.encode": Inert("bytes"),
}


def run(program):
    return PickleMachine(FILE, NAMES, lambda identity: ("persistent", identity)).run(program)


SHARED = ["x"]
DATA = (
    {"a": 1, "b": -1, "c": 2**40, "d": -(2**70), "e": 255, "f": 65535, "g": 2**31 - 1},
    [1.5, None, True, False, "ü€\n", "", "x" * 300],
    ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [[]], {}, {"a": {"b": {"": 3}}}),
    [SHARED, SHARED],
    list(range(3000)),
)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", DATA, ids=lambda v: type(v).__name__)
def test_plain_data_is_what_it_was(value, protocol):
    assert run(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_only_entries_whose_keys_are_text_are_kept(protocol):
    """Of an optimizer's {0: ...}, nothing is asked for; no number is hashed."""
    keys = (1, -1, 2**70, 2.5, None, True, (1, "a"), frozenset(), b"x")
    assert run(pickle.dumps({"a": dict.fromkeys(keys, 3), "b": {"c": 4, 5: 6}}, protocol)) == {
        "a": {},
        "b": {"c": 4},
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    ("value", "kind"),
    [({1, 2}, "set"), (frozenset([1]), "frozenset"), (b"x" * 300, "bytes"), (b"x", "bytes")],
)
def test_what_no_tensor_is_made_of_becomes_a_word(value, kind, protocol):
    assert run(pickle.dumps([value, 7], protocol)) == [Inert(kind), 7]


def test_what_is_inert_takes_anything_and_stays_what_it_was():
    inert = name("lent", "inert")
    changes = (
        *(plain((1, [2])) + b"R", b")\x81", plain({"__class__": 1}) + b"b", plain([1]) + b"a"),
        *(b"(" + plain(1) + b"e", plain(1) + plain(2) + b"s", b"(" + plain(1) * 2 + b"u"),
        b"(" + plain(1) + b"\x90",
    )
    for change in changes:
        assert run(inert + change + b".") == Inert("inert")
    assert run(inert + b"".join(changes) + b".") == Inert("inert")


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


# --- what raises --------------------------------------------------------------------------


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
    "POP": (b"N0.", "instruction POP"),
    "a large number": (pickle.dumps(2**3000, 2), "instruction LONG4,"),
    "a name of a megabyte": (name("lent", "x" * 1_000_000) + b".", "asks for 'lent.x{95}', "),
    "bytearray": (b"\x96" + b"\xff" * 8 + b".", "damaged"),
    "a class of one's own": (pickle.dumps(Reduced(sys.exit, 3), 2), "'sys.exit'"),
    "a terminal's escapes": (name("\x1b[2J", "x") + b".", r"'\\x1b\[2J.x'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_anything_else_raises_by_name_and_is_not_run(what, tmp_path, monkeypatch):
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
def test_a_damaged_pickle_raises(what):
    with pytest.raises(DataError, match=r"^w\.pth holds a damaged pickle"):
        run(DAMAGED[what])


# --- bombs, which kill or stall Python's own machine --------------------------------------


def test_a_number_in_the_memo_reserves_no_memory():
    """Python 3.11's machine reserves 2 · 8 · 2³¹ bytes for this."""
    with pytest.raises(DataError, match=r"damaged pickle \(number 2147483647 of the memo after 0"):
        run(b"Nr\xff\xff\xff\x7fj\xff\xff\xff\x7f.")
    assert run(b"Nq\x00K\x01q\x01Kcq\x01h\x01h\x00\x87.") == (99, 99, None)


def test_a_key_nested_ever_deeper_is_not_hashed():
    """hash(((((...),),),)) overflows the stack of the process."""
    assert run(b"})" + b"\x85" * 100_000 + b"Ns.") == {}


# t = (s, s) of s = ...: 2⁶⁴ steps, where anything goes through it.
DOUBLED = b")" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(64))
TWICE_AND_TWICE = {
    "a key": (b"}" + DOUBLED + b"Ns.", None),
    "a key of several": (b"}(" + DOUBLED + b"Nu.", None),
    "a value": (b"}" + plain("x") + DOUBLED + b"s.", None),
    "arguments of a call": (name("lent", "inert") + DOUBLED + b"R.", None),
    "attributes": (b"}" + DOUBLED + b"b.", None),
    "called": (DOUBLED + b")R.", "a tuple is not callable"),
    "called with a number": (DOUBLED + plain(5) + b"R.", "a tuple is not callable"),
    "called with itself": (DOUBLED + b"h\x3fR.", "a tuple is not callable"),
    "made": (DOUBLED + b")\x81.", "instruction NEWOBJ"),
    "a name": (DOUBLED + DOUBLED + b"\x93.", "expected a name of text"),
    "half a name": (plain("os") + DOUBLED + b"\x93.", "expected a name of text"),
    "appended to": (DOUBLED + b"Na.", "expected a list, found a tuple"),
    "set in": (DOUBLED + b"NNs.", "expected a dict, found a tuple"),
    "a set": (b"(" + DOUBLED + b"\x91.", None),
    "an item of a set": (b"\x8f(" + DOUBLED + b"\x90.", None),
}


@pytest.mark.parametrize("what", TWICE_AND_TWICE)
def test_a_tuple_that_holds_itself_twice_and_twice_is_not_looked_through(what):
    program, said = TWICE_AND_TWICE[what]
    if said is None:
        run(program)
        return
    with pytest.raises(DataError, match=said) as refusal:
        run(program)
    assert len(str(refusal.value)) < 500


def test_keys_of_one_hash_are_not_hashed():
    """k · (2⁶¹ − 1) has the hash 0: Python's dict would compare each with all before."""
    keys = b"".join(plain(k * (2**61 - 1)) + b"N" for k in range(60_000))
    started = time.process_time()
    assert run(b"}(" + keys + b"u.") == {}
    assert time.process_time() - started < 5  # 40 s


def test_a_pickle_of_too_many_steps_ends(monkeypatch):
    monkeypatch.setattr(pickled, "_MOST_STEPS", 1000)
    assert run(b"]" * 999 + b".") == []
    with pytest.raises(DataError, match=r"w\.pth holds a pickle that does not end in 1,000 steps"):
        run(b"]" * 1000 + b".")


def test_a_message_holds_little_of_a_pickle():
    for program in (b"S" + b"x" * 1_000_000 + b"\n.", b"I" + b"x" * 1_000_000 + b"\n."):
        with pytest.raises(DataError, match="damaged pickle") as refusal:
            run(program)
        assert len(str(refusal.value)) < 300


def test_lists_nested_ever_deeper_are_built_and_forgotten():
    assert isinstance(run(b"]" * 100_000 + b"a" * 99_999 + b"."), list)


def test_altered_pickles_are_read_or_raise():
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
