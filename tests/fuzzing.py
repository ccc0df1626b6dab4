"""Altered inputs for everything that minires reads from outside: read, or an error of minires.

    python tests/fuzzing.py READER COUNT FIRST

prints as JSON what became of the altered inputs FIRST to FIRST + COUNT of a reader. Each input
comes from its number alone. It is a process of its own, with a bound on its memory and a time
limit for each input, so that whatever an input does to it can be told: `fuzz` starts it.
"""

import gzip
import io
import json
import random
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

HERE = Path(__file__).parent
sys.path.append(str(HERE / "weights"))
from pth_files import NUMBERS, call, name, plain, state_dict, storage, tensor, write  # noqa: E402

from minires.data import digits  # noqa: E402
from minires.errors import DamageWarning, MiniresError  # noqa: E402
from minires.experiments.degradation import Config  # noqa: E402
from minires.experiments.landscape.points_file import Line  # noqa: E402
from minires.models import cifar_net  # noqa: E402
from minires.runs import RunFolder, read_history, write_history  # noqa: E402
from minires.runs.checkpoint import read_checkpoint, undamaged_weights  # noqa: E402
from minires.runs.config import parse_config  # noqa: E402
from minires.runs.table import columns, read_table, table  # noqa: E402
from minires.train import Recipe, Row, Trainer, restore_training  # noqa: E402
from minires.vision.classify import read_labels  # noqa: E402
from minires.vision.decoding import decode  # noqa: E402
from minires.vision.finetune import FinetuneConfig  # noqa: E402
from minires.weights.loading import stored_tensors  # noqa: E402
from minires.weights.safetensors_file import write_tensors  # noqa: E402

SECONDS = 30  # for an input, by the clock; the machine may have other work
MOST_SECONDS = 8  # of a CPU
MOST_MEMORY = 3 << 30  # bytes that the process may ask for, threads and libraries included
MOST_MB = 400  # that it may grow by
LETTERS = 3000  # of an error's message
CANARY = "a payload ran"  # the file that payloads would make


# --- how inputs are altered -----------------------------------------------------------------------


def flip_bits(content: bytes, chance: random.Random) -> bytes:
    altered = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        altered[chance.randrange(len(altered))] ^= 1 << chance.randrange(8)
    return bytes(altered)


def cut_short(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def zero_a_block(content: bytes, chance: random.Random) -> bytes:
    first, last = _span(content, chance)
    return content[:first] + bytes(last - first) + content[last:]


def insert_bytes(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + chance.randbytes(chance.choice((1, 4, 100))) + content[place:]


def take_bytes_out(content: bytes, chance: random.Random) -> bytes:
    first, last = _span(content, chance)
    return content[:first] + content[last:]


def repeat_a_block(content: bytes, chance: random.Random) -> bytes:
    first, last = _span(content, chance)
    return content[:last] + content[first:last] * chance.choice((1, 2, 50)) + content[last:]


def swap_blocks(content: bytes, chance: random.Random) -> bytes:
    a, b, c, d = sorted(chance.randrange(len(content) + 1) for _ in range(4))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def change_a_field(content: bytes, chance: random.Random) -> bytes:
    """One of the values at which lengths break, in one of the widths that lengths have."""
    width = chance.choice((1, 2, 4, 8))
    value = chance.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1, 10**6, 10**10))
    field = (value % 2 ** (8 * width)).to_bytes(width, chance.choice(("little", "big")))
    place = chance.randrange(len(content))
    return content[:place] + field + content[place + width :]


def change_a_number(content: bytes, chance: random.Random) -> bytes:
    """The same for numbers that are written as text."""
    numbers = list(re.finditer(rb"\d+(\.\d+)?", content[:10_000]))
    if not numbers:
        return change_a_field(content, chance)
    new = chance.choice((b"-1", b"0", b"1e999", b"NaN", b"9" * 30, b'"x"', b"[]", b"null", b"true"))
    place = chance.choice(numbers)
    return content[: place.start()] + new + content[place.end() :]


