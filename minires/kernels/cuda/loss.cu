// Cross-entropy of logits (C, N) and labels (N,).

#include "reduce.cuh"

// The loss of each image, of which the mean is the result, and (softmax(x) − t) / N for backward:
//     −Σ_c t_c log p_c = ln Σ_c e^{x_c − m} − Σ_c t_c (x_c − m),   m = max_c x_c
// with t of 1 at the label and 0 elsewhere, smoothed. A label that is no class makes it all NaN.
// One block, for there is little to do: each thread takes every THREADS-th image.
extern "C" __global__ void cross_entropy(const float *__restrict__ x,
                                         const long long *__restrict__ labels,
                                         float *__restrict__ gx, float *__restrict__ loss, int N,
                                         int C, float smoothing) {
    float losses = 0;
    for (int n = threadIdx.x; n < N; n += THREADS) {
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
        losses += known ? logf(total) - expected : nanf("");
        for (int c = 0; c < C; c++) {
            const float p = expf(x[c * N + n] - most) / total;
            const float t = (c == label ? 1 - smoothing : 0) + smoothing / C;
            gx[c * N + n] = known ? (p - t) / N : nanf("");
        }
    }
    losses = block_sum(losses);
    if (threadIdx.x == 0) *loss = losses / N;
}
