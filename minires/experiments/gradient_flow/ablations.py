"""Ablations of what keeps gradients from vanishing and exploding, and the flow that is left.

Ablated are standardised inputs, an initialisation that keeps variances (He et al., 1502.01852), and
batch norm (Ioffe & Szegedy, 1502.03167). Batch norm hides what the other two do, so each of these
is ablated with and without it.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import count, islice, product
from typing import Any

import numpy as np

from ...backend import Array, manual_seed
from ...data import Dataset
from ...deprecated import old_attribute
from ...errors import NonFiniteError
from ...inspect.layers import Layers, watch_layers
from ...models import NetSpec, cifar_net
from ...nn import BatchNorm2d, Identity, he_normal, xavier_normal
from ...nn.init import scaled
from ...nn.layers import Init
from ...optim import StepSchedule
from ...train import Recipe, Trainer
from ..degradation import NETS
from .measurement import Measurement


@dataclass(frozen=True)
class Variant:
    """An initialisation of the weights, and whether inputs are standardised.

    Attributes:
        label: its name in figures and reports.
        init: draws the weights.
        standardised: see `Dataset.standardised`.
    """

    label: str
    init: Init
    standardised: bool = True


BASELINE = Variant("He", he_normal)
VARIANTS = (
    Variant("He × 0.1", scaled(he_normal, 0.1)),
    Variant("Xavier", xavier_normal),
    BASELINE,
    Variant("raw inputs (He)", he_normal, standardised=False),
    Variant("He × 3", scaled(he_normal, 3)),
)


@dataclass(frozen=True)
class Flow:
    """The size of layer responses and of their gradients, at initialisation and in training.

    A layer response is the output of a layer after batch norm, where there is one, and before an
    addition or a ReLU. Its gradient is measured by the Euclidean norm over the batch, because a
    ReLU net with He's weights keeps that norm, on average, from layer to layer, whatever the sizes
    of the layers: each of the fan_in weights of variance 2 / fan_in that lead to an output passes
    back gy² 2 / fan_in, and a ReLU passes half of that. (At the border of a feature map fewer
    weights lead to an output, and some is lost; on small feature maps, most.)

    Attributes:
        net: its name; variant: the label of its `Variant`; batch_norm: whether it has batch norm.
        layers: the paths of its weighted layers, in order.
        steps: the numbers of training steps after which it was measured.
        std: the standard deviation of each response, float64 (steps, layers).
        gradient: the norm of the gradient of each response, float64 (steps, layers); NaN where
            the loss was not finite.
        ended: after how many steps the loss was not finite, which ended training; or None.
    """

    net: str
    variant: str
    batch_norm: bool
    layers: tuple[str, ...]
    steps: tuple[int, ...]
    std: Array
    gradient: Array
    ended: int | None

    @property
    def spread(self) -> Array:
        """The old name of `std`."""
        return old_attribute(self, "spread", "std")

    @property
    def growth(self) -> Array:
        """The gradient at the first layer over that at the last 3x3 one, (steps,)."""
        with np.errstate(all="ignore"):  # 0 / 0 where no gradient arrives, and 1e30 / 1e-30
            return self.gradient[:, 0] / self.gradient[:, -2]  # -1 is the linear layer

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row of flow.csv for each step and layer."""
        same = {"net": self.net, "batch_norm": self.batch_norm, "variant": self.variant}
        for i, step in enumerate(self.steps):
            for k, path in enumerate(self.layers):
                at = {"step": step, "layer": k + 1, "path": path}
                std, gradient = f"{self.std[i, k]:.6g}", f"{self.gradient[i, k]:.6g}"
                # "spread" is the name in files of earlier versions.
                yield {**same, **at, "spread": std, "gradient": gradient}


def deepest(flows: Sequence[Flow]) -> list[Flow]:
    """Return the flow in the deepest net of each kind, with batch norm and weights by He."""
    normed = [f for f in flows if (f.variant, f.batch_norm) == (BASELINE.label, True)]
    by_depth = sorted(((NetSpec.parse(f.net), f) for f in normed), key=lambda pair: pair[0].depth)
    return list({net.kind: flow for net, flow in by_depth}.values())


@dataclass(frozen=True)
class Ablations(Measurement[Flow]):
    """Nets of every variant, with and without batch norm: `list(Ablations(data))` measures them.

    Attributes:
        dataset: images of about 32 pixels; on much smaller feature maps borders hide the rest.
        nets: names such as plain20.
        steps: training steps over which the flow is followed.
        seed: of the initial weights and the order of the images.
        batch_size, lr: of training, by SGD with the momentum and weight decay of the paper.
    """

    dataset: Dataset
    nets: tuple[str, ...] = NETS
    steps: int = 10
    seed: int = 0
    batch_size: int = 16
    lr: float = 0.01

    def __len__(self) -> int:
        return len(self.nets) * 2 * len(VARIANTS)

    def __getitem__(self, index: int) -> Flow:
        net, batch_norm, variant = [*product(self.nets, (True, False), VARIANTS)][index]
        return self.follow(net, variant, batch_norm)

    @property
    def shown(self) -> tuple[int, ...]:
        """The step numbers at which it is measured: 0, 1, 2, 5, 10, 20, 50, ... and the last."""
        marks = (m * 10**k for k in range(len(str(self.steps))) for m in (1, 2, 5))
        return (0, *(step for step in marks if step < self.steps), *{self.steps} - {0})

    def follow(self, net: str, variant: Variant, batch_norm: bool) -> Flow:
        """Train one net for `steps` steps, and measure on the batches it is trained on."""
        dataset = replace(self.dataset, standardised=variant.standardised)
        trainer = self._trainer(net, variant, batch_norm, dataset)
        seen: dict[int, Layers] = {}
        ended = None
        for step, batch in enumerate(islice(self._batches(dataset), self.steps + 1)):
            measured = step in self.shown
            try:
                with watch_layers() if measured else nullcontext(Layers()) as layers:
                    trainer.step(*batch)
            except NonFiniteError:
                ended = step
            if measured:
                seen[step] = layers
            if ended is not None:
                break
        return Flow(
            net,
            variant.label,
            batch_norm,
            tuple(seen[0].paths),
            tuple(seen),
            np.array([layers.std for layers in seen.values()]),
            np.array([layers.gradient for layers in seen.values()]),
            ended,
        )

    def _trainer(self, net: str, variant: Variant, batch_norm: bool, dataset: Dataset) -> Trainer:
        manual_seed(self.seed)
        norm = BatchNorm2d if batch_norm else Identity
        classes, channels = len(dataset.classes), dataset.channels
        model = cifar_net(net, classes, channels, norm=norm, init=variant.init)
        recipe = Recipe(self.batch_size, self.lr, iterations=self.steps + 1)
        return Trainer(net, model, dataset, recipe, StepSchedule(self.lr), self.seed)

    def _batches(self, dataset: Dataset) -> Iterator[tuple[Array, Array]]:
        """Yield the same training batches for all nets, without end."""
        number = len(dataset.train_images) // self.batch_size  # the last may be smaller
        for epoch in count():
            batches = dataset.training_batches(self.batch_size, self.seed, epoch)
            yield from islice(batches, number)
