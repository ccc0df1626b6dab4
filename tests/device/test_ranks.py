"""A training step with ranks on a device: messages go through host memory where MPI needs that."""

from types import SimpleNamespace

import numpy as np
import pytest
from oracles import assert_same
from simulated_ranks import TwoEqual

import minires
from minires import functional as F
from minires.backend import backend_name, use
from minires.errors import UsageError
from minires.models import cifar_net
from minires.nn import SyncBatchNorm2d
from minires.parallel import DistributedSGD, ranks
from minires.parallel.ranks import Ranks, use_own_device


def trained(optimiser_of, **how):
    minires.manual_seed(0)
    net = cifar_net("resnet8", 10, 1, **how)
    optimiser = optimiser_of(net)
    x = np.random.default_rng(0).standard_normal((4, 1, 8, 8), dtype=np.float32)
    for _ in range(2):
        optimiser.zero_grad()
        loss = F.cross_entropy(net(minires.Tensor(x)), minires.Tensor(np.arange(4)).data)
        optimiser.backward(loss)
        optimiser.step()
    return net


@pytest.mark.parametrize("gpu_arrays", [False, True])
def test_gradients_and_statistics_come_back_to_the_device(cupy, gpu_arrays):
    two = Ranks(TwoEqual(), gpu_arrays=gpu_arrays)
    alone = trained(lambda net: DistributedSGD(net, 0.1, 0.9, ranks=Ranks()))
    with use("cupy"):
        net = trained(lambda net: DistributedSGD(net, 0.1, 0.9, ranks=two))
        norm = {"norm": lambda C: SyncBatchNorm2d(C, two.total)}
        synced = trained(lambda net: DistributedSGD(net, 0.1, 0.9, ranks=two), **norm)
    assert two.comm.kinds == {cupy.ndarray if gpu_arrays else np.ndarray}
    for other in (net, synced):
        assert {backend_name(t.data) for _, t in other.named_tensors()} == {"cupy"}
        parameters = {name for name, _ in net.named_parameters()}
        a, b = (
            {k: v for k, v in n.state_dict().items() if k in parameters} for n in (alone, other)
        )
        assert_same(list(b.values()), list(a.values()), 1e-4)


def test_each_rank_of_a_machine_needs_a_gpu(cupy, monkeypatch):
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 1)
    with pytest.raises(UsageError, match="needs a GPU of its own, but there are 1"):
        use_own_device(Ranks(TwoEqual()), "cupy")
    use_own_device(Ranks(TwoEqual()), "numpy")


@pytest.mark.parametrize(
    ("version", "functions", "sums"),
    [
        ("MPICH Version: 5.0.2", {"MPIX_Query_cuda_support": lambda: 1}, True),
        ("MPICH Version: 5.0.2", {"MPIX_Query_cuda_support": lambda: 0}, False),
        ("MSMPI", {}, False),
        ("Open MPI v5.0.8", {"MPIX_Query_cuda_support": lambda: 1}, False),
    ],
)
def test_mpi_is_asked_whether_it_sums_arrays_of_a_gpu(version, functions, sums, monkeypatch):
    monkeypatch.setattr(ranks.ctypes, "CDLL", lambda file: SimpleNamespace(**functions))
    mpi = SimpleNamespace(__file__="MPI.so", Get_library_version=lambda: version)
    assert ranks._sums_gpu_arrays(mpi) is sums
