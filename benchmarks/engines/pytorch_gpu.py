"""PyTorch on a GPU: with its defaults, compiled, or its whole step captured as a CUDA graph."""

import torch
from torch.nn import functional as F

from . import LR, MOMENTUM, WEIGHT_DECAY, Step
from .nets import Net
from .pytorch import built

_BEFORE_CAPTURE = 2  # ordinary steps, which allocate what the graph works on


def training(
    net: Net,
    n: int,
    channels_last: bool = False,
    compiled: bool = False,
    graph: bool = False,
    tf32: bool = False,
) -> Step:
    """A step of training."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True  # it may look for its fastest kernels
    model, x, labels = (part.cuda() for part in built(net, n, channels_last))
    forward = torch.compile(model, mode="reduce-overhead") if compiled else model
    optimiser = torch.optim.SGD(
        model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )

    def learn() -> torch.Tensor:
        loss = F.cross_entropy(forward(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.detach()

    if not graph:
        return lambda: learn().item()
    return captured(learn, optimiser)


def captured(learn, optimiser: torch.optim.Optimizer) -> Step:
    """`learn`, replayed from its third call on, as PyTorch's notes on CUDA graphs do it."""
    stream = torch.cuda.Stream()
    replay = torch.cuda.CUDAGraph()
    calls, loss = 0, torch.empty(())

    def step() -> float:
        nonlocal calls, loss
        calls += 1
        if calls <= _BEFORE_CAPTURE:
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                value = learn()
            torch.cuda.current_stream().wait_stream(stream)
            return value.item()
        if calls == _BEFORE_CAPTURE + 1:
            optimiser.zero_grad()  # so that gradients are allocated in the graph's own memory
            with torch.cuda.graph(replay):
                loss = learn()
        replay.replay()
        return loss.item()

    return step
