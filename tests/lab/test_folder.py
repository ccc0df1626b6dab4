"""A folder of images as data: found as elsewhere, bounded, and one sentence if it cannot be."""

import json
import threading

import numpy as np
import pytest

from minires.errors import DataError, UsageError
from minires.lab import Session, folder
from minires.lab.folder import folder_dataset
from minires.lab.opening import open_lab
from minires.lab.process import TrainingProcess
from minires.lab.saving import script
from minires.lab.worker import load_dataset

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def colours(tmp_path):
    """Ten images of each of two classes: red ones and blue ones."""
    for name, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200))):
        (tmp_path / "colours" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (50, 40), colour).save(tmp_path / "colours" / name / f"{number}.png")
    return tmp_path / "colours"


def test_it_is_a_dataset_of_small_images_in_a_mixed_order(colours):
    dataset = folder_dataset(colours)
    assert dataset.name == "colours"
    assert dataset.classes == ("blue", "red")
    assert dataset.train_images.shape == (16, 3, 32, 32)
    assert dataset.test_images.shape == (4, 3, 32, 32)
    blue = dataset.train_images[:, 2, 0, 0] == 200
    assert np.array_equal(dataset.train_labels, np.where(blue, 0, 1))
    assert len(set(dataset.train_labels[:8])) == 2
    assert folder_dataset(colours).digest == dataset.digest


def test_too_many_images_or_classes_are_not_read(colours, monkeypatch):
    monkeypatch.setattr(folder, "MOST", 19)
    with pytest.raises(UsageError, match=r"16 training and 4 .* takes 19 images, 20 classes"):
        folder_dataset(colours)
    monkeypatch.undo()
    monkeypatch.setattr(folder, "CLASSES", 1)
    with pytest.raises(UsageError, match="images, 1 classes at most"):
        folder_dataset(colours)


def test_what_is_no_image_is_named(colours):
    (colours / "red" / "3.png").write_text("text")
    with pytest.raises(DataError, match=r"3\.png"):
        folder_dataset(colours)


def test_the_training_process_trains_on_the_folder_of_the_command(colours):
    training = TrainingProcess("net=plain8,resnet8&batch=8", None, colours)
    news = threading.Event()
    training.on_message(0, news.set)
    training.command('{"do": "image", "number": 39}')  # of digits, and the folder has fewer
    training.command('{"do": "open", "address": "dataset=folder&net=plain8,resnet8&batch=8"}')
    while '"number":2' not in training.latest["L"][1]:
        assert news.wait(60)
        news.clear()
    training.close()
    assert json.loads(training.latest["L"][1][1:])["image"] == 3
    scene = json.loads(training.latest["S"][1][1:])
    assert scene["data"] == "colours"
    assert scene["classes"] == ["blue", "red"]
    assert json.loads(training.latest["F"][1][1:])["address"].endswith("dataset=folder&batch=8")


def test_without_the_command_there_is_no_folder():
    with pytest.raises(UsageError, match="dataset=folder needs minires lab --folder"):
        load_dataset("folder", None, None)


def test_a_folder_that_cannot_be_used_ends_the_command(tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        open_lab(folder=tmp_path / "none")


def test_the_first_session_is_on_the_folder(colours, monkeypatch):
    asked = []
    monkeypatch.setattr("minires.lab.opening.Served", lambda *arguments: asked.append(arguments))
    open_lab(folder=colours)
    open_lab("net=plain8", folder=colours)
    assert [address for address, *_ in asked] == ["dataset=folder", "net=plain8"]
    assert all(given[3] == colours for given in asked)


def test_the_script_takes_the_folder(colours, monkeypatch):
    session = Session.open(
        "dataset=folder&net=plain8,resnet8&batch=8", lambda name: folder_dataset(colours)
    )
    for _ in session.run():
        break
    monkeypatch.setattr("sys.argv", ["session.py", str(colours)])
    names = {}
    exec(script(session), names)
    assert [t.curve for t in names["session"].trainings] == [t.curve for t in session.trainings]
