"""Sweeps: many computations on the workers of a Dask cluster, of this machine or of others."""

import asyncio
import importlib
import logging
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..backend import default
from ..errors import MachineWarning, RunError, UsageError
from ..kernels import get_num_threads
from ..runs.config import check_least, option
from ..runs.machine import differences, machine
from . import sweeps_worker
from .sweeps_calls import Calls, answer

_PATIENCE = 10.0  # seconds that a scheduler has to answer
_TICK = 0.2  # seconds after which it is asked again for workers
_LARGE = 1 << 40  # bytes; a checkpoint is more than what Dask warns of


@dataclass(frozen=True)
class SweepConfig:
    """Where a sweep is computed: here, in this process, if nothing is given.

    Raises:
        UsageError: a value is not one of those possible.
    """

    workers: int | None = option(
        None, "Compute in so many processes on this machine, with Dask; they share its CPUs."
    )
    scheduler: str | None = option(
        None, "Compute on the workers of a Dask cluster, such as tcp://HOST:8786."
    )
    tls_ca_file: str | None = option(
        None, "Of --scheduler tls://...: the certificates that are trusted.", path=Path.absolute
    )
    tls_cert: str | None = option(
        None, "Of --scheduler tls://...: the certificate of this client.", path=Path.absolute
    )
    tls_key: str | None = option(
        None, "Of --scheduler tls://...: its key, if not in the same file.", path=Path.absolute
    )

    def __post_init__(self) -> None:
        check_least(self, workers=1)
        if self.workers is not None and self.scheduler is not None:
            raise UsageError(
                f"{self.workers} workers are to be started here, but the scheduler "
                f"{self.scheduler} has its own; leave out one of --workers and --scheduler"
            )
        if self.workers is not None and self.workers > get_num_threads():
            raise UsageError(
                f"workers share the {get_num_threads()} CPUs of this machine, one at least for "
                f"each; got {self.workers}"
            )
        if self.scheduler is None and (self.tls_ca_file or self.tls_cert or self.tls_key):
            raise UsageError("certificates are for the connection to a scheduler: add --scheduler")

    @contextmanager
    def connected(self) -> Iterator["Sweep | None"]:
        """Give the connection to the workers inside; None where everything is computed here.

        Raises:
            UsageError: Dask is not installed.
            RunError: the scheduler cannot be reached.
        """
        if self.workers is None and self.scheduler is None:
            yield None
            return
        dask, distributed = _dask()
        quiet = distributed.utils.silence_logging_cmgr(logging.CRITICAL)
        settings = {"distributed.admin.large-graph-warning-threshold": _LARGE}
        with ExitStack() as stack:
            stack.enter_context(quiet)
            stack.enter_context(dask.config.set(settings))
            address = self._started(distributed, stack) if self.workers else self.scheduler
            yield Sweep(stack.enter_context(self._client(distributed, address)))

    def _started(self, distributed: Any, stack: ExitStack) -> Any:
        """Start the workers of this machine; they end with this process, however it ends."""
        assert self.workers is not None
        cluster = distributed.LocalCluster(
            n_workers=self.workers,
            threads_per_worker=get_num_threads() // self.workers,
            processes=True,
            memory_limit=None,  # by the system alone, as without Dask
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any port: 8787 may be taken
            silence_logs=logging.CRITICAL,
            preload=[sweeps_worker.__name__],
        )
        return stack.enter_context(cluster)

    def _client(self, distributed: Any, address: Any) -> Any:
        security = self._security(distributed)
        try:
            if self.scheduler is not None:
                with ThreadPoolExecutor(1) as thread:  # a notebook's own has a loop already
                    thread.submit(asyncio.run, _greet(distributed, address, security)).result()
            return distributed.Client(
                address, timeout=_PATIENCE, security=security, set_as_default=False
            )
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            reason = str(error) or f"it has said nothing for {_PATIENCE:.0f} s"
            raise RunError(f"no scheduler of Dask answers at {address}: {reason}") from error

    def _security(self, distributed: Any) -> Any:
        """Return the certificates; None if none are given.

        Raises:
            UsageError: they cannot be read, or the scheduler needs some.
        """
        tls = {
            "tls_ca_file": self.tls_ca_file,
            "tls_client_cert": self.tls_cert,
            "tls_client_key": self.tls_key,
        }
        given = {name: value for name, value in tls.items() if value is not None}
        security = distributed.Security(require_encryption=bool(given) or None, **given)
        try:
            context = security.get_connection_args("client")["ssl_context"]
        except OSError as error:
            files = ", ".join(given.values())
            raise UsageError(f"the certificates {files} cannot be used: {error}") from error
        if context is None and (given or str(self.scheduler).startswith("tls://")):
            raise UsageError(
                f"the scheduler {self.scheduler} needs certificates: --tls-ca-file and --tls-cert"
            )
        return security if given else None


