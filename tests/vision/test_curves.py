import pytest

from minires.train import Row
from minires.vision.finetune.curves import curves_figure

ROWS = [Row(0, "resnet18", 9 * e, float(e), 0.1, 1 / e, 50 / e, 60 - 5 * e, 1.0) for e in (1, 2, 3)]


def test_loss_is_left_and_accuracies_are_right(figures):
    assert curves_figure(ROWS, ROWS[2], "resnet18", "images", dpi=50).startswith(b"\x89PNG")
    left, right = figures[0].axes
    assert left.get_lines()[0].get_ydata() == pytest.approx([1, 1 / 2, 1 / 3])
    training, validation, best = right.get_lines()
    assert training.get_ydata() == pytest.approx([50, 75, 100 - 50 / 3])
    assert validation.get_ydata() == pytest.approx([45, 50, 55])
    assert validation.get_xdata() == pytest.approx([1, 2, 3])
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (3, 55)
    assert best.get_label() == "best: 55.0 %, epoch 3"
    assert {training.get_linestyle(), validation.get_linestyle()} == {"--", "-"}


def test_axes_are_named_with_their_units(figures):
    curves_figure(ROWS[:1], ROWS[0], "resnet18", "images", dpi=50)
    left, right = figures[0].axes
    assert (left.get_xlabel(), right.get_xlabel()) == ("epoch", "epoch")
    assert left.get_ylabel() == "loss (cross-entropy, nats)"
    assert right.get_ylabel() == "accuracy (%)"
    assert right.get_lines()[0].get_marker() == "o"  # one point makes no line


def test_a_folder_that_no_font_can_name_is_called_images(figures):
    curves_figure(ROWS, ROWS[0], "resnet18", "\U00012000", dpi=50)
    assert figures[0].get_suptitle() in ("resnet18 on images", "resnet18 on \U00012000")
