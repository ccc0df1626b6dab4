"""The training loop on a device: NumPy's numbers, stops without a trace, and memory that stays."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import assert_same

import minires
from minires import Tensor, nn, optim
from minires import functional as F
from minires.backend import backend_name, use
from minires.data import digits
from minires.errors import NonFiniteError
from minires.experiments.degradation import Config, Degradation
from minires.inspect import Graph, detect_anomaly
from minires.inspect.layers import watch_layers
from minires.models import cifar_net
from minires.runs import read_history
from minires.train import Recipe, Trainer, restore_training, training_state

DATA = digits()
FEW = replace(DATA, train_images=DATA.train_images[:200], train_labels=DATA.train_labels[:200])
RECIPE = Recipe(batch_size=50, lr=0.02, iterations=6)  # 4 batches an epoch


def trainer(backend, recipe=RECIPE, dtype=np.float32):
    minires.manual_seed(0)
    model = cifar_net("resnet8", 10, 1).to(dtype)
    return Trainer("resnet8", model, FEW, recipe, recipe.schedule(8), seed=0, backend=backend)


def finished(training):
    for _ in training.run():
        pass
    return training


def test_a_short_training_is_numpys_up_to_rounding(cupy):
    ours, theirs = (finished(trainer(name, dtype=np.float32)) for name in ("numpy", "cupy"))
    for a, b in zip(ours.rows, theirs.rows, strict=True):
        assert b.train_loss == pytest.approx(a.train_loss, rel=1e-3)
        assert b.train_error == pytest.approx(a.train_error, abs=1)
        assert b.test_error == pytest.approx(a.test_error, abs=1)
    (tensors, facts), (on_device, of_device) = training_state(ours), training_state(theirs)
    assert all(isinstance(a, np.ndarray) for a in on_device.values())
    assert facts.keys() == of_device.keys()
    assert_same(list(on_device.values()), [tensors[name] for name in on_device], tolerance=0.02)


def test_the_net_and_the_velocities_are_on_the_device_and_batches_come_to_it(cupy):
    training = trainer("cupy")
    tensors = [t.data for _, t in training.model.named_tensors()]
    assert {backend_name(a) for a in (*tensors, *training.optimiser.velocities)} == {"cupy"}
    training.step(*next(FEW.training_batches(50, 0, 0)))  # of NumPy's
    assert {backend_name(p.grad) for p in training.model.parameters()} == {"cupy"}


def test_the_default_backend_is_where_a_trainer_trains(cupy):
    with use("cupy"):
        assert trainer(None).backend == "cupy"
    assert trainer(None).backend == "numpy"


def test_a_state_is_resumed_on_the_same_bits(cupy):
    whole = training_state(finished(trainer("cupy")))
    first = trainer("cupy")
    for progress in first.run():
        if progress.iteration == 3:
            break
    second = trainer("cupy")
    restore_training(second, *training_state(first))
    assert {backend_name(v) for v in second.optimiser.velocities} == {"cupy"}
    for name, array in training_state(finished(second))[0].items():
        np.testing.assert_array_equal(array, whole[0][name])


def test_a_run_killed_on_the_way_is_resumed_to_the_same_files(cupy, tmp_path):
    config = Config(nets=("plain8", "resnet8"), epochs=1, backend="cupy")

    def go_on(out):
        for _ in Degradation.resume({}, out, lambda config: FEW).run():
            pass
        rows = [replace(row, seconds=0) for row in read_history(out / "history.csv")]
        return rows, {path.name: path.read_bytes() for path in (out / "weights").iterdir()}

    Degradation.start(config, FEW, tmp_path / "whole")
    killed = Degradation.start(config, FEW, tmp_path / "killed")
    for event in killed.run():
        if event.trainer.net == "resnet8" and event.progress.iteration == 3:
            killed.folder.save(event.trainer)
            break
    assert go_on(tmp_path / "killed") == go_on(tmp_path / "whole")


def test_a_checkpoint_of_one_backend_is_restored_on_the_other(cupy):
    first = trainer("cupy")
    next(first.run())
    second = trainer("numpy")
    restore_training(second, *training_state(first))
    assert_same(*(list(training_state(t)[0].values()) for t in (second, first)), tolerance=0)


def test_a_nan_is_found_and_named(cupy):
    training = trainer("cupy")
    training.model.layer2[0].conv1.weight.data[0] = np.nan
    with pytest.raises(
        NonFiniteError, match=r"Conv2d \(layer2\.0\.conv1.*1 parameters were not finite before"
    ):
        training.step(*next(FEW.training_batches(50, 0, 0)))


def test_hooks_of_a_net_see_what_numpy_shows(cupy):
    def watched(backend):
        with use(backend):
            net = trainer(backend).model
            x, labels = next(FEW.training_batches(10, 0, 0))
            with watch_layers() as layers, detect_anomaly():
                loss = F.cross_entropy(net(x), labels)
                printed = str(Graph(loss))
                steps = [(s.op.name, s.op.path, s.norm, s.norms) for s in loss.backward_steps()]
        return layers, printed, steps

    (ours, graph, steps), (theirs, graph_there, steps_there) = map(watched, ("numpy", "cupy"))
    assert_same(theirs.std, ours.std, tolerance=1e-4)
    assert_same(theirs.gradient, ours.gradient, tolerance=1e-3)
    assert graph.splitlines()[0].split()[:2] == graph_there.splitlines()[0].split()[:2]
    assert [s[:2] for s in steps] == [s[:2] for s in steps_there]
    assert [s[2] for s in steps_there] == pytest.approx([s[2] for s in steps], rel=1e-3, abs=1e-6)


def test_a_thousand_steps_take_no_more_memory_than_ten(cupy):
    pool = cupy.get_default_memory_pool()
    minires.manual_seed(0)
    with use("cupy"):
        net = nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.GlobalAvgPool2d()
        )
        sgd = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        x, labels = Tensor(np.ones((4, 1, 6, 6), np.float32)), Tensor(np.array([0, 1, 0, 1]))
        used = []
        for _ in range(1000):
            loss = F.cross_entropy(net(x), labels)
            net.zero_grad()
            loss.backward()
            sgd.step()
            used.append((pool.used_bytes(), pool.total_bytes()))
    assert used[-1] == used[9]
    assert max(used) <= max(used[:10])