def grow(content: bytes, chance: random.Random) -> bytes:
    """A short block so often that what takes a time by its square shows."""
    first, last = _span(content, chance)
    last = min(last, first + 8)
    return content[:last] + content[first:last] * (50_000 // (last - first)) + content[last:]


def anything(content: bytes, chance: random.Random) -> bytes:
    """Random bytes, after the beginning by which files are told apart."""
    return content[: chance.choice((0, 4, 9, 12))] + chance.randbytes(chance.randrange(2000))


ALTERATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(flip_bits, cut_short, zero_a_block, insert_bytes, take_bytes_out, repeat_a_block),
    *(swap_blocks, change_a_field, change_a_number, grow, anything),
)


def _span(content: bytes, chance: random.Random) -> tuple[int, int]:
    first = chance.randrange(len(content))
    return first, min(len(content), first + chance.choice((1, 2, 8, 64, 1000)))


# --- what is read ---------------------------------------------------------------------------------


class Reader(NamedTuple):
    """Something that reads a file.

    Attributes:
        name: of the file.
        good: contents that are read; each is altered.
        read: reads the file.
        bad: contents that raise an error of minires; each is altered too.
        place: puts a content into the file, where that is not all of it.
        large: contents made to take long, or much memory, or to make a long message; each is read
            or raises such an error, too, within the bounds.
        pieces: what is put at a random place of some inputs.
        most_mb: what the process may grow by for an input of its own size at most.
    """

    name: str
    good: Sequence[bytes]
    read: Callable[[Path], object]
    bad: Sequence[bytes] = ()
    place: Callable[[Path, bytes], object] = Path.write_bytes
    large: Sequence[bytes] = ()
    pieces: Sequence[bytes] = ()
    most_mb: int = 100

    def seconds(self, content: bytes) -> float:
        """What the process may take for an input, of a CPU: by its length, not by the square."""
        return min(MOST_SECONDS, 1 + 2e-6 * len(content))


def weights(path: Path) -> object:
    tensors, _ = stored_tensors(path)
    return [np.asarray(tensor).sum() for tensor in tensors.values()]


def safetensors(folder: Path) -> Reader:
    chance = np.random.default_rng(0)
    tensors = {
        f"layer1.{i}.weight": chance.standard_normal((4, 3, i)).astype(kind)
        for i, kind in enumerate(("f4", "f8", "f2", "i8", "u1", "?"))
    }
    write_tensors(folder / "a", tensors)
    write_tensors(folder / "b", tensors, {"some": ["facts"]})
    good = [(folder / name).read_bytes() for name in "ab"]
    return Reader("w.safetensors", good, weights, large=list(map(_headed, _LARGE_HEADERS)))


def _headed(text: str) -> bytes:
    return len(text).to_bytes(8, "little") + text.encode()


def _entry(name: str = "w", dtype: str = "F32", shape: str = "0") -> str:
    return f'"{name}":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[0,0]}}'


_LARGE_HEADERS = (
    *("{" + ",".join(_entry(f"w{i}") for i in range(n)) + "}" for n in (20_000, 300_000)),
    "{" + _entry(shape="1," * 200_000 + "0") + "}",
    "{" + _entry("w" * 2_000_000) + "}",
    "{" + _entry(dtype="F" * 2_000_000) + "}",
    '{"__metadata__":{"minires":"' + "[" * 2_000_000 + '"}}',
    '{"__metadata__":{"minires":"' + "9" * 2_000_000 + '"}}',
    '{"__metadata__":' + '{"a":' * 500_000,
    "{" + "[" * 2_000_000,
    " " * 40_000_000 + "{}",
)


_TENSORS = state_dict(a=tensor(), b=tensor((3,), (2,), 1), c=tensor((2, 2), (1, 2)))
# Each would make a file if its pickle were run as Python runs them.
PAYLOADS = [
    call(function, plain(argument))
    for function, argument in (
        (("os", "system"), f"touch '{CANARY}'"),
        (("posix", "system"), f"touch '{CANARY}'"),
        (("builtins", "exec"), f"open('{CANARY}', 'w')"),
        (("builtins", "eval"), f"open('{CANARY}', 'w')"),
    )
]
_BAD_PROGRAMS = [*PAYLOADS, state_dict(a=PAYLOADS[0]), state_dict(a=tensor(), b=PAYLOADS[2])]


