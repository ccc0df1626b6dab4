// Pooling on maps (C, H, W, N).

#include "reduce.cuh"

// The largest value of each window, and at which place of it (the first of equals; a NaN wins).
extern "C" __global__ void max_pool(const float *__restrict__ x, float *__restrict__ y,
                                    unsigned char *__restrict__ winner, int H, int W, int Ho,
                                    int Wo, int N, int kh, int kw, int sh, int sw, int ph, int pw,
                                    int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const int n = e % N, j = e / N % Wo, i = e / (N * Wo) % Ho, c = e / (N * Wo * Ho);
    float best = -INFINITY;
    int place = 0;
    for (int u = 0; u < kh; u++)
        for (int v = 0; v < kw; v++) {
            const int h = i * sh + u - ph, l = j * sw + v - pw;
            if (h < 0 || h >= H || l < 0 || l >= W) continue;
            const float value = x[((size_t)(c * H + h) * W + l) * N + n];
            if (value > best || (value != value && best == best)) {
                best = value;
                place = u * kw + v;
            }
        }
    y[e] = best;
    winner[e] = place;
}

// Each pixel adds up the gradients of the windows that it won, in their order.
extern "C" __global__ void max_pool_gradient(const float *__restrict__ gy,
                                             const unsigned char *__restrict__ winner,
                                             float *__restrict__ gx, int H, int W, int Ho, int Wo,
                                             int N, int kh, int kw, int sh, int sw, int ph, int pw,
                                             int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const int n = e % N, l = e / N % W, h = e / (N * W) % H, c = e / (N * W * H);
    float sum = 0;
    for (int u = 0; u < kh; u++)
        for (int v = 0; v < kw; v++) {
            const int i = h + ph - u, j = l + pw - v;  // times the stride
            if (i < 0 || j < 0 || i % sh || j % sw || i / sh >= Ho || j / sw >= Wo) continue;
            const size_t window = ((size_t)(c * Ho + i / sh) * Wo + j / sw) * N + n;
            if (winner[window] == u * kw + v) sum += gy[window];
        }
    gx[e] = sum;
}

// The mean of each map: (C, H·W, N) -> (N, C).
extern "C" __global__ void mean_of_maps(const float *__restrict__ x, float *__restrict__ y, int C,
                                        int pixels, int N) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= C * N) return;
    const int n = e % N, c = e / N;
    float sum = 0;
    for (int p = 0; p < pixels; p++) sum += x[((size_t)c * pixels + p) * N + n];
    y[n * C + c] = sum / pixels;
}

extern "C" __global__ void mean_of_maps_gradient(const float *__restrict__ gy,
                                                 float *__restrict__ gx, int C, int pixels, int N,
                                                 int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const int n = e % N, c = e / (N * pixels);
    gx[e] = gy[n * C + c] / pixels;
}
