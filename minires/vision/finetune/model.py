"""The model that is fine-tuned: pretrained weights, a new last layer, frozen first stages."""

from collections.abc import Sequence
from pathlib import Path

from ... import functional as F
from ...autograd import Tensor
from ...errors import UsageError
from ...models.resnet import ResNet
from ...nn import Linear, Module
from ..weights import load_trained

STAGES = 4
LAYERS = ("conv1", "bn1", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc")


def load_pretrained(model: ResNet, path: Path, key: str | None = None) -> tuple[str, ...]:
    """Read all weights of a model but those of its last layer, which is replaced by a new one.

    Returns, raises: as `load_trained`.
    """
    notices = load_trained(model, path, key, "the weights of this model", except_for=("fc.",))
    num_classes, features = model.fc.weight.shape
    model.fc = Linear(features, num_classes)
    return notices


class Layers(Module):
    """Consecutive layers of a model, which it shares: some of `LAYERS`, in their order."""

    def __init__(self, model: ResNet, names: Sequence[str]) -> None:
        for name in names:
            setattr(self, name, getattr(model, name))
        self.names = names

    def forward(self, x: Tensor) -> Tensor:
        for name in self.names:
            x = getattr(self, name)(x)
            if name == "bn1":
                x = F.relu(x)
        return x


def split(model: ResNet, stages: int) -> tuple[Layers, Layers]:
    """Split a model into its first layers, in evaluation mode, and its last stages.

    Args:
        model: the model; both parts share its layers.
        stages: how many stages the second part has before the last layer; with 0, the first part
            includes the pooling.

    Raises:
        UsageError: `stages` is not 0 to 3.
    """
    if not 0 <= stages < STAGES:
        raise UsageError(f"stages must be 0 to {STAGES - 1}, got {stages}")
    at = LAYERS.index(f"layer{STAGES + 1 - stages}" if stages else "fc")
    frozen, last = Layers(model, LAYERS[:at]), Layers(model, LAYERS[at:])
    frozen.eval()
    return frozen, last
