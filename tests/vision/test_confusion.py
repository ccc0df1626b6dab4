import numpy as np
import pytest

from minires.vision.finetune.confusion import confusion_figure

MATRIX = np.array([[8, 2, 0], [0, 0, 0], [1, 1, 2]])


def test_shades_are_shares_of_the_row_and_numbers_are_counts(figures):
    assert confusion_figure(MATRIX, ["a", "b", "c"], dpi=50).startswith(b"\x89PNG")
    shares = figures[0].axes[0].images[0].get_array()
    assert shares.filled(-1).tolist() == [[80, 20, 0], [-1, -1, -1], [25, 25, 50]]
    numbers = {
        (t.get_position()[1], t.get_position()[0]): t.get_text() for t in figures[0].axes[0].texts
    }
    assert numbers == {(0, 0): "8", (0, 1): "2", (2, 0): "1", (2, 1): "1", (2, 2): "2"}


def test_rows_are_classes_and_columns_are_predicted_classes(figures):
    confusion_figure(MATRIX, ["a", "b", "c"], dpi=50)
    assert figures[0].axes[0].get_ylabel() == "class"
    assert figures[0].axes[0].get_xlabel() == "predicted class"
    for labels in (figures[0].axes[0].get_xticklabels(), figures[0].axes[0].get_yticklabels()):
        assert [label.get_text() for label in labels] == ["a", "b", "c"]
    assert figures[0].axes[0].yaxis_inverted()


def test_more_grows_darker_in_grey_too(figures):
    confusion_figure(MATRIX, ["a", "b", "c"], dpi=50)
    grey = figures[0].axes[0].images[0].cmap(np.linspace(0, 1, 20))[:, :3] @ [0.299, 0.587, 0.114]
    assert (np.diff(grey) < 0).all()


@pytest.mark.parametrize("classes", [40, 150])
def test_many_classes_have_no_numbers_and_very_many_no_names(figures, classes):
    names = [f"class {i}" for i in range(classes)]
    confusion_figure(np.eye(classes, dtype=int), names, dpi=30)
    assert not figures[0].axes[0].texts
    assert (figures[0].axes[0].get_yticklabels()[0].get_text() == "class 0") == (classes == 40)


def test_names_that_mean_something_to_matplotlib_or_to_no_font_are_drawn(figures):
    confusion_figure(MATRIX, ["$x_1$", "\U00012000", "a\nb"], dpi=50)  # one in cuneiform
    first, second, third = (label.get_text() for label in figures[0].axes[0].get_yticklabels())
    assert first == "$x_1$"
    assert second in ("no. 1", "\U00012000")
    assert third == "a b"
