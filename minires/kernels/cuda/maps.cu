// Sums of scaled feature maps, and gradients behind a ReLU mask: what stands between convolutions.
// Maps lie as (C, H, W, N); a channel has M = H · W · N values.

#include "relu.cuh"

// y = scale_a a + scale_b b + shift, and its ReLU if asked for. Scales and shift are one number a
// channel; what is not given is 1, or 0.
extern "C" __global__ void combine(const float *__restrict__ a, const float *__restrict__ scale_a,
                                   const float *__restrict__ b, const float *__restrict__ scale_b,
                                   const float *__restrict__ shift, float *__restrict__ y, int M,
                                   bool rectify) {
    const int channel = blockIdx.y, e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= M) return;
    const size_t at = (size_t)channel * M + e;
    float value = shift ? shift[channel] : 0;
    if (b) value = fmaf(scale_b ? scale_b[channel] : 1, b[at], value);
    value = fmaf(scale_a ? scale_a[channel] : 1, a[at], value);
    y[at] = rectify ? relu(value) : value;
}

// out = g, but 0 where y <= 0; and another gradient added to it, if there is one.
extern "C" __global__ void mask(const float *__restrict__ g, const float *__restrict__ y,
                                const float *__restrict__ other, float *__restrict__ out,
                                int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const float passed = y[e] <= 0 ? 0.f : g[e];
    out[e] = other ? other[e] + passed : passed;
}