# A tuple of two that are one, of two that are one, ...: 2⁶⁴ for all that goes through it.
_DOUBLED = b")" + b"".join(b"q%ch%c\x86" % (i, i) for i in range(64))
_SAME_HASH = b"".join(plain(i * (2**61 - 1)) + b"N" for i in range(50_000))
_REBUILD = name("torch._tensor", "_rebuild_from_type_v2")
_LARGE_PROGRAMS = (
    _DOUBLED,
    *(_DOUBLED + more for more in (plain(5) + b"R", b")R", b")\x81", b"Nb", b"Na", b"NNs", b"Q")),
    *(before + _DOUBLED + b"R" for before in (_REBUILD, name("torch", "Size"))),
    *(b"}" + plain("w") + _DOUBLED + b"s", b"}" + _DOUBLED + b"Ns", b"}(" + _SAME_HASH + b"u"),
    b"]" * 3_900_000,
    *(instruction * 100_000 for instruction in (b"}", b"(", b"N", b"N\x94", b"N\x85")),
    b"N" + b"\x85" * 100_000,
    b"}" + b"".join(b"(" + plain(f"n{i}") + b"Nu" for i in range(50_000)),
    (b"}" + plain("a")) * 70_000 + tensor() + b"s" * 70_000,
    b"}q\0(" + b"".join(plain(f"n{i}") + b"h\0" for i in range(50_000)) + b"u",
    (_REBUILD + b"(") * 50_000 + tensor() + (name("torch", "Tensor") + b")NtR") * 50_000,
    b"(" + plain("x") * 70_000 + b"t" + b"q\0" + (name("torch", "device") + b"h\0R") * 50_000,
    state_dict(w=tensor((1,) * 70_000, (1,) * 70_000)),
    state_dict(**{f"w{i}": tensor() for i in range(5_000)}),
    state_dict(**{"w" * 3_000_000: tensor()}),
    state_dict(**{"n" * 1_000_000: plain("x" * 1_000_000), "w": tensor()}),
    state_dict(**{f"p{i}": state_dict(w=tensor()) for i in range(5_000)}),
    state_dict(w=tensor(of=storage("x" * 1_000_000))),
    *(name("os", "x" * 3_000_000), plain("x" * 3_000_000) + plain("x") + b"\x93"),
    *(
        b"S" + b"x" * 3_000_000 + b"\n",
        b"I" + b"9" * 3_000_000 + b"\n",
        b"L" + b"9" * 4000 + b"L\n",
    ),
    *(b"\x8b\xff\xff\xff\x7f" + b"x" * 99, b"\x8b" + b"\0\xc6\x2d\0" + b"x" * 3_000_000),
    *(b"X\xff\xff\xff\xff" + b"x" * 99, b"N0" * 999_999, b"Nr\xff\xff\xff\x7f"),
)
_PIECES = (
    *(_DOUBLED, _DOUBLED + b"R", _DOUBLED + b"s", _DOUBLED + plain(5) + b"R", b")R", b")\x81"),
    *(plain(2**61 - 1), name("torch", "Size"), name("torch", "Tensor"), _REBUILD, b"b", b"(", b"u"),
)


def pth(folder: Path) -> Reader:
    """The file as it is: what is altered is mostly caught by the checksums of the zip file."""
    files = [write(folder / "a.pth", program).read_bytes() for program in (_TENSORS, *PAYLOADS)]
    members = {f"data/{i}" + "x" * 400: b"" for i in range(9_000)}
    many = write(folder / "many.pth", _TENSORS, {"data/0": NUMBERS, **members}).read_bytes()
    key = "x" * 65_000
    again = storage(key)[:-1] + b"q\0" + b"h\0Q" * 300_000
    long_name = write(folder / "name.pth", again, {f"data/{key}": NUMBERS}).read_bytes()
    return Reader("w.pth", files[:1], weights, files[1:], large=[many, long_name])


