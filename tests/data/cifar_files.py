"""CIFAR-10's file layout with images made up for the tests."""

import numpy as np

from minires.data.cifar10 import FOLDER

NAMES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


def write_cifar10(parent):
    """Six files of 10,000 records each; returns the folder and the records by file."""
    folder = parent / FOLDER
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    records = {}
    for name in NAMES:
        block = rng.integers(0, 256, (10_000, 3073), dtype=np.uint8)
        block[:, 0] = rng.integers(0, 10, 10_000)
        (folder / name).write_bytes(block.tobytes())
        records[name] = block
    return folder, records
