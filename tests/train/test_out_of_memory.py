"""A training step without enough memory: the batch that would fit is named, where it is known."""

import weakref

import numpy as np
import pytest
from small_training import DATA, RECIPE, small_training
from standin import standin

from minires.errors import OutOfMemoryError
from minires.inspect.memory import Profile
from minires.kernels.replayed import Replayed
from minires.models import NetSpec, cifar_net, resnet50
from minires.nn import Sequential
from minires.train import Trainer, out_of_memory


class CupyMemoryError(MemoryError):
    """CuPy's is one of these too."""


def no_memory(*_):
    raise CupyMemoryError("Unable to allocate 8.00 TiB")


def said_without_memory(t, learn=no_memory):
    """The message of a training whose step runs out of memory."""
    t._learn = learn
    said = r"step on 100 images \(Unable to allocate 8\.00 TiB\); "
    with pytest.raises(OutOfMemoryError, match=said) as caught:
        next(t.run())
    return str(caught.value).rpartition("; ")[2]


HALF = "half as many need about half of it"


@pytest.mark.parametrize("every", [None, 1])
@pytest.mark.parametrize("backend", ["numpy", "cupy"])
def test_too_little_memory_is_an_error_that_names_the_batch_that_fits(monkeypatch, backend, every):
    profile = Profile.of(NetSpec.parse("resnet8"), (1, 8, 8))
    free = profile.memory(61, every).total
    with standin() as cupy:
        cupy.cuda.runtime.memGetInfo = lambda: (free, 80 << 30)
        if backend == "numpy":
            monkeypatch.setattr(out_of_memory, "available", lambda _: free)
        model = cifar_net("resnet8", 10, 1, checkpoint_every=every)
        t = Trainer("resnet8", model, DATA, RECIPE, RECIPE.schedule(8), 0, backend)
        before = {name: x.data.tolist() for name, x in model.named_tensors()}
        assert said_without_memory(t) == "a batch of 61 would fit"
        assert before == {name: x.data.tolist() for name, x in model.named_tensors()}


@pytest.mark.parametrize("free", [0, 1 << 40])
def test_where_the_free_memory_does_not_explain_it_no_batch_is_named(monkeypatch, free):
    monkeypatch.setattr(out_of_memory, "available", lambda _: free)
    assert said_without_memory(small_training()) == HALF


def test_where_it_is_not_known_how_much_is_free_no_batch_is_named(monkeypatch):
    monkeypatch.setattr(out_of_memory, "available", no_memory)
    assert said_without_memory(small_training()) == HALF


def test_of_a_model_that_its_name_does_not_say_no_batch_is_named(monkeypatch):
    monkeypatch.setattr(out_of_memory, "available", lambda _: 10_000_000)
    model = Sequential(cifar_net("resnet8", 10, 1))
    t = Trainer("resnet8", model, DATA, RECIPE, RECIPE.schedule(8), 0)
    assert said_without_memory(t) == HALF


def test_a_net_of_two_families_is_that_which_is_trained(monkeypatch):
    specs = []
    monkeypatch.setattr(Profile, "of", lambda spec, image: specs.append(spec) or no_memory())
    for model in (cifar_net("cifar-resnet50", 10, 1), resnet50()):
        said_without_memory(Trainer("resnet50", model, DATA, RECIPE, RECIPE.schedule(8), 0))
    assert [spec.family for spec in specs] == ["cifar", "imagenet"]


@pytest.mark.parametrize("graph", [False, True])
def test_what_the_step_had_computed_is_free_when_the_free_memory_is_asked_for(monkeypatch, graph):
    arrays, alive = [], []

    def learn(*_):
        alive.append(sum(array() is not None for array in arrays))
        array = np.ones(9)
        arrays.append(weakref.ref(array))
        cycle = [array]  # freed by the garbage collector alone
        cycle += [cycle] * (len(arrays) > graph)
        no_memory()

    def available(_):
        alive.append(sum(array() is not None for array in arrays))
        return 0

    monkeypatch.setattr(out_of_memory, "available", available)
    t = small_training()
    t.replayed = Replayed(learn) if graph else None
    assert said_without_memory(t, learn) == HALF
    assert alive == [0] * (3 if graph else 2)  # two attempts: to record it, and without
