// The gradient of a convolution's weights; see conv.cu for how the maps lie.
//
// gW[r, k] = Σ_q gy[r, q] x_k[q], where k = (u · kw + v) · channels + c is a place of the kernel and
// a channel, and x_k[q] the pixel that it meets there.
//
// The sum is over all pixels of all images, far longer than gW is large. So it is split: block z
// sums a part of the columns, and `add_parts` (parts.cu) adds the parts up.

#include "geometry.cuh"
#include "sums.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
weight_gradient(const float *__restrict__ x, const float *__restrict__ gy,
                float *__restrict__ parts, Maps m, int rows, int columns_a_part) {
    // Here BQ counts places and channels, and BK columns.
    __shared__ __align__(16) float gs[BK][BR + PAD];
    __shared__ __align__(16) float xs[BK][BQ + PAD];
    __shared__ int down[BQ], right[BQ];  // from the first pixel under the window to that of k
    __shared__ size_t from_x[BQ];        // where that is, for the window at pixel (0, 0)
    const int columns = m.Ho * m.Wo * m.N, depth = m.channels * m.kh * m.kw;
    const int first_row = blockIdx.y * BR, first_k = blockIdx.x * BQ, thread = threadIdx.x;
    const int begin = blockIdx.z * columns_a_part, end = min(begin + columns_a_part, columns);
    Sums sums;

    for (int e = thread; e < BQ; e += THREADS) {
        const int k = first_k + e, c = k % m.channels, uv = k / m.channels;
        const int u = uv / m.kw, v = uv % m.kw;
        down[e] = k < depth ? u : m.H - m.first_h;  // or below the maps, whatever the window
        right[e] = v;
        from_x[e] = ((size_t)(c * m.H + u) * m.W + v) * m.N;
    }
    __syncthreads();

    for (int q0 = begin; q0 < end; q0 += BK) {
        const int loaded = thread % BK, q = q0 + loaded;
        const int n = q % m.N, window = q / m.N;
        const int top = window / m.Wo * m.stride_h + m.first_h;
        const int left = window % m.Wo * m.stride_w + m.first_w;
        const ptrdiff_t from_window = ((ptrdiff_t)top * m.W + left) * m.N + n;
        for (int r = thread / BK; r < BR; r += THREADS / BK)
            gs[loaded][r] = q < end && first_row + r < rows
                                ? gy[(size_t)(first_row + r) * columns + q] : 0.f;
        for (int e = thread / BK; e < BQ; e += THREADS / BK) {
            const int h = top + down[e], l = left + right[e];
            const bool inside = q < end && h >= 0 && h < m.H && l >= 0 && l < m.W;
            xs[loaded][e] = inside ? x[from_window + from_x[e]] : 0.f;
        }
        __syncthreads();
        sums.add(gs, xs);
        __syncthreads();
    }

    for (int r = 0; r < Sums::ROWS; r++)
        for (int p = 0; p < Sums::COLUMNS; p++) {
            const int row = first_row + Sums::row(r), k = first_k + Sums::column(p);
            if (row < rows && k < depth)
                parts[((size_t)blockIdx.z * rows + row) * depth + k] = sums.at(r, p);
        }
}
