"""A training step on several ranks gives what it gives on one, and says what goes wrong."""

import json
from pathlib import Path

import pytest
from launching import finish, needs_mpi, start

import minires

PROGRAM = Path(__file__).with_name("program.py")


@pytest.fixture(scope="module", params=[2, 3])
def found(request):
    code, output, errors = finish(start(request.param, PROGRAM))
    assert code == 0, errors
    return json.loads(output)


pytestmark = needs_mpi


@pytest.mark.parametrize(
    "how",
    ["sync", "small buckets", "checkpointed", "a layer twice", "one of two checkpointed"],
)
def test_many_ranks_give_what_one_gives_with_the_whole_batch(found, how):
    assert found[how] < 1e-12


def test_all_ranks_find_the_same(found):
    assert found["alike"]


def test_running_statistics_are_the_mean_over_the_ranks(found):
    assert found["running means"] < 1e-12


def test_buckets_leave_while_backward_runs_those_of_the_last_layers_first(found):
    steps = found["departures"]  # for how many steps each bucket had left
    assert len(steps) > 3
    assert steps[-1] == 0  # it holds the first layer, whose gradient comes last
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > 15


def test_weights_that_differ_in_a_bit_are_seen(found):
    assert "RunError: the weights of rank 1 are no longer those of rank 0" in found["spoiled"]


def test_sums_are_not_summed_again(found):
    assert "UsageError: there are gradients already; call zero_grad()" in found["twice"]


def test_ranks_with_other_nets_or_options_are_named(found):
    assert "weight = float32 (3, 3), but rank 0 has float32 (2, 3)" in found["other nets"]
    assert "weight = float32 (16, 3, 3, 3), but rank 0 has float64" in found["other kinds"]
    assert "rank 1 has lr = 1.1, but rank 0 has 0.1;" in found["other rates"]
    assert "rank 1 has bucket_bytes = 10, but rank 0 has 9;" in found["other buckets"]
    assert "rank 1 has batch = 33, but rank 0 has 32" in found["other"]
    assert found["same"] is None


def test_one_rank_can_speak_for_all(found):
    assert found["any"] == [True, False]
    assert found["in turn"] == list(range(found["size"]))


def test_ranks_on_one_machine_share_its_cpus(found):
    assert found["threads"] == max(1, minires.get_num_threads() // found["size"])
    assert set(found["BLAS threads"]) == {found["threads"]}


def test_pips_mpi_sums_arrays_in_host_memory(found):
    assert not found["gpu arrays"]
