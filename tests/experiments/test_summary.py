from dataclasses import replace

from minires.data import digits
from minires.experiments.degradation import Config
from minires.experiments.degradation.published import curve
from minires.experiments.degradation.summary import summary
from minires.train import Recipe, Row

DATA = digits()
RECIPE = Recipe(batch_size=32, lr=0.01, iterations=540)


def text(errors, iteration=540, config=None):
    """The summary of nets with these (training, test) errors, one pair a seed."""
    rows = [
        Row(seed, net, i, i / 45, 0.01, 1.0, train if i == iteration else 99, test, 60.0)
        for net, pairs in errors.items()
        for seed, (train, test) in enumerate(pairs)
        for i in (45, iteration)
    ]
    seeds = tuple(range(max(map(len, errors.values()))))
    config = config or Config(nets=tuple(errors), seeds=seeds)
    return summary(config, DATA, RECIPE, rows)


def test_degradation_is_said_where_it_was_seen():
    t = text({"plain20": [(5, 6)], "plain56": [(80, 81)]})
    assert "plain56 ends with a training error of 80.00 %, plain20 with 5.00 %" in t
    assert "16.0 times worse" in t
    assert "That is degradation" in t


def test_degradation_is_not_said_where_it_was_not_seen():
    better = text({"plain20": [(5, 6)], "plain56": [(4, 5)]})
    assert "no worse on the images it was trained on" in better
    assert "That is degradation" not in better
    close = text({"plain20": [(50, 6)], "plain56": [(55, 5)]})
    assert "too close" in close
    assert "That is degradation" not in close


def test_shortcuts_are_compared_at_the_same_depth():
    t = text({"plain56": [(80, 81)], "resnet56": [(4, 5)]})
    assert "the same 56 layers end at 4.00 % instead of 80.00 % training error: lower" in t
    worse = text({"plain20": [(4, 5)], "resnet20": [(6, 5)]})
    assert "6.00 % instead of 4.00 % training error: not lower" in worse


def test_a_perfect_shallow_net_divides_nothing_by_zero():
    assert "infinitely worse" in text({"plain20": [(0, 1)], "plain56": [(80, 81)]})


def test_the_table_has_mean_and_spread_beside_the_paper():
    t = text({"plain20": [(4, 6), (6, 8)]})
    assert "| plain20 | 5.00 ± 1.41 | 7.00 ± 1.41 | 1.3 | 9.7 | 2.0 |" in t


def test_pre_activation_nets_are_compared_by_depth_beside_their_paper():
    t = text({"preact164": [(4, 6)], "preact1001": [(14, 8)]})
    assert "| preact164 | 4.00 | 6.00 |  | 5.46 | 1.0 |" in t
    assert "the deeper pre-activation net is 10.00 points worse" in t
    assert "With shortcuts" not in t


def test_a_net_that_is_still_training_is_compared_with_none():
    rows = [
        Row(0, "plain20", 540, 12.0, 0.01, 1.0, 5, 6, 60.0),
        Row(0, "plain56", 45, 1.0, 0.01, 1.0, 80, 81, 60.0),
    ]
    t = summary(Config(nets=("plain20", "plain56")), DATA, RECIPE, rows)
    assert "| plain56 (at iteration 45) | 80.00 | 81.00 |" in t
    assert "That is degradation" not in t
    rows += [Row(1, "plain20", 45, 1.0, 0.01, 1.0, 99, 99, 60.0)]
    t = summary(Config(nets=("plain20", "plain56"), seeds=(0, 1)), DATA, RECIPE, rows)
    assert "| plain20 | 5.00 | 6.00 |" in t  # and no mean with a seed that has begun


def test_how_the_rate_was_chosen_is_said_of_that_rate_alone():
    assert "was chosen on a validation split" in text({"plain20": [(5, 6)]})
    for config in (Config(nets=("plain20",), lr=0.5), Config(nets=("plain20",), schedule="paper")):
        assert "was chosen on a validation split" not in text({"plain20": [(5, 6)]}, config=config)
    validated = Config(nets=("plain20",), validation=True)
    assert "training images that were held out" in text({"plain20": [(5, 6)]}, config=validated)


