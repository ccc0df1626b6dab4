"""The report of a landscape run: its table, and what it must say of each run."""

import numpy as np

from minires.data import digits
from minires.experiments.landscape import LandscapeConfig
from minires.experiments.landscape.report import caption, summary, title
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
    bowl = "| resnet56 | 852,730 | 0.1 | 2.0 % | 0.1 | 2.1 | 1.35 | 13.5 | 0.00 % | 0.0 % |"
    assert bowl in t
    waves = next(line for line in t.splitlines() if line.startswith("| plain56"))
    assert waves.startswith("| plain56 (hardly trained) | 852,730 | 2.3 | 81.2 % |")
    heads, rule = t.splitlines()[t.splitlines().index(waves) - 2 :][:2]
    assert heads.count("|") == rule.count("|") == waves.count("|")


def test_a_net_without_a_loss_has_an_edge_infinitely_as_high():
    assert "| 1.25 | inf |" in text(resnet56=surface(A**2 + B**2))


def test_a_net_that_hardly_trained_is_said_to():
    assert "ln 10 = 2.3" in text(plain56=WAVES)
    assert title("plain56", WAVES) == "plain56: loss 2.3, error 81.2 % at ×, hardly trained"
    assert title("resnet56", BOWL) == "resnet56: loss 0.1, error 2.0 % at ×"


def test_a_run_that_is_not_finished_says_so():
    assert "not finished: resnet56 is still to come" in text(plain56=WAVES)
    assert "not finished" not in text(plain56=WAVES, resnet56=BOWL)


def test_what_a_plane_does_not_show_is_said():
    t = text(plain56=WAVES, resnet56=BOWL)
    assert "two random directions of as many as there are parameters" in t
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
