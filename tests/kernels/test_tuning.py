"""The table of tuning constants."""

import pytest

from minires.kernels.cpu.tuning import changed, tuning


def test_changes_end_with_the_context_and_a_wrong_name_changes_nothing():
    before = tuning.tile
    with changed(tile=5):
        assert tuning.tile == 5
    assert tuning.tile == before
    with pytest.raises(AttributeError, match="no tuning constant 'nope'"), changed(tile=5, nope=1):
        pass
    assert tuning.tile == before
