// The gradient of a convolution's weights; see conv.cu for how the maps lie.
//
// gW[r, k] = Σ_q gy[r, q] x_k[q], where k = (u · kw + v) · channels + c is a tap of the kernel and
// a channel, and x_k[q] the pixel under it.
//
// The sum is over all pixels of all images, far longer than gW is large. So it is split: block z
// sums a part of the columns, and `add_parts` (parts.cu) adds the parts up.

#include "geometry.cuh"
#include "relu.cuh"
#include "sums.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
weight_gradient(const float *__restrict__ x, const float *__restrict__ scale,
                const float *__restrict__ shift, const float *__restrict__ gy,
                float *__restrict__ parts, Maps m, int rows, int columns_a_part) {
    // Here BQ counts taps and channels, and BK columns.
    __shared__ __align__(16) float gs[BR][BK + LONG_PAD];
    __shared__ __align__(16) float xs[BQ][BK + LONG_PAD];
    // From the first pixel under a window to that of k: down and right; and where that pixel is in
    // x, for the window at pixel (0, 0).
    __shared__ __align__(16) int4 taps[BQ];
    __shared__ float2 factors[RELU ? BQ : 1];  // scale and shift of k's channel
    const int columns = m.Ho * m.Wo * m.N, depth = m.channels * m.kh * m.kw;
    const int first_row = blockIdx.y * BR, first_k = blockIdx.x * BQ, thread = threadIdx.x;
    const int begin = blockIdx.z * columns_a_part, end = min(begin + columns_a_part, columns);

    for (int e = thread; e < BQ; e += THREADS) {
        const int k = first_k + e, c = k % m.channels, uv = k / m.channels;
        const int u = uv / m.kw, v = uv % m.kw;
        const int down = k < depth ? u : m.H - m.first_h;  // or below the maps, whatever the window
        taps[e] = make_int4(down, v, ((c * m.H + u) * m.W + v) * m.N, 0);
        if (RELU) factors[e] = make_float2(scale[c], shift[c]);
    }
    __syncthreads();

    // What a thread loads for a step: one column, every APART-th row and every APART-th k.
    constexpr int APART = THREADS / BK, GRADIENTS = BR / APART, PIXELS = BQ / APART;
    const int loaded = thread % BK, first = thread / BK;
    float gradients[GRADIENTS], pixels[PIXELS];
    int q = begin + loaded, n = q % m.N, j = q / m.N % m.Wo, i = q / m.N / m.Wo;
    const auto load = [&]() {
        const int top = i * m.stride_h + m.first_h, left = j * m.stride_w + m.first_w;
        const float *from_window = x + ((ptrdiff_t)top * m.W + left) * m.N + n;
#pragma unroll
        for (int e = 0; e < GRADIENTS; e++) {
            const int row = first_row + first + e * APART;
            gradients[e] = q < end && row < rows ? gy[(size_t)row * columns + q] : 0.f;
        }
#pragma unroll
        for (int e = 0; e < PIXELS; e++) {
            const int4 tap = taps[first + e * APART];
            const unsigned h = top + tap.x, l = left + tap.y;  // left of the maps: a large number
            const bool inside = q < end && h < m.H && l < m.W;
            pixels[e] = inside ? from_window[tap.z] : RELU ? __int_as_float(OUTSIDE) : 0.f;
        }
        for (q += BK, n += BK; n >= m.N; n -= m.N)
            if (++j == m.Wo) j = 0, i++;
    };

    // A step is loaded into registers while the one before it is multiplied: memory is far away.
    Sums sums;
    load();
    for (int q0 = begin; q0 < end; q0 += BK) {
#pragma unroll
        for (int e = 0; e < GRADIENTS; e++) gs[first + e * APART][loaded] = gradients[e];
#pragma unroll
        for (int e = 0; e < PIXELS; e++) {
            float pixel = pixels[e];
            if (RELU) {
                const float2 by = factors[first + e * APART];
                const bool inside = __float_as_int(pixel) != OUTSIDE;
                pixel = inside ? relu(fmaf(by.x, pixel, by.y)) : 0.f;
            }
            xs[first + e * APART][loaded] = pixel;
        }
        __syncthreads();
        if (q0 + BK < end) load();
        sums.add_long(gs, xs);
        __syncthreads();
    }

    for (int r = 0; r < Sums::ROWS; r++)
        for (int p = 0; p < Sums::COLUMNS; p++) {
            const int row = first_row + Sums::row(r), k = first_k + Sums::column(p);
            if (row < rows && k < depth)
                parts[((size_t)blockIdx.z * rows + row) * depth + k] = sums.at(r, p);
        }
}
