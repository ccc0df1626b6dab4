// Pooling on maps (C, H, W, N): one thread a number of the result.

struct Windows {
    int H, W;    // of x
    int Ho, Wo;  // windows
    int N;       // images
    int kh, kw, stride_h, stride_w, padding_h, padding_w;
};

// The largest value of each window, and at which tap of it (the first of equals; a NaN wins).
extern "C" __global__ void max_pool(const float *__restrict__ x, float *__restrict__ y,
                                    unsigned char *__restrict__ winner, Windows m, int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const int n = e % m.N, j = e / m.N % m.Wo, i = e / m.N / m.Wo % m.Ho, c = e / m.N / m.Wo / m.Ho;
    float best = 0;
    int tap = -1;
    for (int u = 0; u < m.kh; u++)
        for (int v = 0; v < m.kw; v++) {
            const int h = i * m.stride_h + u - m.padding_h, l = j * m.stride_w + v - m.padding_w;
            if (h < 0 || h >= m.H || l < 0 || l >= m.W) continue;
            const float value = x[((size_t)(c * m.H + h) * m.W + l) * m.N + n];
            if (tap < 0 || value > best || (isnan(value) && !isnan(best))) {
                best = value;
                tap = u * m.kw + v;
            }
        }
    y[e] = best;
    winner[e] = tap;
}

// Each pixel adds up the gradients of the windows that it won.
extern "C" __global__ void max_pool_gradient(const float *__restrict__ gy,
                                             const unsigned char *__restrict__ winner,
                                             float *__restrict__ gx, Windows m, int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const int n = e % m.N, l = e / m.N % m.W, h = e / m.N / m.W % m.H, c = e / m.N / m.W / m.H;
    float sum = 0;
    for (int u = 0; u < m.kh; u++)
        for (int v = 0; v < m.kw; v++) {
            const int down = h + m.padding_h - u, right = l + m.padding_w - v;
            if (down < 0 || right < 0 || down % m.stride_h || right % m.stride_w) continue;
            const int i = down / m.stride_h, j = right / m.stride_w;
            if (i >= m.Ho || j >= m.Wo) continue;
            const size_t window = ((size_t)(c * m.Ho + i) * m.Wo + j) * m.N + n;
            if (winner[window] == u * m.kw + v) sum += gy[window];
        }
    gx[e] = sum;
}

// The mean of each map: (C, pixels, N) -> (C, N).
extern "C" __global__ void mean_of_maps(const float *__restrict__ x, float *__restrict__ y,
                                        int pixels, int N, int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const int n = e % N, c = e / N;
    float sum = 0;
    for (int p = 0; p < pixels; p++) sum += x[((size_t)c * pixels + p) * N + n];
    y[e] = sum / pixels;
}

// Every pixel has the same share of its map's gradient: (C, N) -> (C, pixels, N).
extern "C" __global__ void mean_of_maps_gradient(const float *__restrict__ gy,
                                                 float *__restrict__ gx, int pixels, int N,
                                                 int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const int n = e % N, c = e / N / pixels;
    gx[e] = gy[c * N + n] / pixels;
}
