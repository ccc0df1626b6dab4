// Cross-entropy of logits (N, C) and labels (N,), one thread an image.

#include "reduce.cuh"

// (softmax(x) − t) / N for backward, the loss of each image, and whether its label lost.
extern "C" __global__ void cross_entropy(const float *__restrict__ x,
                                         const long long *__restrict__ labels,
                                         float *__restrict__ gx, float *__restrict__ losses, int N,
                                         int C, float smoothing) {
    const int n = blockIdx.x * blockDim.x + threadIdx.x;
    if (n >= N) return;
    const float *logits = x + (size_t)n * C;
    float most = logits[0];
    for (int c = 1; c < C; c++) most = fmaxf(most, logits[c]);
    float total = 0, sum = 0;
    for (int c = 0; c < C; c++) {
        total += expf(logits[c] - most);
        sum += logits[c] - most;
    }
    const int label = labels[n];
    losses[n] = logf(total) - (1 - smoothing) * (logits[label] - most) - smoothing / C * sum;
    for (int c = 0; c < C; c++) {
        const float t = (c == label ? 1 - smoothing : 0.f) + smoothing / C;
        gx[(size_t)n * C + c] = (expf(logits[c] - most) / total - t) / N;
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
