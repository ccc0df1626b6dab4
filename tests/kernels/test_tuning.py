"""The table of tuning constants."""

from dataclasses import asdict

import pytest

from minires import Tensor
from minires.errors import UsageError
from minires.kernels import registered
from minires.kernels.cpu.gemm import _blocks, _width
from minires.kernels.cpu.tuning import Tuning, changed, cpu_name, tuning


def test_changes_end_with_the_context_and_a_wrong_name_changes_nothing():
    before = tuning.tile
    with changed(tile=5):
        assert tuning.tile == 5
    assert tuning.tile == before
    with pytest.raises(AttributeError, match="no tuning constant 'nope'"), changed(tile=5, nope=1):
        pass
    assert tuning.tile == before


# (O, K, L) of residual nets, and whether the product and the transposed one are cut
XEON = {
    (16, 48, 4096): (True, True),
    (32, 96, 2048): (False, True),
    (64, 192, 1024): (False, False),
    (64, 576, 1024): (False, False),
}
EPYC = {(16, 48, 4096): (True, True), (32, 96, 2048): (True, True), (64, 192, 1024): (True, True)}


@pytest.mark.parametrize(
    ("name", "default", "expected"),
    [
        ("Intel(R) Xeon(R) Processor @ 2.60GHz", False, XEON),
        ("AMD EPYC 9R14", False, EPYC),
        ("Intel(R) Xeon(R) Processor @ 2.60GHz", True, EPYC),
    ],
)
def test_what_is_cut_depends_on_the_cpu(name, default, expected, tmp_path, monkeypatch):
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nmodel name\t: {name}\nflags\t\t: avx512f\n")
    monkeypatch.setattr("minires.kernels.cpu.tuning._CPU_INFO", info)
    monkeypatch.setattr("minires.kernels.cpu.tuning._IS_DEFAULT", default)
    assert cpu_name() == name
    with changed(**(asdict(Tuning()) | {"small_kernels": True})):
        for (O, K, L), (plain, transposed) in expected.items():
            assert (_width(O * K, L) < L) is plain
            assert (_blocks(O, K, L) != (O, K, 1)) is transposed


def test_the_default_table_is_that_of_no_machine(monkeypatch):
    monkeypatch.setattr("minires.kernels.cpu.tuning._IS_DEFAULT", True)
    assert Tuning().small_kernels


def test_a_table_that_there_is_not_gets_a_sentence_where_one_is_first_needed(monkeypatch):
    monkeypatch.setattr("minires.kernels.cpu.tuning._ASKED", "fastest")
    monkeypatch.setattr("minires.modes.Modes.textbook", False)
    registered.cache_clear()
    said = "MINIRES_TUNING=fastest in the environment: there is one table by name, default"
    with pytest.raises(UsageError, match=said):
        Tensor([1.0]) + 1
