// Convolution as a matrix product whose second factor is never made (implicit im2col).
//
// Maps lie as (channels, height, width, batch). A column of the product is a pixel of the result
// and an image, q = (i · Wo + j) · N + n, so that 32 threads next to each other read 32 images at
// the same pixel: one run of memory. A row is a channel of the result. Along k go the places of
// the kernel, k = (c · kh + u) · kw + v.
//
//     y[r, q] = Σ_k w[r, k] x_k[q],   x_k[q] = x[c, i·stride + u + first, j·stride + v + first, n]
//
// or 0 where that is outside of the maps. A block of threads makes BR x BQ numbers of y. It loads
// BK rows of both factors into shared memory at a time; each thread then multiplies TR numbers of
// the one with TQ numbers of the other, which are in its registers by then.
//
// The gradient of x is this very product, with gy for x and the kernel turned round; what that
// changes is where a weight is found (its strides may be negative) and which pixels are written
// (with a stride, those of one place in it at a time).

struct Maps {          // of which pixels the result is made
    int channels;      // of x
    int H, W;          // of x
    int Ho, Wo;        // windows
    int N;             // images
    int kh, kw;        // places of the kernel
    int stride;        // between windows
    int first_h, first_w;  // the pixel under the first place of the first window; may be < 0
};

struct Weights {       // where w[r, c, u, v] is
    int base, of_row, of_channel, of_u, of_v;
};

struct Written {       // where y[r, i, j, n] is
    int rows;          // channels of y
    int H, W;          // of y
    int from_h, from_w;  // the first pixel
    int step;          // between pixels
};

#define THREADS ((BR / TR) * (BQ / TQ))

extern "C" __global__ void __launch_bounds__(THREADS)
correlate(const float *__restrict__ x, const float *__restrict__ w, float *__restrict__ y,
          Maps m, Weights at, Written to) {
    __shared__ float ws[BK][BR];
    __shared__ float xs[BK][BQ];
    const int columns = m.Ho * m.Wo * m.N, depth = m.channels * m.kh * m.kw;
    const int first_row = blockIdx.y * BR, first_column = blockIdx.x * BQ;
    const int thread = threadIdx.x;

    // What a thread loads: one column of x, at every (THREADS / BQ)-th of BK places.
    const int loaded = thread % BQ, q = first_column + loaded;
    const int n = q % m.N, pixel = q / m.N;
    const int i = pixel / m.Wo * m.stride + m.first_h, j = pixel % m.Wo * m.stride + m.first_w;

    // What it multiplies: TR rows and TQ columns, these BQ / TQ apart.
    const int row = thread / (BQ / TQ) * TR, column = thread % (BQ / TQ);
    float sums[TR][TQ] = {};

    for (int k0 = 0; k0 < depth; k0 += BK) {
        for (int kk = thread / BQ; kk < BK; kk += THREADS / BQ) {
            const int k = k0 + kk, v = k % m.kw, u = k / m.kw % m.kh, c = k / (m.kw * m.kh);
            const int h = i + u, l = j + v;
            const bool inside = k < depth && q < columns && h >= 0 && h < m.H && l >= 0 && l < m.W;
            xs[kk][loaded] = inside ? x[((size_t)(c * m.H + h) * m.W + l) * m.N + n] : 0.f;
        }
        for (int e = thread; e < BK * BR; e += THREADS) {
            const int kk = e % BK, r = e / BK, k = k0 + kk;
            const int v = k % m.kw, u = k / m.kw % m.kh, c = k / (m.kw * m.kh);
            const bool inside = k < depth && first_row + r < to.rows;
            ws[kk][r] = inside ? w[at.base + (first_row + r) * at.of_row + c * at.of_channel
                                   + u * at.of_u + v * at.of_v] : 0.f;
        }
        __syncthreads();
        for (int kk = 0; kk < BK; kk++) {
            float a[TR], b[TQ];
            for (int r = 0; r < TR; r++) a[r] = ws[kk][row + r];
            for (int p = 0; p < TQ; p++) b[p] = xs[kk][column + p * (BQ / TQ)];
            for (int r = 0; r < TR; r++)
                for (int p = 0; p < TQ; p++) sums[r][p] += a[r] * b[p];
        }
        __syncthreads();
    }

    for (int p = 0; p < TQ; p++) {
        const int written = first_column + column + p * (BQ / TQ);
        if (written >= columns) continue;
        const int image = written % m.N, window = written / m.N;
        const int h = to.from_h + window / m.Wo * to.step, l = to.from_w + window % m.Wo * to.step;
        for (int r = 0; r < TR; r++)
            if (first_row + row + r < to.rows)
                y[((size_t)((first_row + row + r) * to.H + h) * to.W + l) * m.N + image]
                    = sums[r][p];
    }
}

