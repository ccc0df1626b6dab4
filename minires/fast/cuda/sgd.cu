// v ← momentum v + (g + weight_decay w), w ← w − lr v, of one parameter. A rate that lies in memory
// comes before one that is given, so that a captured step can be replayed with another one.
extern "C" __global__ void update(float *__restrict__ w, float *__restrict__ v,
                                  const float *__restrict__ g, const float *__restrict__ lr,
                                  float rate, float momentum, float weight_decay, int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const float velocity = momentum * v[e] + g[e] + weight_decay * w[e];
    v[e] = velocity;
    w[e] -= (lr ? *lr : rate) * velocity;
}
