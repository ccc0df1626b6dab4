import numpy as np

from minires.data import digits
from minires.experiments.landscape.config import LandscapeConfig
from minires.experiments.landscape.summary import caption, summary, title
from minires.experiments.landscape.surface import Surface, axis

DATA = digits()
STEPS = axis(5, 1.0)
A, B = np.meshgrid(STEPS, STEPS, indexing="ij")


def surface(losses, error=2.0):
    return Surface(STEPS, losses, np.full((5, 5), error))


BOWL = surface(0.1 + A**2 + B**2)
WAVES = surface(2.2 + 0.1 * np.cos(9 * A) * np.cos(9 * B), error=81.25)


def text(nets=("plain56", "resnet56"), **surfaces):
    return summary(LandscapeConfig(nets, points=5, images=64), DATA, surfaces)


def test_the_table_has_the_numbers_of_the_surfaces():
    t = text(plain56=WAVES, resnet56=BOWL)
    # edge of the bowl: twelve times 1.35 or 1.1 or 2.1; the waves from 2.3 down at the centre
    assert "| resnet56 | 0.1 | 2.0 % | 0.1 | 2.1 | 1.35 | 0.00 % | 0.0 % |" in t
    row = next(line for line in t.splitlines() if line.startswith("| plain56"))
    assert row.startswith("| plain56 | 2.3 | 81.2 % |")
    assert "81.2 % |" in row


def test_a_net_that_hardly_trained_is_said_to():
    t = text(plain56=WAVES, resnet56=BOWL)
    assert "plain56 has hardly trained: it is wrong about 81.2 % of the images" in t
    assert "ln 10 = 2.3" in t
    assert "resnet56 has hardly" not in t
    assert title("plain56", WAVES) == "plain56: loss 2.3, error 81.2 % at ×, hardly trained"
    assert title("resnet56", BOWL) == "resnet56: loss 0.1, error 2.0 % at ×"


def test_where_the_lowest_point_is_is_said():
    assert "no point of the map is lower" in text(resnet56=BOWL)
    beside = surface(0.1 + (A - 0.5) ** 2 + B**2)
    assert "the lowest point of the map, 0.1, is beside it" in text(resnet56=beside)


def test_the_same_depth_is_compared_both_ways():
    assert "smoother by both." in text(plain56=WAVES, resnet56=BOWL)
    assert "no smoother." in text(plain56=BOWL, resnet56=WAVES)
    funnel = surface(0.1 + np.sqrt(np.hypot(A, B)))  # up everywhere, and bent down
    assert "smoother by one of the two." in text(plain56=WAVES, resnet56=funnel)
    assert "With shortcuts" not in text(nets=("plain20", "resnet56"), plain20=WAVES, resnet56=BOWL)


def test_a_run_in_pieces_is_said_to_be_unfinished():
    assert "not finished: resnet56 is still to come" in text(plain56=WAVES)
    assert "not finished" not in text(plain56=WAVES, resnet56=BOWL)


def test_what_a_plane_does_not_show_is_said():
    t = text(plain56=WAVES, resnet56=BOWL)
    assert "plain56 has 852,730 weights, resnet56 has 852,730 weights" in t
    assert "narrower than the 0.5 between two points" in t
    assert "64 images are not all images" in t


def test_batch_norm_and_the_batch_are_said():
    t = text(plain56=WAVES)
    assert "64 of the 1,437 training images" in t
    assert "Batch norm uses the statistics of the images at every point" in t


def test_the_caption_is_one_sentence_with_its_source():
    words = caption(LandscapeConfig(images=64), DATA)
    assert "64 training images of digits" in words
    assert words.endswith("(Li et al. 2018, arXiv 1712.09913, section 4).")
    assert ". " not in words.replace("et al. ", "")
