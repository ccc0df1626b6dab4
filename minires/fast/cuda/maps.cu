// Scaled maps added up, and gradients that pass a gate: what stands between convolutions.

// y = scale_a a + scale_b b + shift, and its ReLU if asked for. A scale is one number a channel;
// none is 1, no b is 0.
extern "C" __global__ void combine(const float *__restrict__ a, const float *__restrict__ scale_a,
                                   const float *__restrict__ b, const float *__restrict__ scale_b,
                                   const float *__restrict__ shift, float *__restrict__ y, int M,
                                   int rectify) {
    const int channel = blockIdx.y, e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= M) return;
    const size_t at = (size_t)channel * M + e;
    float value = scale_a ? scale_a[channel] * a[at] : a[at];
    if (b) value += scale_b ? scale_b[channel] * b[at] : b[at];
    if (shift) value += shift[channel];
    y[at] = rectify && value < 0 ? 0.f : value;  // a NaN is not less than 0, and stays
}

// g where y > 0, 0 elsewhere.
extern "C" __global__ void gate(const float *__restrict__ g, const float *__restrict__ y,
                                float *__restrict__ out, int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e < size) out[e] = y[e] > 0 ? g[e] : 0.f;
}

// Every step-th pixel of x between channels of zeros: (C, H, W, N) -> (before + C + after, ...).
extern "C" __global__ void shortcut(const float *__restrict__ x, float *__restrict__ y, int C,
                                    int H, int W, int N, int step, int before, int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const int Ho = (H + step - 1) / step, Wo = (W + step - 1) / step;
    const int n = e % N, j = e / N % Wo, i = e / (N * Wo) % Ho, c = e / (N * Wo * Ho) - before;
    y[e] = c >= 0 && c < C ? x[((size_t)(c * H + i * step) * W + j * step) * N + n] : 0.f;
}

// The gradient of that: each pixel gets what it gave, or nothing.
extern "C" __global__ void shortcut_gradient(const float *__restrict__ gy, float *__restrict__ gx,
                                             int C, int H, int W, int N, int step, int before,
                                             int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const int Ho = (H + step - 1) / step, Wo = (W + step - 1) / step;
    const int n = e % N, l = e / N % W, h = e / (N * W) % H, c = e / (N * W * H);
    const bool taken = h % step == 0 && l % step == 0;
    const int i = h / step, j = l / step;
    gx[e] = taken ? gy[((size_t)((c + before) * Ho + i) * Wo + j) * N + n] : 0.f;
}
