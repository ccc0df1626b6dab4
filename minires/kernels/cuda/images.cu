// A batch from a dataset that lies on the GPU: chosen, moved, mirrored and normalised.
//
// images (count, C, H, W), bytes -> x (C, H, W, N), float32: white as 1, the mean image taken away,
// then padded with zeros by `border`, cut at (down, right) to its size, and mirrored. What chance
// decided comes as (4, N): which image, down, right, whether it is mirrored.
extern "C" __global__ void training_batch(const unsigned char *__restrict__ images,
                                          const float *__restrict__ mean,
                                          const long long *__restrict__ drawn,
                                          float *__restrict__ x, int C, int H, int W, int N,
                                          int border, float white, int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const int n = e % N, l = e / N % W, h = e / (N * W) % H, c = e / (N * W * H);
    const long long *chosen = drawn, *down = drawn + N, *right = down + N, *flipped = right + N;
    const int from_h = h + (int)down[n] - border;
    const int from_w = (flipped[n] ? W - 1 - l : l) + (int)right[n] - border;
    const bool inside = from_h >= 0 && from_h < H && from_w >= 0 && from_w < W;
    const int pixel = (c * H + from_h) * W + from_w;
    x[e] = inside ? images[(size_t)chosen[n] * C * H * W + pixel] / white - mean[pixel] : 0.f;
}
