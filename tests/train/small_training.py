"""A short training of resnet-8 on digits, and what two trainings are compared by."""

from minires import manual_seed
from minires.data import digits
from minires.models import cifar_net
from minires.train import Recipe, Trainer, training_state

DATA = digits()
RECIPE = Recipe(batch_size=100, lr=0.05, iterations=20)  # 15 batches an epoch


def small_training(recipe=RECIPE, net="resnet8", seed=0):
    manual_seed(seed)
    model = cifar_net(net, 10, 1)
    return Trainer(net, model, DATA, recipe, recipe.schedule(8), seed)


def weights(trainer):
    """Every tensor of its state, as bytes."""
    return {name: array.tobytes() for name, array in training_state(trainer)[0].items()}


def without_time(rows):
    return [{**vars(row), "seconds": 0} for row in rows]