class Sweep:
    """The workers of a cluster, see `SweepConfig.connected`.

    Args:
        client: of Dask, connected.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def machine(self, backend: str) -> dict[str, Any]:
        """Return what decides bits on the workers, see `runs.machine`.

        Warns:
            MachineWarning: it is not the same on all.

        Raises:
            RunError: there is no worker, or no answer.
            UsageError: a worker has no minires, another version, or not the backend; names it.
        """
        address = self._client.scheduler.address
        deadline = time.monotonic() + _PATIENCE
        while not (found := self._facts(backend)):
            if time.monotonic() > deadline:
                raise RunError(f"the scheduler {address} has no workers; start some first")
            time.sleep(_TICK)
        for worker, facts in found.items():
            sweeps_worker.expect_same_version(worker, facts)
        (first, facts), *others = sorted(found.items())
        for worker, other in others:
            if differing := differences(facts["machine"], other["machine"], "is", "is"):
                warnings.warn(
                    f"the workers {first} and {worker} differ: {differing}; the last bits of a "
                    "result depend on which of them computes it",
                    MachineWarning,
                    stacklevel=2,
                )
        return dict(facts["machine"])

    def check(self, backend: str, workers: list[str]) -> None:
        """Raise UsageError if one of these workers cannot be used, which it names."""
        for worker, facts in self._facts(backend, workers).items():
            sweeps_worker.expect_same_version(worker, facts)

    def _facts(self, backend: str, workers: list[str] | None = None) -> dict[str, Any]:
        """Return what `facts` returns, or raises, on each worker that is not lost meanwhile."""
        how = {"workers": workers, "on_error": "return"}
        found = answer(self._client, self._client.run, sweeps_worker.facts, backend, **how)
        return {worker: facts for worker, facts in found.items() if not isinstance(facts, OSError)}

    @contextmanager
    def calls(self, shared: Any, backend: str) -> Iterator[Calls]:
        """Give calls to be made on the workers; those that are left are cancelled at the end.

        Args:
            shared: what all of them need; it travels once to a worker.
            backend: of the arrays.
        """
        calls = Calls(self._client, shared, backend, partial(self.check, backend))
        try:
            yield calls
        finally:
            calls.cancel()


def machine_of(sweep: Sweep | None, backend: str | None = None) -> dict[str, Any]:
    """Return what decides bits where a run is computed: on the workers, or here.

    Args:
        sweep: the workers; None for this process.
        backend: that of the run; the default one if None.
    """
    return machine(backend) if sweep is None else sweep.machine(backend or default())


async def _greet(distributed: Any, address: str, security: Any) -> None:
    """Connect to a scheduler and take leave; Dask's client would wait for one that hangs for ever.

    Raises:
        OSError: it cannot be reached; TimeoutError, without a text: it does not answer.
    """
    tls = security.get_connection_args("client") if security else {}
    async with asyncio.timeout(_PATIENCE):
        comm = await distributed.comm.connect(address, timeout=_PATIENCE / 2, **tls)
    await comm.close()


def _dask() -> tuple[Any, Any]:
    """Return the modules dask and distributed.

    Raises:
        UsageError: one of them cannot be imported.
    """
    try:
        return importlib.import_module("dask"), importlib.import_module("distributed")
    except ImportError as error:
        raise UsageError(
            f'workers need Dask, which cannot be imported ({error}): pip install ".[dask]"'
        ) from error
