// Batch norm. A channel's values lie next to each other: (C, H, W, N), M = H · W · N of them.
//
// Sums over a channel are made in two steps: each block sums a part of a channel in float32, and
// the last block of a channel puts its parts together in float64. The order is always the same.

#include "statistics.cuh"

// The statistics of x, where no convolution has taken them as it wrote x (conv.cu).
extern "C" __global__ void moments(const float *__restrict__ x, Statistics s) {
    const int channel = blockIdx.y;
    const int begin = blockIdx.x * s.values_a_part, end = min(begin + s.values_a_part, s.M);
    const float *values = x + (size_t)channel * s.M;
    float sum = 0;
    for (int e = begin + threadIdx.x; e < end; e += THREADS) sum += values[e];
    const float mean = block_sum(sum) / (end - begin);
    float squares = 0;
    for (int e = begin + threadIdx.x; e < end; e += THREADS) {
        const float centred = values[e] - mean;
        squares += centred * centred;
    }
    squares = block_sum(squares);
    if (threadIdx.x == 0) s.parts[blockIdx.x * s.channels + channel] = make_float2(mean, squares);
    put_together<1>(s, channel);
}

// The gradient behind a ReLU that came after: gy, but 0 where its y is 0 or less. Of y either itself
// is given or the scale and shift of x that it was made with; neither, if there was no ReLU.
struct Mask {
    const float *y;
    float scale, shift;

    __device__ Mask(const float *y, const float *scale, const float *shift, int channel)
        : y(y), scale(scale ? scale[channel] : 0), shift(scale ? shift[channel] : 1) {}

    __device__ float of(const float *gy, const float *x, size_t at) const {
        return (y ? y[at] : fmaf(scale, x[at], shift)) <= 0 ? 0.f : gy[at];
    }
};

// gw and gb from Σ g and Σ g (x − μ) over a channel, with g the gradient behind the mask. And what
// g, x and 1 are multiplied by in
//     gx = w r (g − gb/M − (x − μ) r gw/M)
extern "C" __global__ void sums(const float *__restrict__ gy, const float *__restrict__ y,
                                const float *__restrict__ scale, const float *__restrict__ shift,
                                const float *__restrict__ x, const float *__restrict__ w,
                                const float *__restrict__ mean, const float *__restrict__ r,
                                double2 *parts, float *__restrict__ gw, float *__restrict__ gb,
                                float *__restrict__ of_g, float *__restrict__ of_x,
                                float *__restrict__ constant, int M, int values_a_part) {
    const int channel = blockIdx.y, count = gridDim.x;
    const int begin = blockIdx.x * values_a_part, end = min(begin + values_a_part, M);
    const size_t at = (size_t)channel * M;
    const Mask mask(y, scale, shift, channel);
    const float average = mean[channel];
    float sum_here = 0, product_here = 0;
    for (int e = begin + threadIdx.x; e < end; e += THREADS) {
        const float g = mask.of(gy, x, at + e);
        sum_here += g;
        product_here += g * (x[at + e] - average);
    }
    sum_here = block_sum(sum_here);
    product_here = block_sum(product_here);
    parts += channel * count;
    if (threadIdx.x == 0) parts[blockIdx.x] = make_double2(sum_here, product_here);
    if (!is_last(channel, count)) return;

    double sum = 0, product = 0;
    for (int p = threadIdx.x; p < count; p += THREADS) {
        const double2 part = __ldcg(&parts[p]);
        sum += part.x;
        product += part.y;
    }
    sum = block_sum(sum);
    product = block_sum(product);
    if (threadIdx.x > 0) return;
    gb[channel] = sum;
    gw[channel] = product * r[channel];
    of_g[channel] = w[channel] * r[channel];
    of_x[channel] = -of_g[channel] * r[channel] * gw[channel] / M;
    constant[channel] = -of_x[channel] * mean[channel] - of_g[channel] * gb[channel] / M;
}

// gx, with g as above.
extern "C" __global__ void input_gradient(const float *__restrict__ gy, const float *__restrict__ y,
                                          const float *__restrict__ scale,
                                          const float *__restrict__ shift,
                                          const float *__restrict__ x,
                                          const float *__restrict__ of_g,
                                          const float *__restrict__ of_x,
                                          const float *__restrict__ constant,
                                          float *__restrict__ gx, int M) {
    const int channel = blockIdx.y, e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= M) return;
    const size_t at = (size_t)channel * M + e;
    const float g = Mask(y, scale, shift, channel).of(gy, x, at);
    gx[at] = of_g[channel] * g + of_x[channel] * x[at] + constant[channel];
}
