"""Ranks inside this process: as threads, or as one that stands for two that do the same."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from minires.modes import saved_modes, set_modes


def on_ranks(n, work):
    """Return [work(rank, total) for each rank]; `total` is their all-reduce."""
    barrier, parts, modes = threading.Barrier(n), [None] * n, saved_modes()

    def run(rank):
        def total(array):
            parts[rank] = array
            barrier.wait(timeout=30)
            result = sum(parts[1:], parts[0])
            barrier.wait(timeout=30)
            return result

        try:
            with set_modes(**modes):
                return work(rank, total)
        except BaseException:
            barrier.abort()  # nobody waits for a rank that failed
            raise

    with ThreadPoolExecutor(n) as pool:
        return [future.result() for future in [pool.submit(run, rank) for rank in range(n)]]


class TwoEqual:
    """The communicator of two ranks that do the same: each sum is twice what one has.

    Attributes:
        kinds: the types of the arrays that were summed.
    """

    def __init__(self):
        self.kinds = set()

    def Get_rank(self):
        return 0

    def Get_size(self):
        return 2

    def Ibcast(self, array):
        assert type(array) is np.ndarray
        return Request()

    def Ibarrier(self):
        return Request()

    def Iallgather(self, own, result):
        result[...] = [*own, *own]
        return Request()

    def Iallgatherv(self, own, result):
        return self.Iallgather(own, result[0])

    def Iallreduce(self, own, result):
        assert type(own) is type(result)
        self.kinds.add(type(own))
        assert own.flags.c_contiguous
        result[...] = 2 * own
        return Request()


class Request:
    """One that has ended.

    Attributes:
        calls: how often that was asked.
    """

    def __init__(self):
        self.calls = 0

    def Test(self):
        self.calls += 1
        return True
