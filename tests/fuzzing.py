"""Altered inputs for everything that minires reads from outside; each is read, or refused by name.

    python tests/fuzzing.py READER COUNT FIRST

prints as JSON what became of the altered inputs FIRST to FIRST + COUNT of a reader. Each input
comes from its number alone. It is a process of its own, with a bound on its memory and a time
limit for each input, so that whatever an input does to it can be told: `fuzz` starts it.
"""

import io
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

HERE = Path(__file__).parent
sys.path.append(str(HERE / "weights"))
from pth_files import NUMBERS, call, plain, state_dict, storage, tensor, write  # noqa: E402

from minires.data import digits  # noqa: E402
from minires.errors import DamageWarning, MiniresError  # noqa: E402
from minires.experiments.degradation import Config  # noqa: E402
from minires.models import cifar_net  # noqa: E402
from minires.runs import RunFolder, read_history, write_history  # noqa: E402
from minires.runs.checkpoint import read_checkpoint  # noqa: E402
from minires.runs.config import parse_config  # noqa: E402
from minires.train import Recipe, Row, Trainer, restore_training  # noqa: E402
from minires.vision.classify import read_labels  # noqa: E402
from minires.vision.decoding import decode  # noqa: E402
from minires.vision.finetune import FinetuneConfig  # noqa: E402
from minires.weights.loading import stored_tensors  # noqa: E402
from minires.weights.safetensors_file import write_tensors  # noqa: E402

SECONDS = 10  # for an input
MOST_MEMORY = 3 << 30  # bytes that the process may ask for, threads and libraries included
MOST_MB = 400  # that it may grow by
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


def anything(content: bytes, chance: random.Random) -> bytes:
    """Random bytes, after the beginning by which files are told apart."""
    return content[: chance.choice((0, 4, 9, 12))] + chance.randbytes(chance.randrange(2000))


ALTERATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(flip_bits, cut_short, zero_a_block, insert_bytes, take_bytes_out, repeat_a_block),
    *(swap_blocks, change_a_field, change_a_number, anything),
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
        bad: contents that are refused; each is altered too.
        place: puts a content into the file, where that is not all of it.
    """

    name: str
    good: Sequence[bytes]
    read: Callable[[Path], object]
    bad: Sequence[bytes] = ()
    place: Callable[[Path, bytes], object] = Path.write_bytes


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
    return Reader("w.safetensors", [(folder / name).read_bytes() for name in "ab"], weights)


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


def pth(folder: Path) -> Reader:
    """The file as it is: what is altered is mostly caught by the checksums of the zip file."""
    files = [write(folder / "a.pth", program).read_bytes() for program in (_TENSORS, *PAYLOADS)]
    return Reader("w.pth", files[:1], weights, files[1:])


def pth_program(folder: Path) -> Reader:
    """Its pickle alone, in a zip file that is whole."""
    return Reader("w.pth", [_TENSORS], weights, _BAD_PROGRAMS, write)


def pth_storage(folder: Path) -> Reader:
    """What a tensor says of its place, beside a storage of another length."""

    def place(path: Path, content: bytes) -> None:
        length = sum(content[:1]) % 32
        write(path, content[1:], {"data/0": NUMBERS[:length], "byteorder": b"little"})

    good = [bytes([24]) + state_dict(a=tensor(of=storage(count=6)))]
    return Reader("w.pth", good, weights, place=place)


def cifar10_files(folder: Path) -> Reader:
    """One of the six files; of 20 images instead of 10,000, to be quick."""
    cifar10 = import_module("minires.data.cifar10")  # the package calls the function so
    cifar10._RECORDS = 20
    chance = np.random.default_rng(0)
    records = chance.integers(0, 10, (20, 3073), dtype=np.uint8).tobytes()
    for number in range(1, 6):
        (folder / f"data_batch_{number}.bin").write_bytes(records)
    return Reader("test_batch.bin", [records], lambda path: cifar10.cifar10(path.parent))


_MODES = {
    "PNG": ("RGB", "L", "P", "RGBA", "LA", "I;16"),
    "JPEG": ("RGB", "L", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("RGB", "L", "P", "RGBA", "CMYK"),
    "PPM": ("RGB", "L"),
}
_TURNED = ("PNG", "JPEG", "WEBP", "TIFF")  # have an EXIF entry, which says so


def pictures(*forms: str) -> Callable[[Path], Reader]:
    def content(form: str, mode: str) -> bytes:
        chance = np.random.default_rng(0)
        colours = Image.fromarray(chance.integers(0, 256, (12, 9, 3), dtype=np.uint8))
        picture = colours.convert("L").convert(mode) if mode == "I;16" else colours.convert(mode)
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        file = io.BytesIO()
        picture.save(file, form, **({"exif": exif} if form in _TURNED else {}))
        return file.getvalue()

    def made(folder: Path) -> Reader:
        modes = {form: _MODES.get(form, ("RGB", "L", "P")) for form in forms}
        good = [content(form, mode) for form in forms for mode in modes[form]]
        return Reader("photo", good, lambda path: np.asarray(decode(path)).sum())

    return made


def labels(folder: Path) -> Reader:
    good = ["tench\ngoldfish\ngreat white shark\n", "\ufeffeins\r\nzwei\r\n\r\n", "ä 1\n漢字 2"]
    return Reader("labels.txt", [text.encode() for text in good], read_labels)


def configuration(folder: Path) -> Reader:
    def read(path: Path) -> object:
        _, facts = RunFolder.open(path.parent)
        if facts.get("experiment") != "finetune":
            return Config.from_facts(facts, path.parent)
        return parse_config(FinetuneConfig, facts, path.parent)

    configs = [Config(), Config(nets=("preact164",), seeds=(0, 1), lr=0.1, batch=64, epochs=3)]
    facts = [{"format": number, **asdict(config)} for number in (1, 2) for config in configs]
    facts.append({"format": 2, "experiment": "finetune", **asdict(FinetuneConfig("pictures"))})
    return Reader("config.json", [json.dumps(each, indent=2).encode() for each in facts], read)


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
    "PNG": pictures("PNG"),
    "JPEG": pictures("JPEG"),
    "GIF": pictures("GIF"),
    "WebP": pictures("WEBP"),
    "BMP, TIFF, PPM": pictures("BMP", "TIFF", "PPM"),
    "labels": labels,
    "config.json": configuration,
    "history.csv": history,
    "history.csv.sha256": history_with_checksum,
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
    return content


def outcome(reader: Reader, path: Path, content: bytes) -> str:
    """ "read" or "refused"; anything else that reading raises goes on."""
    reader.place(path, content)
    try:
        reader.read(path)
    except MiniresError:
        return "refused"
    return "read"


def process(name: str, count: int, first: int) -> dict[str, object]:
    """What became of the inputs; see `fuzz`."""
    signal.signal(signal.SIGALRM, _hang)
    tally: Counter[str] = Counter(read=0, refused=0)
    wrong: list[str] = []
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DamageWarning)
        reader = READERS[name](Path(folder))
        path = next(Path(folder).rglob(reader.name), Path(folder) / reader.name)
        for contents, expected in ((reader.good, "read"), (reader.bad, "refused")):
            for content in contents:
                assert outcome(reader, path, content) == expected, content
        before = _peak()
        for number in range(first, first + count):
            content = altered(reader, name, number)
            started = time.perf_counter()
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                tally[outcome(reader, path, content)] += 1
            except BaseException as error:
                wrong.append(f"input {number}: {type(error).__name__}: {error}"[:300])
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            slowest = max(slowest, time.perf_counter() - started)
    if Path(CANARY).exists():
        wrong.append("a payload ran")
    return {**tally, "wrong": wrong, "slowest_s": slowest, "memory_mb": (_peak() - before) / 1e6}


def _hang(number: int, frame: object) -> None:
    raise HangError(f"not done after {SECONDS} s")


def _peak() -> int:
    """The largest resident memory of this process so far, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def fuzz(name: str, count: int, first: int = 0) -> dict[str, object]:
    """What became of so many altered inputs of a reader, each in the end read or refused.

    Returns:
        "read" and "refused", how many were; "wrong", a sentence for each that was neither;
        "slowest_s"; "memory_mb", how much the process grew while it read them.
    """
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [sys.executable, str(HERE / "fuzzing.py"), name, str(count), str(first)],
            cwd=place,  # where a payload would leave its file
            capture_output=True,
            text=True,
            timeout=60 + count,
            check=False,
        )
    if done.returncode:
        return {"wrong": [f"the process ended with {done.returncode}: {done.stderr[-500:]}"]}
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    print(json.dumps(process(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
