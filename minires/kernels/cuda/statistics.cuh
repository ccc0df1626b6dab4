// Mean and variance of the channels of a batch norm, and what follows from them.
//
// They are made in two steps: each block of threads takes those of a part of each of its channels,
// in float32, and the last block to come puts the parts together, in float64. The order is always
// the same.

#include "reduce.cuh"

struct Statistics {
    float2 *parts;  // mean, and sum of squared deviations from it, of part p at p · channels + c
    const float *w, *b;
    float *mean, *var;        // of the batch; the variance is biased
    float *r;                 // 1/√(σ² + ε)
    float *scale, *shift;     // y = scale x + shift
    float *running_mean, *running_var;  // are moved, if given; the variance is unbiased
    float eps, momentum;
    int channels, M, values_a_part;  // M values a channel, of which the last part may have fewer
};

// r ← (1 − momentum) r + momentum s; nothing is left of r, NaN or infinite, at momentum 1.
__device__ void move(float &r, float s, float momentum) {
    r = (momentum == 1 ? 0 : (1 - momentum) * r) + momentum * s;
}

#define AT_ONCE 12  // parts that a thread reads before it needs the first of them

// Puts the parts of the channels from `first` on together, if this block is the last one of these:
// with m_p values in part p, and d_p = μ_p − μ_0, which is small where a mean is far from 0,
//     μ = μ_0 + Σ_p m_p d_p / M        σ² = (Σ_p (squares_p + m_p d_p²) − (Σ_p m_p d_p)² / M) / M
// (Chan, Golub & LeVeque 1979).
template <int CHANNELS> __device__ void put_together(const Statistics &s, int first) {
    // Of threads, which first add every GROUPS-th part; for more of them a convolution's block with
    // slices has no shared memory left.
    constexpr int GROUPS = (THREADS < 256 ? THREADS : 256) / CHANNELS;
    __shared__ double2 shared[GROUPS][CHANNELS];
    const int count = gridDim.x, own = threadIdx.x % CHANNELS, group = threadIdx.x / CHANNELS;
    const int channel = min(first + own, s.channels - 1);
    if (!is_last(blockIdx.y, count)) return;

    const float2 *parts = s.parts + channel;
    const float origin = __ldcg(parts).x;
    double sum = 0, squares = 0;
    for (int start = group; group < GROUPS && start < count; start += AT_ONCE * GROUPS) {
        float sum_here = 0, squares_here = 0;
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
            const int p = start + i * GROUPS, values = min(s.values_a_part, s.M - p * s.values_a_part);
            const float2 part = p < count ? __ldcg(parts + p * s.channels) : make_float2(origin, 0);
            const float apart = part.x - origin;
            sum_here += values * apart;
            squares_here += part.y + values * apart * apart;
        }
        sum += sum_here;
        squares += squares_here;
    }
    if (group < GROUPS) shared[group][own] = make_double2(sum, squares);
    __syncthreads();
    if (group > 0 || first + own >= s.channels) return;
    for (int other = 1; other < min(GROUPS, count); other++) {
        sum += shared[other][own].x;
        squares += shared[other][own].y;
    }
    squares -= sum * sum / s.M;
    const float mean = origin + sum / s.M, var = squares / s.M, r = 1 / sqrt(var + s.eps);
    s.mean[channel] = mean;
    s.var[channel] = var;
    s.r[channel] = r;
    s.scale[channel] = s.w[channel] * r;
    s.shift[channel] = s.b[channel] - mean * s.scale[channel];
    if (s.running_mean) move(s.running_mean[channel], mean, s.momentum);
    if (s.running_var) move(s.running_var[channel], squares / (s.M - 1), s.momentum);
}
