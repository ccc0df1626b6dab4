"""In which order the streams of a capture work: what no event puts in order is a race, and raises.

Each stream counts what is launched on it, and knows, by events, how far the others are. A step may
read what another stream wrote, and write what another stream read or wrote, only once its own
stream knows of that. CuPy's pool gives memory that is let go of to what comes next on the stream
that it was made for: that stream must then know of all who used it.
"""

import re
import weakref
from collections import defaultdict

import numpy as np
from standin.arrays import pool


class RaceError(AssertionError):
    """Something may happen too early on a GPU."""


class Order:
    """Who has used which memory, and what is known of it where."""

    def __init__(self, origin):
        self.origin = origin
        self.known = defaultdict(lambda: defaultdict(int))  # by stream: of each stream, how far
        self.known[origin][origin] = 0
        self.uses = defaultdict(list)  # by memory: name, stream, its number there, whether written
        self.homes = {}  # by memory that was made in the capture: the stream that it was made for
        self.faults = []

    def use(self, stream, name, read, written):
        """A step on a stream uses arrays."""
        self.expect_no_fault()
        now = self.known[stream]
        now[stream] += 1
        for array, writes in [(a, False) for a in read] + [(a, True) for a in written]:
            key = self.key(array)
            for other, by, number, wrote in self.uses[key]:
                if (writes or wrote) and number > now[by]:
                    raise RaceError(f"{name} does not wait for {other} on another stream")
            self.uses[key].append((name, stream, now[stream], writes))

    def key(self, array):
        """The memory of an array, which is watched from now on."""
        owner = array if array.base is None else array.base
        key = id(owner._host)
        if key not in self.uses:
            self.uses[key] = []
            weakref.finalize(owner, self.freed, key).atexit = False
        return key

    def made(self, stream, array):
        """An array is made on a stream."""
        self.homes[self.key(array)] = stream

    def freed(self, key):
        """Memory is let go of. Errors here would be lost, and are raised later."""
        home = self.homes.pop(key, self.origin)
        for name, by, number, _ in self.uses.pop(key, []):
            if number > self.known[home][by]:
                self.faults.append(f"memory that {name} uses on another stream was let go of")

    def expect_no_fault(self):
        if self.faults:
            raise RaceError(self.faults[0])

    def is_joined(self):
        """Whether all streams have come together where the capture began."""
        self.expect_no_fault()
        return all(self.known[self.origin][s] >= now[s] for s, now in self.known.items())


def constant_arguments(code, name):
    """Of each argument of a kernel, whether it only reads through it."""
    pattern = rf"__global__ void\s+(?:__launch_bounds__\(.*?\)\s+)?{name}\((.*?)\)"
    return [a.strip().startswith("const ") for a in re.search(pattern, code, re.S)[1].split(",")]


def arrays_at(table):
    """The arrays whose addresses are in a structure."""
    addresses = {int(a) for a in words(table)}
    return [a for a in list(pool.arrays.values()) if a._host.ctypes.data in addresses]


def words(value):
    """Every 64-bit unsigned number in a structure of NumPy's."""
    if value.dtype.names:
        for name in value.dtype.names:
            yield from words(value[name])
    elif value.dtype == np.uint64:
        yield from value.ravel()