def test_another_batch_and_checkpoints_are_said():
    config = Config(nets=("plain20",), batch=64, checkpoint_every=3)
    t = text({"plain20": [(5, 6)]}, config=config)
    assert "backend numpy; activations checkpointed every 3 blocks." in t
    assert "was chosen on a validation split" not in t  # not with this batch
    assert "checkpointed" not in text({"plain20": [(5, 6)]})


def test_tf32_is_said():
    config = Config(nets=("plain20",), backend="cupy", tf32=True)
    assert "backend cupy in TF32." in text({"plain20": [(5, 6)]}, config=config)
    assert "TF32" not in text({"plain20": [(5, 6)]})


def test_a_run_in_pieces_is_said_to_be_unfinished():
    assert "not finished" in text({"plain20": [(5, 6)]}, iteration=90)
    assert "not finished" in text({"plain20": [(5, 6)]}, config=Config(nets=("plain20", "plain56")))
    assert "not finished" not in text({"plain20": [(5, 6)]})


def test_where_none_has_ended_they_are_compared_as_far_as_all_have_come():
    errors = {"plain20": [(40, 6)], "plain56": [(70, 81)], "resnet20": [(30, 5)]}
    t = text(errors, iteration=90)
    assert "this is about where its nets stand" in t
    assert (
        "plain56 stands after 90 iterations at a training error of 70.00 %, plain20 at 40.00 %: "
        "the deeper plain net is 1.8 times worse on the very images it was trained on, so far."
    ) in t
    assert "the same 20 layers stand at 30.00 % instead of 40.00 % training error: lower" in t
    assert "That is degradation" not in t
    assert "those after the latest epoch" in t
    rows = [Row(0, f"plain{depth}", depth, 1, 0.01, 1.0, depth, 6, 60.0) for depth in (20, 56)]
    t = summary(Config(nets=("plain20", "plain56")), DATA, RECIPE, rows)
    assert "about the trainings that are" in t
    assert "stands" not in t  # at different iterations


def test_the_papers_task_is_said_to_be_done_at_its_end_alone():
    papers = Config(dataset="cifar10", schedule="paper", nets=("plain20",))
    assert "its recipe and its length" in text({"plain20": [(5, 6)]}, config=papers)
    t = text({"plain20": [(5, 6)]}, iteration=90, config=papers)
    assert "its recipe, but not yet its length" in t


def test_what_digits_do_not_show_is_said():
    assert "not enough to see what depth is good for" in text({"plain20": [(5, 6)]})


def test_a_run_as_the_papers_is_set_beside_its_re_implementation():
    papers = Config(dataset="cifar10", schedule="paper", nets=("plain20", "resnet56"))
    rows = [
        Row(0, "plain20", 64_000, 64_000 / 391, 0.001, 1.0, 1, 2, 60.0),
        Row(0, "resnet56", 3 * 391, 3.0, 0.1, 1.0, 50, 60, 60.0),
    ]
    recipe = Recipe(batch_size=128, lr=0.1, iterations=64_000)
    t = summary(papers, DATA, recipe, rows)
    assert "| paper, test | re-implementation, training | re-implementation, test | minutes |" in t
    assert "| plain20 | 1.00 | 2.00 | 1.3 | 9.7 | 0.74 | 9.69 | 1.0 |" in t
    third = curve("resnet56")[2]
    errors = f"{third.train_error:g} | {third.test_error:g}"
    assert f"| resnet56 (at iteration 1,173) | 50.00 | 60.00 |  | 6.97 | {errors} | 1.0 |" in t
    assert "Those of a-martyn/resnet on GitHub, a re-implementation, are after as many epochs" in t
    for other in (replace(papers, epochs=3), replace(papers, lr=0.2), replace(papers, batch=64)):
        assert "re-implementation" not in summary(other, DATA, recipe, rows)


def test_a_short_run_on_cifar_says_that_it_was_short():
    t = text({"plain20": [(5, 6)]}, config=Config(dataset="cifar10"))
    assert "The paper trains for 64,000 iterations, this run for 540" in t
