"""The errors of nets compared, and the report: its tables, and what it must say of each run."""

import math
from dataclasses import replace

import pytest

from minires.data import digits
from minires.experiments.degradation import Config
from minires.experiments.degradation.comparison import compare, finding, latest
from minires.experiments.degradation.published import curve
from minires.experiments.degradation.report import summary
from minires.models import NetSpec
from minires.train import Recipe, Row

DATA = digits()
RECIPE = Recipe(batch_size=32, lr=0.01, iterations=540)
PAPERS = Config(dataset="cifar10", schedule="paper", nets=("plain20",))


def row(net, train, test=6, iteration=540, seed=0):
    return Row(seed, net, iteration, iteration / 45, 0.01, 1.0, train, test, 60.0)


def text(errors, iteration=540, config=None):
    """The summary of nets with these (training, test) errors, one pair a seed."""
    rows = [
        row(net, train if i == iteration else 99, test, i, seed)
        for net, pairs in errors.items()
        for seed, (train, test) in enumerate(pairs)
        for i in (45, iteration)
    ]
    seeds = tuple(range(max(map(len, errors.values()))))
    config = config or Config(nets=tuple(errors), seeds=seeds)
    return summary(config, DATA, RECIPE, rows)


def line(text, start):
    """The cells of the one line of a table that starts so."""
    (found,) = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


# --- data ---------------------------------------------------------------------------------------


def compared(**errors):
    return compare(latest([row(net, error) for net, error in errors.items()]))


def test_the_deepest_net_of_a_kind_is_compared_with_the_shallowest():
    (found,) = compared(plain32=9, plain110=80, plain20=5)
    assert (found.net, found.reference) == (NetSpec("plain", 110), NetSpec("plain", 20))
    assert (found.error, found.reference_error) == (80, 5)
    assert (found.ratio, found.verdict, found.is_degradation) == (16, "higher", True)
    (found,) = compared(preact164=4, preact1001=14)
    assert (found.net.depth, found.reference.depth, found.verdict) == (1001, 164, "higher")
    assert not found.is_degradation, "degradation is that of plain nets"


def test_residual_nets_are_compared_with_plain_ones_of_their_depth():
    found = compared(plain56=80, resnet56=4, plain20=5, resnet20=7, preact56=1)
    pairs = [(str(c.net), str(c.reference), c.verdict) for c in found]
    assert pairs == [
        ("plain56", "plain20", "higher"),
        ("resnet56", "resnet20", "not higher"),
        ("resnet20", "plain20", "not lower"),
        ("resnet56", "plain56", "lower"),
    ]
    assert [c.is_degradation for c in found] == [True, False, False, False]
    assert compared(plain20=5, resnet56=4, preact110=1) == []


@pytest.mark.parametrize(
    ("error", "reference", "verdict"),
    [
        *((80, 50, "higher"), (60, 50, "higher"), (59, 50, "about the same")),
        *((50, 59, "not higher"), (50, 60, "not higher"), (0, 0, "not higher")),
        *((1, 0, "higher"), (0, 1, "not higher")),
    ],
)
def test_depths_that_differ_by_less_than_a_fifth_are_called_about_the_same(
    error, reference, verdict
):
    (found,) = compared(plain20=reference, plain56=error)
    assert found.verdict == verdict
    assert found.is_degradation == (verdict == "higher")


@pytest.mark.parametrize(
    ("residual", "plain", "verdict"),
    [(4.99, 5, "lower"), (5, 5, "not lower"), (80, 5, "not lower"), (0, 0, "not lower")],
)
def test_with_shortcuts_an_error_is_lower_or_not(residual, plain, verdict):
    (found,) = compared(plain20=plain, resnet20=residual)
    assert (found.verdict, found.is_degradation) == (verdict, False)


def test_a_perfect_reference_divides_nothing_by_zero():
    (found,) = compared(plain20=0, plain56=80)
    assert found.ratio == math.inf


def test_the_mean_over_seeds_is_compared():
    rows = [
        row("plain20", 99, iteration=45),
        row("plain20", 4),
        row("plain20", 6, seed=1),
        row("plain56", 9),
    ]
    (found,) = compare(latest(rows))
    assert (found.error, found.reference_error) == (9, 5)


@pytest.mark.parametrize(
    ("errors", "others", "close"),
    [
        *(([6], [5], True), ([9.9], [5], True), ([10], [5], False), ([5], [10], False)),
        *(([6, 7], [4, 5], False), ([5, 7], [4, 5], True), ([4, 9], [5, 6], True)),
    ],
)
def test_errors_are_close_where_other_seeds_could_turn_their_order_round(errors, others, close):
    nets = {"plain56": errors, "plain20": others}
    rows = [row(net, e, seed=seed) for net, of in nets.items() for seed, e in enumerate(of)]
    (found,) = compare(latest(rows))
    assert found.close == close


def test_what_was_found_is_a_sentence():
    assert finding(compared(plain20=6.82, plain56=80.93, resnet20=2.32, resnet56=2.62)) == (
        "Depth harms the plain nets (training error 6.8 % of plain20, 80.9 % of plain56), and it "
        "does not harm the residual nets (training error 2.3 % of resnet20, 2.6 % of resnet56)."
    )
    assert "hardly harms the plain nets" in finding(compared(plain20=5, plain56=8))
    assert finding(compared(plain20=5, resnet20=8)) == ""


# --- the report ---------------------------------------------------------------------------------


