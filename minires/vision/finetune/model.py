"""The model that is fine-tuned: pretrained weights, a new last layer, frozen first stages."""

from pathlib import Path

from ... import functional as F
from ...autograd import Tensor
from ...errors import StateDictError, UsageError
from ...models.resnet import ResNet
from ...nn import Linear, Module
from ...weights import load_weights

STAGES = 4


def load_pretrained(model: ResNet, path: Path) -> None:
    """Read all weights of a model but those of its last layer, which is replaced by a new one.

    Raises:
        DataError: no such file, or it cannot be read.
        StateDictError: the file holds the weights of another model; names it.
    """
    report = load_weights(model, path, strict=False)
    if not report.fits(except_for="fc."):
        raise StateDictError(
            f"{path} does not hold the weights of this model: {report.describe(except_for='fc.')}"
        )
    num_classes, features = model.fc.weight.shape
    model.fc = Linear(features, num_classes)


class FirstStages(Module):
    """A model up to stage number `last`, in evaluation mode; stage 4 includes the pooling.

    (N, 3, H, W) -> the feature maps of that stage, or, of stage 4, (N, features). It shares the
    model's layers.
    """

    def __init__(self, model: ResNet, last: int) -> None:
        self.conv1, self.bn1, self.maxpool = model.conv1, model.bn1, model.maxpool
        for i in range(1, last + 1):
            setattr(self, f"layer{i}", getattr(model, f"layer{i}"))
        self.last = last
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for i in range(1, self.last + 1):
            x = getattr(self, f"layer{i}")(x)
        return F.global_avg_pool2d(x) if self.last == STAGES else x


class LastStages(Module):
    """The stages after number `after`, and the last layer: `FirstStages`'s output -> logits."""

    def __init__(self, model: ResNet, after: int) -> None:
        for i in range(after + 1, STAGES + 1):
            setattr(self, f"layer{i}", getattr(model, f"layer{i}"))
        self.fc = model.fc
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        for i in range(self.after + 1, STAGES + 1):
            x = getattr(self, f"layer{i}")(x)
        return self.fc(x if self.after == STAGES else F.global_avg_pool2d(x))


def split(model: ResNet, stages: int) -> tuple[FirstStages, LastStages]:
    """Split a model into its first stages, and its last `stages` with the last layer.

    Raises:
        UsageError: `stages` is not 0 to 3.
    """
    if not 0 <= stages < STAGES:
        raise UsageError(f"stages must be 0 to {STAGES - 1}, got {stages}")
    return FirstStages(model, STAGES - stages), LastStages(model, STAGES - stages)
