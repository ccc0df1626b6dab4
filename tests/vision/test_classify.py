"""Image files classified by a model."""

import numpy as np
import pytest
from image_files import class_folders, noisy_image
from thin_nets import ThinNet, thin_net

from minires import manual_seed, no_grad, save_weights
from minires.errors import DataError, StateDictError, UsageError
from minires.models import resnet18
from minires.vision import classify
from minires.vision.classify import Classifier, image_files, read_labels
from minires.vision.transforms import evaluation_image, normalise
from minires.vision.workers import Workers
from minires.weights.safetensors_file import write_tensors

NAMES = [f"thing {i}" for i in range(8)]


@pytest.fixture(autouse=True)
def thin(monkeypatch):
    monkeypatch.setattr(classify, "imagenet_net", thin_net)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    manual_seed(0)
    save_weights(ThinNet(8), path)
    return path


def net_of(weights):
    manual_seed(0)
    return ThinNet(8).eval()


def classified(classifier, images, workers=0):
    with Workers(workers) as processes:
        return list(classifier.classify(images, processes))


def test_the_five_likeliest_come_with_their_probabilities(weights, tmp_path):
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.png")
        noisy_image(seed=i, width=60 + 20 * i).save(paths[-1])
    got = classified(Classifier("resnet18", weights, NAMES, 64), paths)
    assert [answer.path for answer in got] == paths
    x = np.stack([evaluation_image(path, 64) for path in paths])
    with no_grad():
        logits = net_of(weights)(normalise(x)).numpy().astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for answer, row in zip(got, p, strict=True):
        best = sorted(range(8), key=lambda i, row=row: -row[i])[:5]
        assert [score.label for score in answer.top] == best
        assert [score.name for score in answer.top] == [NAMES[i] for i in best]
        assert [score.probability for score in answer.top] == pytest.approx(row[best], rel=1e-4)
        assert answer.activation.shape == (2, 2)


def test_many_images_go_in_batches_and_come_in_order(weights, tmp_path):
    images = image_files([class_folders(tmp_path, n=12)])
    assert len(images) == 36  # more than a batch
    one_by_one = [classified(Classifier("resnet18", weights, NAMES, 32), [p])[0] for p in images]
    got = classified(Classifier("resnet18", weights, NAMES, 32), images, workers=2)
    assert [a.path for a in got] == [a.path for a in one_by_one]
    for a, b in zip(got, one_by_one, strict=True):
        assert a.top[0].probability == pytest.approx(b.top[0].probability, rel=1e-4)


def test_fewer_classes_than_five_are_all_named(tmp_path):
    save_weights(ThinNet(2), tmp_path / "w.safetensors")
    noisy_image().save(tmp_path / "p.png")
    classifier = Classifier("resnet18", tmp_path / "w.safetensors", ["a", "b"], 32)
    (answer,) = classified(classifier, [tmp_path / "p.png"])
    assert len(answer.top) == 2
    assert sum(score.probability for score in answer.top) == pytest.approx(1)


def test_without_names_classes_are_numbers_of_a_thousand(tmp_path):
    save_weights(ThinNet(1000), tmp_path / "w.safetensors")
    noisy_image().save(tmp_path / "p.png")
    classifier = Classifier("resnet18", tmp_path / "w.safetensors", size=32)
    (answer,) = classified(classifier, [tmp_path / "p.png"])
    assert answer.top[0].name == f"class {answer.top[0].label}"


def test_the_figure_of_a_classification_is_a_png(weights, tmp_path):
    noisy_image(width=90).save(tmp_path / "p.png")
    classifier = Classifier("resnet18", weights, ["猫", *NAMES[1:]], 64)
    (answer,) = classified(classifier, [tmp_path / "p.png"])
    assert classifier.figure(answer).startswith(b"\x89PNG")


