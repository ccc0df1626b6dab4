"""Ranks as threads of this process: their all-reduce is a sum in shared memory."""

import threading
from concurrent.futures import ThreadPoolExecutor

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
