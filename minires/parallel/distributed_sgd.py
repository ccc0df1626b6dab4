"""One training step on many ranks: gradients are summed over them while backward still runs.

The loss of a batch is a mean over its images. Where the ranks share the images, its gradient is the
sum of what each rank's images add to it, an all-reduce. Gradients of the last layers are known
first; a bucket of them leaves as soon as the last one in it is known, and travels while backward
computes the others (Li et al. 2020, 2006.15704, section 3.2.3).
"""

import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..arguments import integer, real
from ..autograd import Step, Tensor
from ..autograd.backward import reverse_order
from ..autograd.hooks import backward_hook
from ..backend import Array, backend_name, load, move, note_write
from ..errors import RunError, UsageError
from ..nn import Module
from ..optim import SGD
from .ranks import Ranks, world


class Bucket:
    """Arrays that are summed over the ranks together, in one message.

    Attributes:
        names, tensors: those that the arrays belong to.
        own, sums: what this rank sends, and what comes back.
    """

    def __init__(self, named: list[tuple[str, Tensor]], ranks: Ranks) -> None:
        self.names = [name for name, _ in named]
        self.tensors = [tensor for _, tensor in named]
        first = self.tensors[0]
        xp = load(ranks.sent_from(first.data))
        self.own = xp.empty(sum(t.size for t in self.tensors), first.dtype)
        self.sums = xp.empty_like(self.own)
        self.request: Any = None

    @property
    def left(self) -> bool:
        """Whether the message has left."""
        return self.request is not None

    def parts(self, flat: Array) -> Iterator[tuple[Tensor, Array]]:
        """Yield each tensor with its part of `own` or of `sums`, in its shape."""
        stop = 0
        for tensor in self.tensors:
            start, stop = stop, stop + tensor.size
            yield tensor, flat[start:stop].reshape(tensor.shape)


class DistributedSGD(SGD):
    """SGD for a net that is trained on many ranks; they begin, and stay, with equal weights.

    On each rank, with its share of the images of a batch:

        optimiser = DistributedSGD(net, lr=0.1, momentum=0.9)
        optimiser.zero_grad()
        optimiser.backward(F.cross_entropy(net(images), labels))
        optimiser.step()

    Started with `mpiexec -n 4 python -m mpi4py program.py`, an exception on one rank ends all. A
    rank that the others have waited for in vain, for 600 s or MINIRES_RANK_TIMEOUT of the
    environment, is such an exception on each of them, a RunError.

    Running statistics of batch norm, which each rank has of its own images, become their mean over
    the ranks in every step.

    Args:
        model: the net; it gets the weights of rank 0.
        lr, momentum, weight_decay: as for `SGD`.
        ranks: those that train it; by default all that mpiexec has started.
        bucket_bytes: how much is waited for before a message leaves.

    Attributes:
        buckets: the messages of gradients, in the order in which they usually leave.
        messages: those of running statistics, which leave before backward, and of gradients.
        waited: seconds that `backward` has waited for messages after its last operation.

    Raises:
        UsageError: as `SGD`; the ranks have other settings or parameters; or mpi4py is missing.
    """

    def __init__(
        self,
        model: Module,
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        ranks: Ranks | None = None,
        bucket_bytes: int = 1 << 20,
    ) -> None:
        super().__init__(model.parameters(), lr, momentum, weight_decay)
        self.model = model
        self.ranks = world() if ranks is None else ranks
        self.waited = 0.0
        limit = integer(bucket_bytes, "bucket_bytes", at_least=1)
        parameters = dict(model.named_parameters())
        self.buckets = _buckets(list(parameters.items())[::-1], limit, self.ranks)
        own = {id(p) for p in self.parameters}
        others = [(name, t) for name, t in model.named_tensors() if id(t) not in own]
        self._statistics = _buckets(
            [(n, t) for n, t in others if t.dtype.kind == "f"], limit, self.ranks
        )
        self.messages = [*self._statistics, *self.buckets]
        settings = {name: float(getattr(self, name)) for name in self.setting_names}
        tensors = {name: f"{t.dtype} {t.shape}" for name, t in model.named_tensors()}
        self.ranks.expect_same({**settings, "bucket_bytes": limit, **tensors})
        for name, tensor in model.named_tensors():
            note_write(tensor.data, "DistributedSGD", name)
            self.ranks.broadcast(tensor.data)
        self.expect_equal()

    def backward(self, loss: Tensor, share: float | None = None) -> None:
        """Leave the gradient of the whole batch's mean loss in `.grad`, the same on all ranks.

        Args:
            loss: the mean loss of this rank's images.
            share: how many of the batch's images they are; 1 / ranks by default.

        Raises:
            UsageError: there are gradients already; as `Tensor.backward`.
        """
        share = 1 / self.ranks.size if share is None else real(share, "share", 0, 1)
        with self.reducing(loss):
            loss.backward(share)

    @contextmanager
    def reducing(self, loss: Tensor) -> Iterator[None]:
        """Sum gradients over the ranks while a backward pass of `loss` runs inside.

        `backward` does it. To see when each bucket leaves, step through the pass:

            with optimiser.reducing(loss):
                for step in loss.backward_steps(1 / ranks.size):
                    print(step.op.label, [bucket.left for bucket in optimiser.buckets])

        Raises:
            UsageError: there are gradients already, which would be summed once more.
        """
        if any(p.grad is not None for p in self.parameters):
            raise UsageError("there are gradients already; call zero_grad() before backward")
        if self.ranks.size == 1:
            yield
            return
        for bucket in self.messages:
            bucket.request = None
        for bucket in self._statistics:
            self._send(bucket, [t.data for t in bucket.tensors])
        departures = _Departures(self, loss)
        with backward_hook(departures.see):
            yield
        for bucket in self.buckets:
            if not bucket.left:
                self.send(bucket)
        started = time.perf_counter()
        for bucket in self.messages:
            self.ranks.wait(bucket.request)
        self.waited += time.perf_counter() - started
        self._take_sums()

    def send(self, bucket: Bucket) -> None:
        """Begin to sum a bucket's gradients over the ranks."""
        self._send(bucket, [p.grad for p in bucket.tensors])

    def _send(self, bucket: Bucket, arrays: list[Any]) -> None:
        for array, (_, part) in zip(arrays, bucket.parts(bucket.own), strict=True):
            part[...] = 0 if array is None else move(array, backend_name(part))
        bucket.request = self.ranks.start_total(bucket.own, bucket.sums)

    def _take_sums(self) -> None:
        """Put what has come back where it belongs."""
        for bucket in self.buckets:
            for p, total in bucket.parts(bucket.sums):
                if p.grad is not None:
                    p.grad[...] = move(total, backend_name(p.grad))
        for bucket in self._statistics:
            bucket.sums /= self.ranks.size
            for r, mean in bucket.parts(bucket.sums):
                note_write(r.data, "DistributedSGD", r.name)
                r.data[...] = move(mean, backend_name(r.data))

    def expect_equal(self) -> None:
        """Raise RunError, on all ranks, unless all have the same weights, bit for bit."""
        checksum = 0
        for _, tensor in self.model.named_tensors():
            checksum = zlib.crc32(np.ascontiguousarray(tensor.numpy()).data, checksum)
        first, *others = self.ranks.gather(checksum)
        for rank, other in enumerate(others, start=1):
            if other != first:
                raise RunError(
                    f"the weights of rank {rank} are no longer those of rank 0; ranks must compute "
                    "alike: the same versions of minires and NumPy, on CPUs or GPUs of one kind"
                )


