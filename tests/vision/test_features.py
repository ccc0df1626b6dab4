"""A new last layer on old weights, and features that are computed once."""

import numpy as np
import pytest
from image_files import class_folders
from oracles import needs_torch, torch
from thin_nets import ThinNet

from minires import manual_seed, no_grad, save_weights
from minires.errors import DataError, StateDictError
from minires.models import resnet50
from minires.vision import FolderImages, image_folder
from minires.vision.finetune.features import FrozenFeatures
from minires.vision.finetune.model import load_pretrained, split


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return image_folder(class_folders(tmp_path_factory.mktemp("images"), n=8), 0.25)


def net_with_statistics():
    manual_seed(3)
    net = ThinNet(3)
    for name, tensor in net.named_tensors():
        if "running" in name:
            tensor.data[...] += 0.2
    return net


# --- weights --------------------------------------------------------------------------------


def test_everything_is_loaded_but_the_last_layer_which_is_new(tmp_path):
    trained = net_with_statistics()
    save_weights(trained, tmp_path / "w.safetensors")
    for classes in (3, 7):  # with as many classes as before it is no less another task
        manual_seed(classes)
        net = ThinNet(classes)
        load_pretrained(net, tmp_path / "w.safetensors")
        expected = trained.state_dict()
        for name, array in net.state_dict().items():
            if not name.startswith("fc."):
                np.testing.assert_array_equal(array, expected[name])
        assert net.fc.weight.shape == (classes, 12)
        assert not np.isin(net.fc.weight.data, trained.fc.weight.data).any()
        assert (net.fc.bias.data == 0).all()


def test_weights_of_another_net_raise_by_name(tmp_path):
    save_weights(resnet50(num_classes=3), tmp_path / "w.safetensors")
    with pytest.raises(StateDictError) as caught:
        load_pretrained(ThinNet(3), tmp_path / "w.safetensors")
    message = str(caught.value)
    assert message.startswith(
        f"{tmp_path / 'w.safetensors'} does not hold the weights of this model"
    )
    assert message.count(";") == 5
    assert "more" in message
    assert len(message) < 500


@needs_torch
def test_weights_in_a_checkpoint_are_found_or_named(tmp_path):
    trained = {k: torch.from_numpy(v) for k, v in net_with_statistics().state_dict().items()}
    wrapped = {f"module.{k}": v for k, v in trained.items()}
    torch.save({"net": wrapped, "teacher": {"x": torch.ones(1)}, "epoch": 3}, tmp_path / "w.pth")
    net = ThinNet(7)
    notices = load_pretrained(net, tmp_path / "w.pth")
    assert len(notices) == 2
    assert "'net'" in notices[0]
    assert "'module.'" in notices[1]
    np.testing.assert_array_equal(net.conv1.weight.data, trained["conv1.weight"].numpy())
    with pytest.raises(StateDictError, match=r"w\.pth does not hold the weights of this model"):
        load_pretrained(net, tmp_path / "w.pth", "teacher")


def test_a_file_that_is_none_raises(tmp_path):
    with pytest.raises(DataError, match=r"there is no weights file .*w\.safetensors"):
        load_pretrained(ThinNet(3), tmp_path / "w.safetensors")


# --- features -------------------------------------------------------------------------------


class Counted:
    """The first stages, counting the images that go through them."""

    def __init__(self, module):
        self.module = module
        self.images = 0

    def __call__(self, x):
        self.images += len(x.data)
        return self.module(x)


def frozen_features(folder, stages=0, max_bytes=1 << 30, **how):
    net = net_with_statistics()
    frozen, _ = split(net, stages)
    counted = Counted(frozen)
    images = FolderImages(folder, size=32, workers=0, **how)
    return FrozenFeatures(images, counted, max_bytes), counted


def expected_features(folder, batches, stages=0):
    frozen, _ = split(net_with_statistics(), stages)
    with no_grad():
        return [(frozen(x).numpy(), labels) for x, labels in batches]


def same(got, expected):
    got, expected = list(got), list(expected)
    assert len(got) == len(expected)
    for (a, la), (b, lb) in zip(got, expected, strict=True):
        np.testing.assert_array_equal(la, lb)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert a.dtype == np.float32


@pytest.mark.parametrize("stages", [0, 1])
def test_augmented_images_go_through_the_frozen_stages_every_time(folder, stages):
    source, counted = frozen_features(folder, stages)
    for epoch in range(2):
        batches = source.images.training_batches(5, 1, epoch)
        expected = expected_features(folder, batches, stages)
        same(source.training_batches(5, 1, epoch), expected)
    assert counted.images == 2 * source.train_size


@pytest.mark.parametrize("stages", [0, 2])
def test_without_augmentation_they_go_once(folder, stages):
    source, counted = frozen_features(folder, stages, augment=False)
    for epoch in range(3):
        batches = source.images.training_batches(5, 1, epoch, first=1)
        expected = expected_features(folder, batches, stages)
        same(source.training_batches(5, 1, epoch, first=1), expected)
    assert counted.images == source.train_size


def test_validation_images_go_once(folder):
    source, counted = frozen_features(folder)
    expected = expected_features(folder, source.images.testing_batches())
    for _ in range(3):
        same(source.testing_batches(), expected)
    assert counted.images == len(folder.val)


def test_features_too_large_to_keep_are_computed_every_time(folder):
    source, counted = frozen_features(folder, max_bytes=100, augment=False)
    for _ in range(2):
        same(
            source.training_batches(5, 1, 0),
            expected_features(folder, source.images.training_batches(5, 1, 0)),
        )
    assert counted.images > 2 * source.train_size
    before = counted.images
    assert len(list(source.testing_batches())) == 1
    assert counted.images == before + 2 * len(folder.val)  # a batch to see how large they are


def test_features_do_not_depend_on_where_a_run_was_stopped(folder):
    source, _ = frozen_features(folder, augment=False)
    unbroken = list(source.training_batches(5, 1, 0))
    again, _ = frozen_features(folder, augment=False)
    for (a, _), (b, _) in zip(unbroken[2:], again.training_batches(5, 1, 0, first=2), strict=True):
        np.testing.assert_array_equal(a, b)
