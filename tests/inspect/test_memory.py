"""The memory of a training step, predicted and then measured."""

import os
import statistics
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from standin import standin

from minires import functional as F
from minires import models
from minires.errors import UsageError
from minires.inspect import Graph, memory
from minires.inspect.memory import Profile, check_memory
from minires.kernels.cpu import memory as pool
from minires.kernels.cpu.tuning import tuning
from minires.models import NetSpec

IMAGE = (3, 32, 32)

STEP = """
import sys, numpy as np, minires
from minires import functional as F, models, optim
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
net, batch, every = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) or None
before = peak()
model = models.cifar_net(net, checkpoint_every=every)
optimiser = optim.SGD(model.parameters(), 0.01, 0.9, 1e-4)
x = np.random.default_rng(0).standard_normal((batch, 3, 32, 32), dtype=np.float32)
for _ in range(2):
    loss = F.cross_entropy(model(x), np.zeros(batch, np.int64))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
print(peak() - before)
"""


def measured(net, batch, every):
    """The peak of the second of two steps, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k != "MINIRES_TEXTBOOK"}
    done = subprocess.run(
        [sys.executable, "-c", STEP, net, str(batch), str(every or 0)],
        env={**environment, "OPENBLAS_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads the peak from /proc")
@pytest.mark.parametrize(
    ("net", "batch", "every"), [("resnet20", 64, None), ("resnet44", 64, 3), ("preact29", 32, None)]
)
def test_what_was_predicted_is_measured(net, batch, every):
    """In the median of five: what threads need at the same time moves one run by some 6 %."""
    peak = statistics.median(measured(net, batch, every) for _ in range(5))
    profile = Profile.of(NetSpec.parse(net), IMAGE)
    assert profile.memory(batch, every).total == pytest.approx(peak, rel=0.1)


def test_what_is_kept_is_what_the_graph_of_the_whole_batch_keeps():
    model = models.cifar_resnet(14)
    x = np.random.default_rng(0).standard_normal((16, *IMAGE), dtype=np.float32)
    nodes = Graph(F.cross_entropy(model(x), np.zeros(16, np.int64))).nodes
    kept = sum(node.saved for node in nodes)
    memory = Profile.of(NetSpec.parse("resnet14"), IMAGE).memory(16, None)
    assert memory.kept == pytest.approx(kept, rel=0.01)


def test_checkpointing_keeps_inputs_and_one_segment():
    profile = Profile.of(NetSpec.parse("resnet56"), IMAGE)
    whole, every_third, one = (profile.memory(128, every) for every in (None, 3, 100))
    assert whole.segment == 0
    assert every_third.kept + every_third.segment < whole.kept / 3
    largest = max(sum(saved for _, saved in stage) for stage in profile.stages)
    assert one.segment == round(128 * largest)
    best = profile.best_checkpoint(128)
    assert profile.memory(128, best).total == min(
        profile.memory(128, every).total for every in range(1, 10)
    )


def test_the_largest_batch_fits_and_one_more_does_not():
    profile = Profile.of(NetSpec.parse("resnet8"), IMAGE)
    room = 300_000_000
    for every in (None, 1):
        most = profile.largest_batch(room, every)
        assert profile.memory(most, every).total <= room < profile.memory(most + 1, every).total
    assert profile.largest_batch(1000, None) == 0


def test_a_training_that_does_not_fit_raises_with_what_would(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda _: 150_000_000)
    check_memory(NetSpec.parse("resnet8"), IMAGE, 16, None)
    with pytest.raises(UsageError) as caught:
        check_memory(NetSpec.parse("resnet56"), IMAGE, 64, None)
    said = str(caught.value)
    assert "resnet56 at batch 64 would need about" in said
    assert "150 MB are free; --checkpoint-every" in said
    assert "and a batch of" in said
    monkeypatch.setattr(memory, "available", lambda _: 1_000)
    with pytest.raises(UsageError, match="choose a smaller model"):
        check_memory(NetSpec.parse("resnet8"), IMAGE, 16, None)


def test_on_a_gpu_its_own_memory_counts():
    with standin() as cupy:
        cupy.cuda.runtime.memGetInfo = lambda: (100_000_000, 80 << 30)
        check_memory(NetSpec.parse("resnet56"), IMAGE, 64, None)
        with pytest.raises(UsageError, match="100 MB are free on the GPU; a batch of 17 fits"):
            check_memory(NetSpec.parse("resnet56"), IMAGE, 64, None, "cupy")


def test_memory_that_waits_for_the_next_arrays_counts_as_free(monkeypatch):
    machine = SimpleNamespace(available=1_000)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: machine)
    size = tuning.pooled_bytes
    array = pool.empty((size,), np.dtype(np.int8))
    before = memory.available()
    del array
    assert memory.available() >= before + size
    assert memory.available() == 1_000 + pool.free_bytes()


@pytest.mark.parametrize("asked", [("resnet8", 0, None), ("resnet8", 4, 0), ("resnet9", 4, None)])
def test_what_cannot_be_meant_raises(asked):
    net, batch, every = asked
    with pytest.raises(UsageError):
        Profile.of(NetSpec.parse(net), IMAGE).memory(batch, every)