class _Departures:
    """Sends each bucket when the last gradient in it is known.

    A parameter's gradient is known when all operations that use it have had their backward. What
    activation checkpointing computes again is not in the graph before, so that its uses cannot be
    counted; then everything leaves after backward.
    """

    def __init__(self, optimiser: DistributedSGD, loss: Tensor) -> None:
        self.optimiser = optimiser
        order = reverse_order(loss.op) if loss.op is not None else []
        self.uses: Counter[int] = Counter()
        if not any(op.recomputes for op in order):
            self.uses.update(id(source) for op in order for source in op.sources)
        self.bucket_of = {id(p): b for b in optimiser.buckets for p in b.tensors}
        self.unknown = {id(b): len(b.tensors) for b in optimiser.buckets}
        self.before: tuple[Any, ...] = ()  # the sources of the last step, which now have gradients

    def see(self, step: Step) -> None:
        """Take note of a step of the backward pass, whose own gradients are not passed on yet."""
        for source in self.before:
            bucket = self.bucket_of.get(id(source))
            if bucket is None:
                continue
            self.uses[id(source)] -= 1
            if self.uses[id(source)] == 0:
                self.unknown[id(bucket)] -= 1
                if self.unknown[id(bucket)] == 0:
                    self.optimiser.send(bucket)
        self.before = step.sources
        for bucket in self.optimiser.messages:
            if bucket.left:
                bucket.request.Test()  # MPI moves messages only while it is called


def _buckets(named: list[tuple[str, Any]], limit: int, ranks: Ranks) -> list[Bucket]:
    """Return tensors in buckets, in their order, each of one dtype and about `limit` bytes."""
    groups: list[list[tuple[str, Any]]] = []
    filled = 0
    for name, tensor in named:
        size = tensor.size * tensor.dtype.itemsize
        if not groups or filled + size > limit or groups[-1][0][1].dtype != tensor.dtype:
            groups.append([])
            filled = 0
        groups[-1].append((name, tensor))
        filled += size
    return [Bucket(group, ranks) for group in groups]
