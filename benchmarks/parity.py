"""Do the large nets compute what PyTorch's layers do, put together in the same way?

    python benchmarks/parity.py

The same random weights and images in float32, with the batch's statistics: the relative
differences, max |a − b| / max |b|, of logits, and of running statistics after three steps of SGD;
and ‖a − b‖ / ‖b‖ of the gradient, of all weights as one vector and of the worst single tensor. They
are taken to PyTorch in float64, and PyTorch in float32 stands beside: where an activation is next
to 0, rounding decides whether its ReLU lets a gradient pass, so that float32 has errors of its
own. Prints a table and writes benchmarks/results/parity.json.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import torch
import typer
from common import RESULTS, listed, machine, write
from engines import MOMENTUM, WEIGHT_DECAY
from engines.nets import LARGE, Net, net_of, weights_of
from engines.pytorch import ResNet
from rich.console import Console
from rich.table import Table

from minires import functional as F
from minires.models import imagenet_net
from minires.optim import SGD

MEASURES = ("logits", "gradient", "worst tensor", "running statistics")
STEPS, LR = 3, 0.01
Found: TypeAlias = dict[str, dict[str, np.ndarray]]  # tensors by name, of what is compared
BRANCH = 0.2  # the scale of the last batch norm of a block; at 1 activations double with each


def main(
    nets: Annotated[str, typer.Option(help="By commas.")] = ",".join(LARGE),
    sizes: Annotated[str, typer.Option(help="Height x width, by commas.")] = "224x224,225x193",
    batch: Annotated[int, typer.Option(help="Images.")] = 4,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS / "parity.json",
) -> None:
    """Compare minires' large nets with PyTorch's layers."""
    console = Console()
    shown = Table("net", "images", *MEASURES, title="minires | PyTorch")
    results: list[dict[str, Any]] = []
    for name in listed(nets):
        for size in listed(sizes):
            height, width = map(int, size.split("x"))
            engines = compare(name, batch, height, width)
            results.append({"net": name, "size": size, "engines": engines})
            write(out, machine(torch.get_num_threads()), batch=batch, results=results)
            cells = (
                " | ".join(f"{engine[what]:.0e}" for engine in results[-1]["engines"].values())
                for what in MEASURES
            )
            shown.add_row(name, size, *cells)
    console.print(shown)


def compare(name: str, batch: int, height: int, width: int) -> dict[str, dict[str, float]]:
    """The MEASURES of minires and of PyTorch in float32."""
    net = net_of(name)
    weights = weights_of(net)
    last = "bn3.weight" if net.bottleneck else "bn2.weight"
    for key in weights:
        if key.endswith(last):
            weights[key] *= np.float32(BRANCH)
    rng = np.random.default_rng(1)
    images = rng.standard_normal((STEPS, batch, 3, height, width), dtype=np.float32)
    labels = rng.integers(0, net.classes, (STEPS, batch))
    exact = pytorch(net, weights, images.astype(np.float64), labels)
    return {
        "minires": differences(minires(name, weights, images, labels), exact),
        "pytorch": differences(pytorch(net, weights, images, labels), exact),
    }


def differences(ours: Found, exact: Found) -> dict[str, float]:
    """The MEASURES."""
    ours_whole, whole = (
        np.concatenate([g.ravel() for _, g in sorted(found["gradients"].items())])
        for found in (ours, exact)
    )
    return {
        "logits": largest(ours["logits"], exact["logits"]),
        "gradient": relative(ours_whole, whole),
        "worst tensor": max(
            relative(ours["gradients"][n], g) for n, g in exact["gradients"].items()
        ),
        "running statistics": largest(ours["statistics"], exact["statistics"]),
    }


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """‖a − b‖ / ‖b‖."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def largest(ours: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]) -> float:
    """The largest max |a − b| / max |b| of all tensors."""
    return max(float(np.abs(ours[n] - b).max() / np.abs(b).max()) for n, b in exact.items())


def minires(
    name: str, weights: Mapping[str, np.ndarray], images: np.ndarray, labels: np.ndarray
) -> Found:
    """Logits and gradients of the first step, and running statistics after the last."""
    model = imagenet_net(name)
    model.load_state_dict(weights, strict=False)
    optimiser = SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    found: Found = {}
    for x, wanted in zip(images, labels, strict=True):
        logits = model(x)
        optimiser.zero_grad()
        F.cross_entropy(logits, wanted).backward()
        if not found:
            found["logits"] = {"logits": logits.numpy()}
            found["gradients"] = {n: p.grad.copy() for n, p in model.named_parameters()}
        optimiser.step()
    return {**found, "statistics": {n: a for n, a in model.state_dict().items() if "running" in n}}


def pytorch(
    net: Net, weights: Mapping[str, np.ndarray], images: np.ndarray, labels: np.ndarray
) -> Found:
    """The same with PyTorch's layers, in the type of the images."""
    model = ResNet(net)
    model.load_state_dict({n: torch.from_numpy(w) for n, w in weights.items()}, strict=False)
    model.to(torch.from_numpy(images).dtype)
    optimiser = torch.optim.SGD(
        model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    found: Found = {}
    for x, wanted in zip(torch.from_numpy(images), torch.from_numpy(labels), strict=True):
        logits = model(x)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits, wanted).backward()
        if not found:
            found["logits"] = {"logits": logits.detach().numpy()}
            found["gradients"] = arrays((n, p.grad) for n, p in model.named_parameters())
        optimiser.step()
    running = (item for item in model.state_dict().items() if "running" in item[0])
    return {**found, "statistics": arrays(running)}


def arrays(tensors: Iterable[tuple[str, torch.Tensor]]) -> dict[str, np.ndarray]:
    """Tensors as arrays of their own."""
    return {name: tensor.numpy().copy() for name, tensor in tensors}


if __name__ == "__main__":
    typer.run(main)
