"""The part of a convolution's result that a block of threads computes, by its output channels.

Chosen on paper, see benchmarks/gpu_on_paper.py; not measured on a GPU yet.
"""

from typing import NamedTuple

from .launch import blocks

BLOCKS = 512  # of 128 threads, at least, for any work: a few for each multiprocessor
_SLICED_STEP = 32  # 8 channels or more for each slice


class Tile(NamedTuple):
    """What a block of threads computes at a time, BR x BQ in steps of BK, and each thread TR x TQ.

    On tensor cores a warp of 32 threads makes up to 32 x 32 of them, in steps of at least 8. Each
    of SLICES groups of threads makes all of them, of its share of every step.
    """

    BR: int
    BQ: int
    BK: int
    TR: int
    TQ: int
    SLICES: int = 1

    def settings(self, tf32: bool) -> dict[str, int]:
        """How a kernel with this tile is compiled and launched."""
        if tf32:
            warps = self.BR // min(self.BR, 32) * (self.BQ // 32)
            return {
                "threads": 32 * warps * self.SLICES,
                "TF32": 1,
                "BR": self.BR,
                "BQ": self.BQ,
                "BK": max(8, self.BK),
                "SLICES": self.SLICES,
            }
        threads = self.BR // self.TR * (self.BQ // self.TQ) * self.SLICES
        return {"threads": threads, **self._asdict()}


def correlation_tile(O: int, C: int, columns: int) -> Tile:
    """The tile for O rows and so many columns, made of C channels each.

    Many rows come with few pixels as a rule, and narrow tiles then make more blocks.
    """
    step = 4 if C <= 4 else 16
    if O <= 16:
        tile = Tile(BR=16, BQ=128, BK=step, TR=8, TQ=2)
    elif O <= 32:
        tile = Tile(BR=32, BQ=128, BK=step, TR=8, TQ=4)
    else:
        tile = Tile(BR=64, BQ=64, BK=step, TR=8, TQ=4)
    return _sliced(tile, C, blocks(columns, tile.BQ) * blocks(O, tile.BR))


def gradient_tile(O: int) -> Tile:
    """The tile for the weight gradient of O rows; BQ counts taps of the kernel and channels."""
    if O <= 16:
        return Tile(BR=16, BQ=64, BK=16, TR=4, TQ=4)
    if O <= 32:
        return Tile(BR=32, BQ=64, BK=16, TR=4, TQ=4)
    return Tile(BR=64, BQ=64, BK=16, TR=8, TQ=4)


def _sliced(tile: Tile, C: int, tiles: int) -> Tile:
    """Return a tile with more threads if there are few tiles.

    At 64 channels on 8x8 and 128 images there are 128: 4 warps a multiprocessor, and with slices
    16, for 5 % more instructions. Tiles that a thread makes half of give 8, for 12 % more.
    """
    if C % _SLICED_STEP or tiles > BLOCKS // 2:
        return tile
    return tile._replace(BK=_SLICED_STEP, SLICES=2 if tiles > BLOCKS // 4 else 4)
