"""The part of a convolution's result that a block of threads computes, by its output channels.

Chosen on paper, see benchmarks/gpu_on_paper.py; not measured on a GPU yet.
"""

from typing import NamedTuple


class Tile(NamedTuple):
    """What a block of threads computes at a time, BR x BQ in steps of BK, and each thread TR x TQ.

    On tensor cores a warp of 32 threads makes up to 32 x 32 of them, in steps of at least 8.
    """

    BR: int
    BQ: int
    BK: int
    TR: int
    TQ: int

    def settings(self, tf32: bool) -> dict[str, int]:
        """How a kernel with this tile is compiled and launched."""
        if tf32:
            warps = self.BR // min(self.BR, 32) * (self.BQ // 32)
            return {
                "threads": 32 * warps,
                "TF32": 1,
                "BR": self.BR,
                "BQ": self.BQ,
                "BK": max(8, self.BK),
            }
        threads = self.BR // self.TR * (self.BQ // self.TQ)
        return {"threads": threads, **self._asdict()}


def correlation_tile(O: int, C: int) -> Tile:
    """The tile for O rows, made of C channels each.

    Many rows come with few pixels as a rule, and narrow tiles then make more blocks.
    """
    step = 4 if C <= 4 else 16
    if O <= 16:
        return Tile(BR=16, BQ=128, BK=step, TR=8, TQ=2)
    if O <= 32:
        return Tile(BR=32, BQ=128, BK=step, TR=8, TQ=4)
    return Tile(BR=64, BQ=64, BK=step, TR=8, TQ=4)


def gradient_tile(O: int) -> Tile:
    """The tile for the weight gradient of O rows; BQ counts taps of the kernel and channels."""
    if O <= 16:
        return Tile(BR=16, BQ=64, BK=16, TR=4, TQ=4)
    if O <= 32:
        return Tile(BR=32, BQ=64, BK=16, TR=4, TQ=4)
    return Tile(BR=64, BQ=64, BK=16, TR=8, TQ=4)
