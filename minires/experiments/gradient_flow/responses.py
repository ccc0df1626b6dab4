"""Layer responses of trained nets, as in figure 7 of He et al. 2015.

Batch norm makes the standard deviation of every channel its scale w, a weight: the figure shows
what training has made of these.
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
from ..degradation import trained_model
from .measurement import Measurement

_IMAGES = 1000  # at most: all of CIFAR-10's at once would take gigabytes


@dataclass(frozen=True)
class LayerResponses:
    """The responses of a net's 3x3 layers: after batch norm, before an addition or a ReLU.

    Attributes:
        net: its spec.
        layers: the paths of the layers, in order.
        std: the standard deviation of each response over the test images, float64 (layers,).
    """

    net: NetSpec
    layers: tuple[str, ...]
    std: Array

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row of responses.csv for each layer."""
        for k, (path, std) in enumerate(zip(self.layers, self.std, strict=True), start=1):
            # "spread" is the name in files of earlier versions.
            yield {"net": str(self.net), "layer": k, "path": path, "spread": f"{std:.6g}"}


@dataclass(frozen=True)
class Responses(Measurement[LayerResponses]):
    """Layer responses of trained nets: `list(Responses(data))` measures them.

    Attributes:
        dataset: what they were trained on.
        nets: plain or residual ones.
        seed: that of the training.
        run: the folder of a finished degradation run with the nets; if None, they are trained for
            a short while.
        steps: training steps of that; 180 are 4 epochs of digits.
    """

    dataset: Dataset
    nets: tuple[NetSpec, ...]
    seed: int = 0
    run: Path | None = None
    steps: int = 180

    def __len__(self) -> int:
        return len(self.nets)

    def __getitem__(self, index: int) -> LayerResponses:
        net = self.nets[index]
        x = self.dataset.inputs(self.dataset.test_images[:_IMAGES])
        # With the statistics of the images: running ones lag behind so short a training.
        model = self.model(net).train()
        with no_grad(), watch_layers() as layers:
            model(x)
        return LayerResponses(net, tuple(layers.paths[:-1]), layers.std[:-1])

    @property
    def training(self) -> str:
        """How the nets were trained, in words."""
        if self.run is None:
            return f"after {self.steps} steps of training"
        return f"as {self.run} left them"

    def model(self, net: NetSpec) -> Module:
        """Return a trained net."""
        classes, channels = len(self.dataset.classes), self.dataset.channels
        if self.run is not None:
            return trained_model(self.run, str(net), self.seed, classes, channels)
        manual_seed(self.seed)
        model = net.build(classes, channels)
        recipe = replace(quick_recipe(self.dataset), iterations=self.steps)
        schedule = recipe.schedule(net.depth)
        for _ in Trainer(str(net), model, self.dataset, recipe, schedule, self.seed).run():
            pass
        return model
