"""Which pixels lie under the taps of a kernel, along one dimension of an image."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """Windows of `taps` taps, `stride` apart, along one dimension of `size` pixels.

    Tap v of window j lies on pixel first + stride·j + v, or on padding where there is no such
    pixel; there are `out` windows. The stride phase of a pixel is its position modulo the stride.
    """

    taps: int
    stride: int
    first: int
    size: int
    out: int

    def valid_range(self, v: int) -> tuple[int, int]:
        """Return the windows [a, b) whose tap v lies on a pixel."""
        a = max(0, -((self.first + v) // self.stride))
        b = min(self.out, (self.size - 1 - self.first - v) // self.stride + 1)
        return a, max(a, b)

    def valid_slices(self, v: int) -> tuple[slice, slice]:
        """Return the windows whose tap v lies on a pixel, and these pixels."""
        a, b = self.valid_range(v)
        if a == b:
            return slice(0), slice(0)
        start = self.first + self.stride * a + v
        return slice(a, b), slice(start, start + self.stride * (b - a), self.stride)

    def valid_taps(self, j: int) -> tuple[int, int]:
        """Return the taps [u0, u1) of window j that lie on pixels."""
        start = self.first + self.stride * j
        u0 = min(max(0, -start), self.taps)
        return u0, max(u0, min(self.taps, self.size - start))

    def transposed(self, phase: int) -> "tuple[slice, Axis]":
        """Return what gathers the gradient of the pixels of one stride phase.

        Returns:
            The taps over these pixels, the last one first, and the axis along which windows of so
            many taps go over the gradients of this axis' windows.
        """
        shift, least = divmod(phase - self.first, self.stride)
        lying = range(least, self.taps, self.stride)
        pixels = len(range(phase, self.size, self.stride))
        before = least - self.stride  # where a slice going down must stop; -1 would be the end
        stop = before if before >= 0 else None
        taps = slice(lying[-1], stop, -self.stride) if lying else slice(0)
        return taps, Axis(len(lying), 1, shift - len(lying) + 1, self.out, pixels)


def axes(
    image: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> tuple[Axis, Axis]:
    """Return the vertical and the horizontal axis of windows on (N, C, H, W) images."""
    # A stride beyond the padded image is as good as one of its size, and has no more phases.
    down, across = (
        Axis(k, min(s, size + 2 * p), -p, size, (size + 2 * p - k) // s + 1)
        for size, k, s, p in zip(image[2:], kernel, stride, padding, strict=True)
    )
    return down, across
