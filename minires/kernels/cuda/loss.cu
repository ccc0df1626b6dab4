// Cross-entropy of logits (C, N) and labels (N,).

#include "reduce.cuh"

// (softmax(x) − t) / N for backward, and the loss of each image, one thread an image:
//     −Σ_c t_c log p_c = ln Σ_c e^{x_c − m} − Σ_c t_c (x_c − m),   m = max_c x_c
// with t of 1 at the label and 0 elsewhere, smoothed. A label that is no class makes it all NaN.
extern "C" __global__ void cross_entropy(const float *__restrict__ x,
                                         const long long *__restrict__ labels,
                                         float *__restrict__ gx, float *__restrict__ losses, int N,
                                         int C, float smoothing) {
    const int n = blockIdx.x * blockDim.x + threadIdx.x;
    if (n >= N) return;
    float most = x[n];
    for (int c = 1; c < C; c++) most = fmaxf(most, x[c * N + n]);
    const long long label = labels[n];
    const bool known = label >= 0 && label < C;
    float total = 0, expected = 0;
    for (int c = 0; c < C; c++) {
        const float shifted = x[c * N + n] - most;
        const float t = (c == label ? 1 - smoothing : 0) + smoothing / C;
        total += expf(shifted);
        if (t > 0) expected += t * shifted;  // 0 times infinity would be NaN
    }
    losses[n] = known ? logf(total) - expected : nanf("");
    for (int c = 0; c < C; c++) {
        const float p = expf(x[c * N + n] - most) / total;
        const float t = (c == label ? 1 - smoothing : 0) + smoothing / C;
        gx[c * N + n] = known ? (p - t) / N : nanf("");
    }
}

// The mean, in one block.
extern "C" __global__ void mean(const float *__restrict__ values, float *__restrict__ result,
                                int size) {
    float sum = 0;
    for (int e = threadIdx.x; e < size; e += THREADS) sum += values[e];
    sum = block_sum(sum);
    if (threadIdx.x == 0) *result = sum / size;
}
