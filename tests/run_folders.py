"""Two run folders, compared."""

import json
from dataclasses import replace

from minires.runs import read_history


def same(out, unbroken):
    """Both have the same history, except for the seconds, and the same weights, to the bit."""
    ours, theirs = (
        [replace(row, seconds=0) for row in read_history(folder / "history.csv")]
        for folder in (out, unbroken)
    )
    assert ours == theirs
    ours, theirs = (
        {path.name: path.read_bytes() for path in (folder / "weights").iterdir()}
        for folder in (out, unbroken)
    )
    assert ours == theirs
    config = json.loads((unbroken / "config.json").read_text())
    assert len(ours) == len(config["nets"]) * len(config["seeds"])
