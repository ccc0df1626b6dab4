// Convolution as a matrix product whose second factor is never made (implicit im2col).
//
// Maps lie as (channels, height, width, batch). A column of the product is a pixel of the result
// and an image, q = (i · Wo + j) · N + n, so that 32 threads next to each other read 32 images at
// the same pixel: one run of memory. A row is a channel of the result.
//
//     y[r, q] = Σ_{u,v} Σ_c w[r, c, u, v] x[c, i·stride + first + u, j·stride + first + v, n]
//
// with 0 for x outside of the maps. For one tap (u, v) of the kernel a column is one pixel of all
// channels, so whether it lies on the maps, and where, is asked once a tap and not for each number.
//
// A block of threads makes BR x BQ numbers of y. It loads BK channels of both factors into shared
// memory at a time and multiplies them: each thread for the sums that are its own (`Sums`).
//
// The gradient of x is this very product, with gy for x and the kernel turned round. What that
// changes is where a weight lies (its strides may be negative) and which pixels are written (with a
// stride, those of one stride phase at a time): both are given as strides. Another gradient of x may
// be added to it, or, where the y of a ReLU is given as `mask` and is 0 or less, nothing.
//
// If RELU, the maps are not x but the ReLU of scale x + shift, with a scale and a shift a channel.
//
// If batch norm comes next, its statistics are taken of the numbers of y while a block has them: a
// part of a channel is a row of the block. So no kernel has to read y for them.

#include "geometry.cuh"
#include "relu.cuh"
#include "statistics.cuh"
#include "sums.cuh"

// Σ over the columns of each row of the tile, told to thread r for row r: of the numbers or, if the
// rows' means are given, of squared deviations from these.
__device__ float row_sum(Sums &sums, int columns, const float *means) {
    __shared__ float shared[BR][Sums::SHARERS + 1];
    for (int r = 0; r < Sums::ROWS; r++) {
        const float mean = means ? means[Sums::row(r)] : 0;
        float sum = 0;
        for (int p = 0; p < Sums::COLUMNS; p++) {
            const float centred = Sums::column(p) < columns ? sums.at(r, p) - mean : 0;
            sum += means ? centred * centred : centred;
        }
        if (slice() == 0) shared[Sums::row(r)][Sums::sharer()] = sum;
    }
    __syncthreads();
    float sum = 0;
    if (threadIdx.x < BR)
        for (int sharer = 0; sharer < Sums::SHARERS; sharer++) sum += shared[threadIdx.x][sharer];
    __syncthreads();
    return sum;
}

__device__ void take_statistics(Sums &sums, int first_row, int columns, const Statistics &s) {
    __shared__ float means[BR];
    const int channel = first_row + threadIdx.x;
    const float mean = row_sum(sums, columns, nullptr) / columns;
    if (threadIdx.x < BR) means[threadIdx.x] = mean;
    __syncthreads();
    const float squares = row_sum(sums, columns, means);
    if (threadIdx.x < BR && channel < s.channels)
        s.parts[blockIdx.x * s.channels + channel] = make_float2(mean, squares);
    put_together<BR>(s, first_row);
}

extern "C" __global__ void __launch_bounds__(THREADS)
correlate(const float *__restrict__ x, const float *__restrict__ scale,
          const float *__restrict__ shift, const float *__restrict__ w, float *__restrict__ y,
          const float *__restrict__ other, const float *__restrict__ mask, Maps m, Strides of_w,
          Strides of_y, int rows, Statistics statistics) {
    __shared__ __align__(16) float ws[BK][BR + PAD];
    __shared__ __align__(16) float xs[BK][BQ + PAD];
    const int columns = m.Ho * m.Wo * m.N;
    const int first_row = blockIdx.y * BR, first_column = blockIdx.x * BQ;
    const int thread = threadIdx.x;

    // What a thread loads for a step: one column of x, every (THREADS / BQ)-th channel, and weights.
    constexpr int APART = THREADS / BQ, PIXELS = BK / APART;
    constexpr int WEIGHTS = (BK * BR + THREADS - 1) / THREADS;
    const int loaded = thread % BQ, first_k = thread / BQ, q = first_column + loaded;
    const int n = q % m.N, window = q / m.N;
    const int top = window / m.Wo * m.stride_h + m.first_h;
    const int left = window % m.Wo * m.stride_w + m.first_w;
    const size_t channel = (size_t)m.H * m.W * m.N;
    float pixels[PIXELS], weights[WEIGHTS];
    bool inside;
    const auto load = [&](int u, int v, int c0) {
        const int h = top + u, l = left + v;
        inside = q < columns && h >= 0 && h < m.H && l >= 0 && l < m.W;
        const float *pixel = x + ((ptrdiff_t)h * m.W + l) * m.N + n + (c0 + first_k) * channel;
#pragma unroll
        for (int i = 0; i < PIXELS; i++)
            pixels[i] = inside && c0 + first_k + i * APART < m.channels
                            ? pixel[i * APART * channel] : 0.f;
#pragma unroll
        for (int i = 0; i < WEIGHTS; i++) {
            const int e = thread + i * THREADS, c = c0 + e % BK, r = first_row + e / BK;
            const bool there = e < BK * BR && c < m.channels && r < rows;
            weights[i] = there ? w[offset(of_w, r, c, u, v)] : 0.f;
        }
    };

    // A step is loaded into registers while the one before it is multiplied: memory is far away.
    Sums sums;
    int u = 0, v = 0, c0 = 0;
    bool more = m.kh > 0 && m.kw > 0;
    if (more) load(u, v, c0);
    while (more) {
#pragma unroll
        for (int i = 0; i < PIXELS; i++) {
            const int k = first_k + i * APART, c = c0 + k;
            if (RELU && inside && c < m.channels)
                pixels[i] = relu(fmaf(scale[c], pixels[i], shift[c]));
            xs[k][loaded] = pixels[i];
        }
#pragma unroll
        for (int i = 0; i < WEIGHTS; i++) {
            const int e = thread + i * THREADS;
            if (e < BK * BR) ws[e % BK][e / BK] = weights[i];
        }
        __syncthreads();
        if ((c0 += BK) >= m.channels) {
            c0 = 0;
            if (++v == m.kw) v = 0, u++;
        }
        more = u < m.kh;
        if (more) load(u, v, c0);
        sums.add(ws, xs);
        __syncthreads();
    }

    add_slices(sums);
    if (statistics.parts)
        take_statistics(sums, first_row, min(BQ, columns - first_column), statistics);
    if (slice() > 0) return;
    for (int p = 0; p < Sums::COLUMNS; p++) {
        const int written = first_column + Sums::column(p);
        if (written >= columns) continue;
        const int image = written % m.N, i = written / m.N / m.Wo, j = written / m.N % m.Wo;
        for (int r = 0; r < Sums::ROWS; r++) {
            const int row = first_row + Sums::row(r);
            if (row >= rows) continue;
            const ptrdiff_t at = offset(of_y, row, i, j, image);
            const float added = other && !(mask && mask[at] <= 0) ? other[at] : 0.f;
            y[at] = sums.at(r, p) + added;
        }
    }
}