def pth_program(folder: Path) -> Reader:
    """Its pickle alone, in a zip file that is whole."""
    more = {"large": _LARGE_PROGRAMS, "pieces": _PIECES, "most_mb": 300}
    return Reader("w.pth", [_TENSORS], weights, _BAD_PROGRAMS, write, **more)


def pth_storage(folder: Path) -> Reader:
    """What a tensor says of its place, beside a storage of another length."""

    def place(path: Path, content: bytes) -> None:
        length = sum(content[:1]) % 32
        write(path, content[1:], {"data/0": NUMBERS[:length], "byteorder": b"little"})

    good = [bytes([24]) + state_dict(a=tensor(of=storage(count=6)))]
    return Reader("w.pth", good, weights, place=place)


def cifar10_archive(folder: Path) -> Reader:
    """Of files of one image, to be quick; as gzip has a checksum, what is in it is altered."""
    cifar10 = import_module("minires.data.cifar10")
    cifar10._RECORDS = 1
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for name in cifar10._FILES:
                member = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")
                member.size = 3073
                tar.addfile(member, io.BytesIO(bytes(3073)))
        good = [file.getvalue()]

    def place(path: Path, content: bytes) -> None:
        path.write_bytes(gzip.compress(content, 1))

    return Reader("c.tar.gz", good, cifar10.cifar10, large=[bytes(10**8)], most_mb=50, place=place)


def cifar10_files(folder: Path) -> Reader:
    """One of the six files; of 20 images instead of 10,000, to be quick."""
    cifar10 = import_module("minires.data.cifar10")  # the package calls the function so
    cifar10._RECORDS = 20
    chance = np.random.default_rng(0)
    records = chance.integers(0, 10, (20, 3073), dtype=np.uint8).tobytes()
    for number in range(1, 6):
        (folder / f"data_batch_{number}.bin").write_bytes(records)
    return Reader(
        "test_batch.bin",
        [records],
        lambda path: cifar10.cifar10(path.parent),
        large=[bytes(100_000_000)],
        most_mb=50,
    )