def test_weights_that_do_not_fit_raise_by_name(weights, tmp_path):
    with pytest.raises(StateDictError, match=r"w\.safetensors .* resnet18 with 2 classes: fc\."):
        Classifier("resnet18", weights, ["a", "b"])
    with pytest.raises(StateDictError, match=r"with 1000 classes; if .* others, .* --labels"):
        Classifier("resnet18", weights)
    save_weights(resnet18(num_classes=8), tmp_path / "w.safetensors")
    with pytest.raises(StateDictError, match="does not hold the weights of resnet18"):
        Classifier("resnet18", tmp_path / "w.safetensors", NAMES)
    with pytest.raises(DataError, match="there is no weights file"):
        Classifier("resnet18", tmp_path / "none", NAMES)
    with pytest.raises(UsageError, match="size must be at least 32, got 8"):
        Classifier("resnet18", weights, NAMES, 8)


def test_names_are_lines_of_a_file(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffcat\r\n 猫 \ntwo words\n\n\n".encode())
    assert read_labels(path) == ["cat", "猫", "two words"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no labels"),
        (b"\n\n", "holds no labels"),
        (b"a\n\nb\n", "line 2: a label is missing"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (None, "cannot be read: No such file"),
        (b'{"0": ["n01440764", "tench"]}', "is JSON; expected names of classes, one a line"),
        (b'["tench", "goldfish"]', "is JSON; expected names of classes, one a line"),
        (b"<!DOCTYPE html>\n<p>tench</p>\n", r"is a web page \(HTML\)"),
        (b"version https://git-lfs.github.com/spec/v1\noid x\n", "is a Git LFS pointer"),
        (b"a\n" * 500_001, "has more than the 1,000,000 bytes that labels may have"),
        (b"a\n" + b"b" * 1001, "line 2: a label of 1,001 characters"),
    ],
)
def test_labels_that_are_none_raise(tmp_path, content, said):
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=rf"labels\.txt.*{said}"):
        read_labels(path)


def test_weights_for_fewer_classes_raise_before_a_model_is_made(weights, monkeypatch):
    """A last layer of a million classes takes gigabytes."""
    monkeypatch.setattr(classify, "imagenet_net", None)
    with pytest.raises(StateDictError, match=r"with 500000 classes: fc\.weight is for 8$"):
        Classifier("resnet18", weights, ["a"] * 500_000)


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_tensors_beside_the_model_are_left_out_and_said(weights, tmp_path, prefix):
    state = {f"{prefix}{name}": array for name, array in ThinNet(8).state_dict().items()}
    path = tmp_path / "w.safetensors"
    write_tensors(path, {**state, "criterion.weight": np.ones(8, np.float32)})
    (notice,) = Classifier("resnet18", path, NAMES, 32).notices
    assert "'criterion.weight'" in notice
    assert Classifier("resnet18", weights, NAMES, 32).notices == ()


def test_more_tensors_within_a_layer_are_another_model(tmp_path):
    """Else ResNet-34 would pass for ResNet-18: it has all of its tensors, and more."""
    state = ThinNet(8).state_dict()
    path = tmp_path / "w.safetensors"
    write_tensors(path, {**state, "layer1.2.conv1.weight": state["layer1.0.conv1.weight"]})
    with pytest.raises(StateDictError, match=r"layer1\.2\.conv1\.weight is not in the model"):
        Classifier("resnet18", path, NAMES, 32)


def test_a_folder_stands_for_all_its_files(tmp_path):
    class_folders(tmp_path / "p", n=2)
    one = tmp_path / "p" / "red" / "1.png"
    assert [str(p.relative_to(tmp_path)) for p in image_files([one, tmp_path / "p"])] == [
        "p/red/1.png",
        *(f"p/{name}/{i}.png" for name in ("blue", "green", "red") for i in range(2)),
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"there is no image in .*empty"):
        image_files([tmp_path / "empty"])
    with pytest.raises(UsageError, match=r"there is no image .*none"):
        image_files([tmp_path / "none"])
