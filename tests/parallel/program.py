"""What `test_distributed_sgd.py` runs on several ranks; rank 0 prints what was found, as JSON."""

import json
from functools import partial

import numpy as np
from threadpoolctl import threadpool_info

import minires
from minires import Tensor, nn
from minires import functional as F
from minires.errors import MiniresError
from minires.nn import SyncBatchNorm2d
from minires.optim import SGD
from minires.parallel import DistributedSGD
from minires.parallel.ranks import world

RANKS = world()
rng = np.random.default_rng(0)
X, LABELS = rng.standard_normal((11, 3, 8, 8)), rng.integers(0, 10, 11)  # shares are not equal
OWN = slice(RANKS.rank, None, RANKS.size)


class Twice(nn.Module):
    """A layer that is used twice, and one that is not used at all.

    With `checkpointed`, the first use is computed again in backward.
    """

    def __init__(self, checkpointed=False):
        self.checkpointed = checkpointed
        self.layer = nn.Linear(192, 192)
        self.idle = nn.Linear(3, 3)
        self.last = nn.Linear(192, 10)

    def forward(self, x):
        x = x.reshape(len(x), 192)
        x = minires.checkpoint(self.layer, x) if self.checkpointed else self.layer(x)
        return self.last(self.layer(F.relu(x)))


def resnet(**how):
    return minires.models.cifar_resnet(8, **how).to("float64")


def over_ranks(make, **how):
    """A net that all ranks have trained for three steps, and its optimiser."""
    minires.manual_seed(RANKS.rank)  # rank 0's are the weights that all begin with
    net = make()
    optimiser = DistributedSGD(net, 0.1, 0.9, 1e-4, **how)
    for _ in range(3):
        optimiser.zero_grad()
        loss = F.cross_entropy(net(Tensor(X[OWN])), LABELS[OWN])
        optimiser.backward(loss, len(LABELS[OWN]) / 11)
        optimiser.step()
    optimiser.expect_equal()
    return net, optimiser


def alone(make):
    minires.manual_seed(0)
    net = make()
    optimiser = SGD(net.parameters(), 0.1, 0.9, 1e-4)
    for _ in range(3):
        optimiser.zero_grad()
        F.cross_entropy(net(Tensor(X)), LABELS).backward()
        optimiser.step()
    return net


def difference(a, b):
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return max(float(np.abs(s - t).max()) for s, t in pairs)


def departures():
    """For each bucket, how many operations' backward were still to come when it left."""
    net = resnet()
    optimiser = DistributedSGD(net, 0.1, bucket_bytes=50_000)
    loss = F.cross_entropy(net(Tensor(X[OWN])), LABELS[OWN])
    left = []
    with optimiser.reducing(loss):
        for _ in loss.backward_steps(1 / RANKS.size):
            left.append([bucket.left for bucket in optimiser.buckets])
    return [sum(now) for now in zip(*left, strict=True)]


def sentence(function):
    try:
        function()
    except MiniresError as error:
        return f"{type(error).__name__}: {error}"
    return None


def spoiled():
    """Rank 1 changes a bit of its weights."""
    net, optimiser = over_ranks(resnet)
    if RANKS.rank == 1:
        net.fc.bias.data[0] = np.nextafter(net.fc.bias.data[0], 1)
    optimiser.expect_equal()


def twice():
    _, optimiser = over_ranks(resnet)
    loss = F.cross_entropy(resnet()(Tensor(X[:2])), LABELS[:2])
    optimiser.backward(loss)


def running_means():
    """The difference between a running mean and the mean of what each rank would have."""
    net, _ = over_ranks(partial(one_step_norm, RANKS.rank))
    mine = X[OWN].mean(axis=(0, 2, 3)).tolist()
    return float(np.abs(net.norm.running_mean.data - np.mean(RANKS.gather(mine), axis=0)).max())


def one_step_norm(_rank):
    class Net(nn.Module):
        def __init__(self):
            self.norm = nn.BatchNorm2d(3, momentum=1.0)
            self.fc = nn.Linear(3, 10)

        def forward(self, x):
            return self.fc(F.global_avg_pool2d(self.norm(x)))

    return Net().to("float64")


sync = partial(SyncBatchNorm2d, total=RANKS.total)
found = {
    "size": RANKS.size,
    "gpu arrays": RANKS.gpu_arrays,
    "threads": minires.get_num_threads(),
    "BLAS threads": [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"],
    "sync": difference(over_ranks(partial(resnet, norm=sync))[0], alone(resnet)),
    "small buckets": difference(
        over_ranks(partial(resnet, norm=sync), bucket_bytes=1)[0], alone(resnet)
    ),
    "checkpointed": difference(
        over_ranks(partial(resnet, norm=sync, checkpoint_every=1))[0], alone(resnet)
    ),
    "a layer twice": difference(
        over_ranks(lambda: Twice().to("float64"), bucket_bytes=1)[0],
        alone(lambda: Twice().to("float64")),
    ),
    "one of two checkpointed": difference(
        over_ranks(lambda: Twice(True).to("float64"), bucket_bytes=1)[0],
        alone(lambda: Twice().to("float64")),
    ),
    "running means": running_means(),
    "departures": departures(),
    "spoiled": sentence(spoiled),
    "twice": sentence(twice),
    "other nets": sentence(lambda: DistributedSGD(nn.Linear(3, 2 + RANKS.rank), 0.1)),
    "other kinds": sentence(
        lambda: DistributedSGD(resnet().to("float32") if RANKS.rank else resnet(), 0.1)
    ),
    "other rates": sentence(lambda: DistributedSGD(resnet(), 0.1 + RANKS.rank)),
    "other buckets": sentence(lambda: DistributedSGD(resnet(), 0.1, bucket_bytes=9 + RANKS.rank)),
    "same": sentence(lambda: RANKS.expect_same({"batch": 32})),
    "other": sentence(lambda: RANKS.expect_same({"batch": 32 + RANKS.rank})),
    "any": [RANKS.any(RANKS.rank == 1), RANKS.any(False)],
    "in turn": RANKS.gather(RANKS.in_turn(lambda: RANKS.rank)),
}
everyone = RANKS.gather(json.dumps({**found, "departures": len(found["departures"])}))
if RANKS.rank == 0:
    print(json.dumps({**found, "alike": len(set(everyone)) == 1}))