_MODES = {
    "PNG": ("RGB", "L", "P", "RGBA", "LA", "I;16"),
    "JPEG": ("RGB", "L", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("RGB", "L", "P", "RGBA", "CMYK"),
    "PPM": ("RGB", "L"),
}
_TURNED = ("PNG", "JPEG", "WEBP", "TIFF")  # have an EXIF entry, which says so


def images(*forms: str) -> Callable[[Path], Reader]:
    def content(form: str, mode: str) -> bytes:
        chance = np.random.default_rng(0)
        colours = Image.fromarray(chance.integers(0, 256, (12, 9, 3), dtype=np.uint8))
        image = colours.convert("L").convert(mode) if mode == "I;16" else colours.convert(mode)
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        file = io.BytesIO()
        image.save(file, form, **({"exif": exif} if form in _TURNED else {}))
        return file.getvalue()

    def made(folder: Path) -> Reader:
        modes = {form: _MODES.get(form, ("RGB", "L", "P")) for form in forms}
        good = [content(form, mode) for form in forms for mode in modes[form]]
        return Reader("photo", good, lambda path: np.asarray(decode(path)).sum(), most_mb=MOST_MB)

    return made


def labels(folder: Path) -> Reader:
    good = ["tench\ngoldfish\ngreat white shark\n", "\ufeffeins\r\nzwei\r\n\r\n", "ä 1\n漢字 2"]
    large = (b"a\n" * 1_000_000, b"a\n" * 400_000, b"a" * 100_000_000, b"a\n\n" * 300_000)
    return Reader("labels.txt", [text.encode() for text in good], read_labels, large=large)


def configuration(folder: Path) -> Reader:
    def read(path: Path) -> object:
        _, facts = RunFolder.open(path.parent)
        if facts.get("experiment") != "finetune":
            return Config.from_facts(facts, path.parent)
        return parse_config(FinetuneConfig, facts, path.parent)

    configs = [Config(), Config(nets=("preact164",), seeds=(0, 1), lr=0.1, batch=64, epochs=3)]
    facts = [{"format": number, **asdict(config)} for number in (1, 2) for config in configs]
    facts.append({"format": 2, "experiment": "finetune", **asdict(FinetuneConfig("images"))})
    letters = "\x1b" * 1_000_000
    odd = [{"nets": ["resnet" + "9" * 4000]}, {"nets": ["plain8"] * 100_000}, {letters: letters}]
    odd += [{name: letters} for name in ("format", "schedule", "dataset")]
    large = [json.dumps({**facts[0], **change}) for change in odd]
    large += ["[" * 1_000_000, '{"a":' * 500_000, "9" * 1_000_000, " " * 40_000_000]
    good = [json.dumps(each, indent=2).encode() for each in facts]
    return Reader("config.json", good, read, large=[text.encode() for text in large])


def history(folder: Path) -> Reader:
    """Without a checksum, which would find all of it."""
    rows = [Row(0, "plain8", 45 * e, e, 0.01, 2.1 / e, 90 / e, 80 / e, 1.5 * e) for e in (1, 2, 3)]
    write_history(folder / "history.csv", rows)
    (folder / "history.csv.sha256").unlink()
    return Reader("history.csv", [(folder / "history.csv").read_bytes()], read_history)


def history_with_checksum(folder: Path) -> Reader:
    reader = history(folder)
    for rows in (read_history(folder / "history.csv")[:2], read_history(folder / "history.csv")):
        write_history(folder / "history.csv", rows)
    content = (folder / "history.csv.sha256").read_bytes()
    return Reader("history.csv.sha256", [content], lambda path: reader.read(path.with_suffix("")))


def landscape(folder: Path) -> Reader:
    """Without a checksum, as the history."""
    lines = [Line("plain8", a / 2, b / 2, 2.1 + a * b, 50.0) for a in (-1, 0, 1) for b in (-1, 0)]
    content = table(columns(Line), (asdict(line) for line in lines))

    def read(path: Path) -> object:
        return read_table(path, Line, "a landscape", Line.check)

    return Reader("landscape.csv", [content], read)


def run_weights(folder: Path) -> Reader:
    """With a checksum."""
    run = RunFolder.create(folder / "run", {})
    run.save_weights("a", cifar_net("resnet8", 10, 1))
    path = run.weights("a")
    return Reader(path.name, [path.read_bytes()], undamaged_weights)


def checkpoint(format_number: int) -> Callable[[Path], Reader]:
    """Of format 1 without a checksum, of format 2 with one."""

    def made(folder: Path) -> Reader:
        recipe = Recipe(batch_size=100, lr=0.05, iterations=20)
        model, data = cifar_net("resnet8", 10, 1), digits()
        trainer = Trainer("resnet8", model, data, recipe, recipe.schedule(110), 0)
        next(trainer.run())
        run = RunFolder.create(folder / "run", {})
        run.save(trainer)
        path = folder / "run" / "checkpoints" / "resnet8-seed0.safetensors"
        if format_number == 1:
            tensors, facts = read_checkpoint(path)
            write_tensors(path, tensors, {**facts, "format": 1})
        # RunFolder.restore does the same, and goes on to the checkpoint before.
        return Reader(
            path.name,
            [path.read_bytes()],
            lambda path: restore_training(trainer, *read_checkpoint(path)),
        )

    return made


READERS: dict[str, Callable[[Path], Reader]] = {
    "safetensors": safetensors,
    "pth": pth,
    "pth, its pickle": pth_program,
    "pth, its storage": pth_storage,
    "CIFAR-10": cifar10_files,
    "CIFAR-10, its archive": cifar10_archive,
    "PNG": images("PNG"),
    "JPEG": images("JPEG"),
    "GIF": images("GIF"),
    "WebP": images("WEBP"),
    "BMP, TIFF, PPM": images("BMP", "TIFF", "PPM"),
    "labels": labels,
    "config.json": configuration,
    "history.csv": history,
    "history.csv.sha256": history_with_checksum,
    "landscape.csv": landscape,
    "weights of a run": run_weights,
    "checkpoint, format 1": checkpoint(1),
    "checkpoint": checkpoint(2),
}


# --- the process ----------------------------------------------------------------------------------


class HangError(BaseException):
    """An input took too long; no `except Exception` of a reader may catch this."""


def altered(reader: Reader, name: str, number: int) -> bytes:
    """The input of a number: one of the contents, altered once to three times."""
    chance = random.Random(f"{name} {number}")
    content = chance.choice(reader.bad if reader.bad and chance.random() < 0.3 else reader.good)
    for _ in range(chance.choice((1, 1, 2, 3))):
        content = chance.choice(ALTERATIONS)(content or b"\0", chance)
    if reader.pieces and chance.random() < 0.3:
        place = chance.randrange(len(content) + 1)
        content = content[:place] + chance.choice(reader.pieces) + content[place:]
    return content


class LongMessageError(Exception):
    """An error's message has too much of the input in it."""


def outcome(reader: Reader, path: Path) -> str:
    """ "read" or "raised"; anything else that reading raises goes on."""
    try:
        reader.read(path)
    except MiniresError as error:
        if len(str(error)) > LETTERS:
            raise LongMessageError(f"{len(str(error)):,} letters: {error}") from error
        return "raised"
    return "read"


def inputs(reader: Reader, name: str, count: int, first: int) -> Iterator[tuple[str, bytes]]:
    """The inputs of `process` and what each is called; with the first of all, the large ones."""
    if first == 0:
        yield from ((f"large input {i}", content) for i, content in enumerate(reader.large))
    for number in range(first, first + count):
        yield f"input {number}", altered(reader, name, number)


def process(name: str, count: int, first: int) -> dict[str, object]:
    """What became of the inputs; see `fuzz`."""
    signal.signal(signal.SIGALRM, _hang)
    tally: Counter[str] = Counter(read=0, raised=0)
    wrong: list[str] = []
    slowest = largest = 0.0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DamageWarning)
        reader = READERS[name](Path(folder))
        path = next(Path(folder).rglob(reader.name), Path(folder) / reader.name)
        for contents, expected in ((reader.good, "read"), (reader.bad, "raised")):
            for content in contents:
                reader.place(path, content)
                assert outcome(reader, path) == expected, content
        for which, content in inputs(reader, name, count, first):
            reader.place(path, content)
            before, started = _begin_peak(), time.process_time()
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                tally[outcome(reader, path)] += 1
            except BaseException as error:
                wrong.append(f"{which}: {type(error).__name__}: {error}"[:300])
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            seconds, mb = time.process_time() - started, (_peak() - before) / 1e6
            if seconds > reader.seconds(content):
                wrong.append(f"{which}, of {len(content):,} bytes: {seconds:.1f} s")
            if mb > reader.most_mb:
                wrong.append(f"{which}, of {len(content):,} bytes: {mb:.0f} MB")
            slowest, largest = max(slowest, seconds), max(largest, mb)
    if Path(CANARY).exists():
        wrong.append("a payload ran")
    return {**tally, "wrong": wrong, "slowest_s": slowest, "memory_mb": largest}


def _hang(number: int, frame: object) -> None:
    raise HangError(f"not done after {SECONDS} s")


def _begin_peak() -> int:
    """Let `_peak` begin anew, where Linux can; the memory that the process has now."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    """The largest resident memory of this process so far, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def fuzz(name: str, count: int, first: int = 0) -> dict[str, object]:
    """What became of so many altered inputs of a reader, each read, or answered with an error.

    Returns:
        "read" and "raised", how many were; "wrong", a sentence for each that was neither, or took
        too long, or too much memory; "slowest_s" and "memory_mb", the most that one took.
    """
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [sys.executable, str(HERE / "fuzzing.py"), name, str(count), str(first)],
            cwd=place,  # where a payload would leave its file
            capture_output=True,
            text=True,
            timeout=120 + count,
            check=False,
        )
    if done.returncode:
        return {"wrong": [f"the process ended with {done.returncode}: {done.stderr[-500:]}"]}
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    print(json.dumps(process(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
