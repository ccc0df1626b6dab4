"""How strongly each layer responds, figure 7 of He et al. 2015: plain nets against residual ones.

Batch norm makes every channel's spread its scale w, the weight that training gave it: the figure
is about what the nets have made of these.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...backend import Array, manual_seed
from ...data import Dataset
from ...inspect.layers import watch_layers
from ...models import NetSpec
from ...modes import no_grad
from ...nn import Module
from ...train import Trainer, quick_recipe
from ..degradation.config import NETS
from ..degradation.trained import trained

_STEPS = 180  # of the short training where there is no finished run: 4 epochs of digits
_IMAGES = 1000  # at most: all of CIFAR-10's at once would take gigabytes


@dataclass(frozen=True)
class Response:
    """The responses of a net's 3x3 layers, after batch norm, before an addition or a ReLU.

    Attributes:
        net: its name.
        layers: the paths of the layers, in order.
        spread: the standard deviation of each response over the test images, float64 (layers,).
    """

    net: str
    layers: tuple[str, ...]
    spread: Array

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row a layer."""
        for k, (path, spread) in enumerate(zip(self.layers, self.spread, strict=True), start=1):
            yield {"net": self.net, "layer": k, "path": path, "spread": f"{spread:.6g}"}


@dataclass(frozen=True)
class Responses:
    """Trained nets, and how their layers respond: `list(Responses(data))` measures them.

    Attributes:
        dataset: what they were trained on.
        nets: names such as plain20.
        seed: which training of the run; or that of a short training.
        run: the folder of a finished run of the degradation experiment, whose nets are taken;
            without, nets are trained for a short while.
    """

    dataset: Dataset
    nets: tuple[str, ...] = NETS
    seed: int = 0
    run: Path | None = None

    def __len__(self) -> int:
        return len(self.nets)

    def __iter__(self) -> Iterator[Response]:
        x = self.dataset.inputs(self.dataset.test_images[:_IMAGES])
        for net in self.nets:
            # With the images' own statistics: running ones lag behind a training as short as ours.
            model = self.model(net).train()
            with no_grad(), watch_layers() as layers:
                model(x)
            yield Response(net, tuple(layers.paths[:-1]), layers.spread[:-1])

    @property
    def training(self) -> str:
        """How the nets were trained, for a reader."""
        return (
            f"after {_STEPS} steps of training" if self.run is None else f"as {self.run} left them"
        )

    def model(self, net: str) -> Module:
        """The trained net."""
        classes, channels = len(self.dataset.classes), self.dataset.channels
        if self.run is not None:
            return trained(self.run, net, self.seed, classes, channels)
        manual_seed(self.seed)
        spec = NetSpec.parse(net)
        model = spec.build(classes, channels)
        recipe = replace(quick_recipe(self.dataset), iterations=_STEPS)
        schedule = recipe.schedule(spec.depth)
        for _ in Trainer(net, model, self.dataset, recipe, schedule, self.seed).run():
            pass
        return model
