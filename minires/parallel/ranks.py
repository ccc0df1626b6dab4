"""The ranks of a training: processes that take each training step together, joined by MPI.

mpiexec starts them. Each runs the same program, and has a number from 0 on.
"""

import atexit
import ctypes
import math
import os
import platform
import signal
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ..backend import load
from ..errors import UsageError
from ..kernels import get_num_threads, set_num_threads
from .collective import ALONE, TIMEOUT, Ranks
from .version import version

# One of these is set, to its rank, in a process that mpiexec or srun has started; one of the others
# to its number among those on the same machine.
_LAUNCHED = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
_LOCAL = ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")


def launched() -> bool:
    """Return whether mpiexec has started this process."""
    return any(name in os.environ for name in _LAUNCHED)


def first_of_machine() -> bool:
    """Return whether this is the first process that mpiexec has started on this machine."""
    return next(os.environ[name] for name in (*_LOCAL, *_LAUNCHED) if name in os.environ) == "0"


@cache
def joined() -> Ranks:
    """Return all ranks that were started together; this process alone if none were.

    They wait for each other for MINIRES_RANK_TIMEOUT of the environment, in seconds, or `TIMEOUT`.
    For one that never starts, or never ends, MPI waits without Python: then SIGALRM ends all.

    Raises:
        UsageError: mpiexec has started this process, but mpi4py is not installed, or the
            environment's timeout is no number of seconds.
    """
    if not launched():
        return ALONE
    timeout = _timeout()
    _end_after(timeout)
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise UsageError(
            f"mpiexec has started this process on {platform.node()}, but mpi4py cannot be used "
            f"({error}); install it: pip install '.[mpi]'"
        ) from error
    finally:
        _end_after(0)
    atexit.register(_end_after, timeout)
    comm = MPI.COMM_WORLD if MPI.COMM_WORLD.Get_size() > 1 else None
    return Ranks(comm, timeout, _sums_gpu_arrays(MPI))


@cache
def world() -> Ranks:
    """Return the ranks that `joined` returns, when they have shared out what they work with.

    All have the same versions of minires and NumPy: others may differ in the last bits.

    Ranks on one machine divide its CPUs among them, and on the backend cupy its GPUs, see
    `use_own_device`.

    Raises:
        UsageError: as `joined`; or a rank has another version, which is named.
        RunError: a rank did not come in time.
    """
    ranks = joined()
    if launched():
        ranks.expect_same({"minires": version(), "NumPy": np.__version__})
        node = platform.node()
        every = ranks.gather((node, _cpus()))
        here = [cpus for other, cpus in every if other == node]
        cpus = set().union(*here)
        threads = min(get_num_threads(), max(1, len(cpus) // len(here)))
        set_num_threads(threads)
        threadpool_limits(limits=threads, user_api="blas")
    return ranks


def use_own_device(ranks: Ranks, backend: str) -> None:
    """Use a GPU of its own for each rank of this machine, on the backend cupy.

    Raises:
        UsageError: there are fewer GPUs than ranks here.
    """
    if ranks.size == 1 or backend != "cupy":
        return
    cuda, node = load(backend).cuda, platform.node()
    nodes = ranks.gather(node)
    count, beside = cuda.runtime.getDeviceCount(), nodes.count(node)
    if beside > count:
        raise UsageError(
            f"each of the {beside} ranks on a machine needs a GPU of its own, but there are {count}"
        )
    cuda.Device(nodes[: ranks.rank].count(node)).use()


def _sums_gpu_arrays(MPI: Any) -> bool:
    """Return whether MPI sums arrays in the memory of a GPU, and returns meanwhile.

    A build with CUDA says so, of MPICH and its kin. Open MPI sums such arrays only in operations
    that do not return before the end (its FAQ on CUDA), so that no bucket could leave early.
    """
    query = getattr(ctypes.CDLL(MPI.__file__), "MPIX_Query_cuda_support", None)
    return "Open MPI" not in MPI.Get_library_version() and query is not None and query() == 1


def _end_after(seconds: float) -> None:
    """Let this process, and with it all ranks, end by SIGALRM after so many seconds; 0: not."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _timeout() -> float:
    """Return how many seconds ranks wait for each other."""
    given = os.environ.get("MINIRES_RANK_TIMEOUT") or str(TIMEOUT)
    with suppress(ValueError):
        if 0 < float(given) < math.inf:
            return float(given)
    raise UsageError(f"MINIRES_RANK_TIMEOUT must be a number of seconds above 0, got {given}")


def _cpus() -> list[int]:
    """Return the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