def test_degradation_is_named_where_it_was_seen_and_nowhere_else():
    t = text({"plain20": [(5, 6)], "plain56": [(80, 81)]})
    cells = ["plain56", "80.00 %", "plain20", "5.00 %", "16.00", "higher: degradation"]
    assert line(t, "plain56 | 80.00 %") == cells
    assert "It is not overfitting" in t
    for errors in ([(4, 5)], [(5.5, 5)]):
        assert ": degradation" not in text({"plain20": [(5, 6)], "plain56": errors})
    assert "It is not overfitting" not in text({"plain20": [(5, 6)]}), "nothing is compared"
    assert "\n\n\n" not in text({"plain20": [(5, 6)]})


def test_the_table_has_mean_and_standard_deviation_beside_the_paper():
    t = text({"plain20": [(4, 6), (6, 8)]})
    assert "| plain20 | 5.00 ± 1.41 | 7.00 ± 1.41 | 1.3 | 9.7 | 2.0 |" in t
    assert "| preact164 | 4.00 | 6.00 |  | 5.46 | 1.0 |" in text({"preact164": [(4, 6)]})


def test_a_net_that_is_still_training_is_compared_with_none():
    rows = [row("plain20", 5), row("plain56", 80, 81, iteration=45)]
    t = summary(Config(nets=("plain20", "plain56")), DATA, RECIPE, rows)
    assert "| plain56 (at iteration 45) | 80.00 | 81.00 |" in t
    assert "| against |" not in t
    assert "The run is not finished:" in t
    rows += [row("plain20", 99, 99, iteration=45, seed=1)]
    t = summary(Config(nets=("plain20", "plain56"), seeds=(0, 1)), DATA, RECIPE, rows)
    assert "| plain20 | 5.00 | 6.00 |" in t, "no mean with a seed that has begun"


def test_where_none_has_ended_they_are_compared_if_all_have_come_equally_far():
    errors = {"plain20": [(40, 6)], "plain56": [(70, 81)], "resnet20": [(30, 5)]}
    t = text(errors, iteration=90)
    assert "| net | training error, after 90 iterations | against |" in t
    assert line(t, "plain56 | 70.00 %")[-2:] == ["1.75", "higher"], "so far, no degradation"
    assert line(t, "resnet20 | 30.00 %")[-2:] == ["0.75", "lower"]
    assert "those after the latest epoch" in t
    rows = [row(f"plain{depth}", depth, iteration=depth) for depth in (20, 56)]
    t = summary(Config(nets=("plain20", "plain56")), DATA, RECIPE, rows)
    assert "| against |" not in t


def test_a_run_that_is_not_finished_says_so():
    unfinished = "The run is not finished:"
    assert unfinished in text({"plain20": [(5, 6)]}, iteration=90)
    assert unfinished in text({"plain20": [(5, 6)]}, config=Config(nets=("plain20", "plain56")))
    assert unfinished not in text({"plain20": [(5, 6)]})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"lr": 0.5}, False),
        ({"schedule": "paper"}, False),
        ({"batch": 64}, False),
        ({"validation": True}, False),
        ({}, True),
    ],
)
def test_how_the_rate_was_chosen_is_said_of_that_rate_alone(config, said):
    t = text({"plain20": [(5, 6)]}, config=Config(nets=("plain20",), **config))
    assert ("was chosen on a validation split" in t) == said
    assert ("training images that were held out" in t) == bool(config.get("validation"))


def test_settings_that_are_not_the_default_are_said():
    t = text({"plain20": [(5, 6)]}, config=Config(nets=("plain20",), batch=64, checkpoint_every=3))
    assert "backend numpy; activations checkpointed every 3 block(s)." in t
    tf32 = Config(nets=("plain20",), backend="cupy", tf32=True)
    assert "backend cupy in TF32." in text({"plain20": [(5, 6)]}, config=tf32)
    default = text({"plain20": [(5, 6)]})
    assert "TF32" not in default
    assert "checkpointed" not in default


def test_the_papers_task_is_said_to_be_done_at_its_end_alone():
    assert "its recipe and its length" in text({"plain20": [(5, 6)]}, config=PAPERS)
    t = text({"plain20": [(5, 6)]}, iteration=90, config=PAPERS)
    assert "its recipe and its length" not in t
    assert "this run has reached 90: the order of the nets can be seen early" in t
    t = text({"plain20": [(5, 6)]}, config=Config(dataset="cifar10"))
    assert "The paper trains for 64,000 iterations; this run has reached 540" in t


def test_what_digits_do_not_show_is_said():
    assert "not enough to see what depth is good for" in text({"plain20": [(5, 6)]})
    assert "depth is good for" not in text({"plain20": [(5, 6)]}, config=PAPERS)


def test_a_run_as_the_papers_is_set_beside_its_re_implementation():
    papers = replace(PAPERS, nets=("plain20", "resnet56"))
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


def test_the_report_begins_with_what_was_found_in_what_has_ended():
    t = text({"plain20": [(5, 6)], "plain56": [(80, 81)]})
    assert t.splitlines()[2].startswith("**Depth harms the plain nets (training error 5.0 % of")
    assert "**Depth" not in text({"plain20": [(5, 6)], "plain56": [(80, 81)]}, iteration=90)


def test_a_single_seed_is_said_to_be_one():
    said = "another one may well turn round an order"
    assert said in text({"plain20": [(5, 6)]})
    assert said not in text({"plain20": [(5, 6), (6, 7)]})
