// v ← momentum v + (g + weight_decay w), w ← w − lr v, of one parameter. The rate lies in memory, so
// that a captured step can be replayed with another one.
extern "C" __global__ void update(float *__restrict__ w, float *__restrict__ v,
                                  const float *__restrict__ g, const float *__restrict__ lr,
                                  float momentum, float weight_decay, int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    v[e] = momentum * v[e] + g[e] + weight_decay * w[e];
    w[e] -= *lr * v[e];
}
