from dataclasses import replace

import pytest

from minires.data import digits
from minires.optim import ErrorWarmup
from minires.train import paper_recipe, quick_recipe


def test_the_paper_recipe_is_the_papers():
    recipe = paper_recipe(digits())
    assert (recipe.batch_size, recipe.lr, recipe.iterations) == (128, 0.1, 64_000)
    assert (recipe.momentum, recipe.weight_decay) == (0.9, 1e-4)
    schedule = recipe.schedule(56)
    assert [schedule(i) for i in (0, 31_999, 32_000, 47_999, 48_000, 63_999)] == pytest.approx(
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    )


def test_added_iterations_have_the_last_rate():
    recipe = paper_recipe(digits())
    longer = replace(recipe, iterations=100_000, added=36_000)
    first, then = recipe.schedule(56), longer.schedule(56)
    assert all(then(i) == first(i) for i in (0, 31_999, 32_000, 47_999, 48_000, 63_999))
    assert then(99_999) == pytest.approx(0.001)


def test_110_layers_start_at_a_tenth_of_the_rate():
    schedule = paper_recipe(digits()).schedule(110)
    assert isinstance(schedule, ErrorWarmup)
    assert schedule(0) == pytest.approx(0.01)
    for _ in range(100):
        schedule.observe(79.0)
    assert schedule(100) == pytest.approx(0.1)


def test_epochs_are_counted_in_whole_passes():
    assert quick_recipe(digits(), epochs=3).iterations == 3 * 45  # 1,437 images, 32 a batch
    assert paper_recipe(digits(), epochs=2).iterations == 2 * 12


def test_epochs_are_as_long_as_the_batch_makes_them():
    recipe = quick_recipe(digits(), epochs=3, batch_size=100)
    assert (recipe.batch_size, recipe.iterations) == (100, 3 * 15)
    recipe = paper_recipe(digits(), batch_size=100)
    assert (recipe.batch_size, recipe.iterations) == (100, 64_000)


@pytest.mark.parametrize("depth", [20, 110])
def test_with_a_warm_up_the_rate_rises_first(depth):
    schedule = replace(paper_recipe(digits()), warmup=4).schedule(depth)
    assert [schedule(i) for i in (0, 1, 3, 4)] == pytest.approx([0.025, 0.05, 0.1, 0.1])
    assert schedule(32_000) == pytest.approx(0.01)
