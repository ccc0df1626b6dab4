"""Files such as torch.save writes, made by hand, so that anything can be wrong with them."""

import pickle
import struct
import zipfile

import numpy as np

FLOAT = ("torch", "FloatStorage")
NUMBERS = np.arange(6, dtype="<f4").tobytes()
BEGIN, END = b"\x80\x02", b"."


def name(module, attribute):
    """The instruction that names something: GLOBAL."""
    return f"c{module}\n{attribute}\n".encode()


def plain(value):
    """The instructions that make plain data, without the first and the last."""
    return pickle.dumps(value, 2)[2:-1]


def call(function, *arguments):
    """Instructions that call what a name stands for; arguments are instructions too."""
    return name(*function) + b"(" + b"".join(arguments) + b"tR"


def storage(key="0", kind=FLOAT, count=6):
    parts = (plain("storage"), name(*kind), plain(key), plain("cpu"), number(count))
    return b"(" + b"".join(parts) + b"tQ"


def number(n):
    return plain(n)


def numbers(*ns):
    return b"(" + b"".join(map(number, ns)) + b"t"


def tensor(shape=(2, 3), strides=(3, 1), offset=0, of=None, *more):
    """Instructions for a tensor, as torch.save writes them."""
    hooks = name("collections", "OrderedDict") + b")R"
    arguments = (storage() if of is None else of, number(offset), numbers(*shape))
    arguments += (numbers(*strides), b"\x89", hooks, *more)
    return call(("torch._utils", "_rebuild_tensor_v2"), *arguments)


def state_dict(**entries):
    """Instructions for a dict of instructions by name."""
    return b"}(" + b"".join(plain(key) + entry for key, entry in entries.items()) + b"u"


def write(path, program, members=None, compression=zipfile.ZIP_STORED):
    """A zip file of a pickle's instructions and of storages."""
    if members is None:
        members = {
            "data/0": np.arange(6, dtype="<f4").tobytes(),
            "byteorder": b"little",
            "version": b"3\n",
        }
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("net/data.pkl", BEGIN + program + END)
        for member, content in members.items():
            archive.writestr(f"net/{member}", content)
    return path


FLAGS, METHOD = 6, 8  # of a member: where they are in its local header


def with_field(path, field, value):
    """The file with another value in each member's local header and entry in the directory."""
    content = bytearray(path.read_bytes())
    for magic, at in ((b"PK\x03\x04", field), (b"PK\x01\x02", field + 2)):
        place = content.find(magic)
        while place >= 0:
            struct.pack_into("<H", content, place + at, value)
            place = content.find(magic, place + 4)
    path.write_bytes(content)