// gW[r, k] = Σ_q gy[r, q] x_k[q].
//
// The sum is over all pixels of all images, far longer than gW is large. So it is split: block z
// sums a part of the columns, and `add_parts` adds the parts up, always in the same order.

extern "C" __global__ void __launch_bounds__(THREADS)
weight_gradient(const float *__restrict__ x, const float *__restrict__ gy,
                float *__restrict__ parts, Maps m, int rows, int columns_a_part) {
    // Here BQ counts places of the kernel, and BK columns.
    __shared__ float gs[BK][BR + 1];
    __shared__ float xs[BK][BQ + 1];
    const int columns = m.Ho * m.Wo * m.N, depth = m.channels * m.kh * m.kw;
    const int first_row = blockIdx.y * BR, first_place = blockIdx.x * BQ, thread = threadIdx.x;
    const int begin = blockIdx.z * columns_a_part, end = min(begin + columns_a_part, columns);
    const int row = thread / (BQ / TQ) * TR, place = thread % (BQ / TQ);
    float sums[TR][TQ] = {};

    for (int q0 = begin; q0 < end; q0 += BK) {
        for (int e = thread; e < BK * BR; e += THREADS) {
            const int qq = e % BK, r = e / BK, q = q0 + qq;
            const bool inside = q < end && first_row + r < rows;
            gs[qq][r] = inside ? gy[(size_t)(first_row + r) * columns + q] : 0.f;
        }
        for (int e = thread; e < BK * BQ; e += THREADS) {
            const int qq = e % BK, k = first_place + e / BK, q = q0 + qq;
            const int n = q % m.N, pixel = q / m.N;
            const int v = k % m.kw, u = k / m.kw % m.kh, c = k / (m.kw * m.kh);
            const int h = pixel / m.Wo * m.stride + m.first_h + u;
            const int l = pixel % m.Wo * m.stride + m.first_w + v;
            const bool inside = k < depth && q < end && h >= 0 && h < m.H && l >= 0 && l < m.W;
            xs[qq][e / BK] = inside ? x[((size_t)(c * m.H + h) * m.W + l) * m.N + n] : 0.f;
        }
        __syncthreads();
        for (int qq = 0; qq < BK; qq++) {
            float a[TR], b[TQ];
            for (int r = 0; r < TR; r++) a[r] = gs[qq][row + r];
            for (int p = 0; p < TQ; p++) b[p] = xs[qq][place + p * (BQ / TQ)];
            for (int r = 0; r < TR; r++)
                for (int p = 0; p < TQ; p++) sums[r][p] += a[r] * b[p];
        }
        __syncthreads();
    }

    for (int r = 0; r < TR; r++)
        for (int p = 0; p < TQ; p++) {
            const int k = first_place + place + p * (BQ / TQ);
            if (first_row + row + r < rows && k < depth)
                parts[((size_t)blockIdx.z * rows + first_row + row + r) * depth + k] = sums[r][p];
        }
}

extern "C" __global__ void add_parts(const float *__restrict__ parts, float *__restrict__ sum,
                                     int size, int count) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    float total = 0;
    for (int part = 0; part < count; part++) total += parts[(size_t)part * size + e];
    sum[e] = total;
}
