// v ← momentum v + (g + weight_decay w), w ← w − lr v, of up to MOST parameters: row y of the grid
// goes through one of them. A rate that lies in memory comes before one that is given, so that a
// captured step can be replayed with another one.

struct Parameter {
    float *w, *v;
    const float *g;
    long long size;
};

struct Parameters {
    Parameter of[MOST];
};

extern "C" __global__ void update(Parameters all, const float *__restrict__ lr, float rate,
                                  float momentum, float weight_decay) {
    const Parameter p = all.of[blockIdx.y];
    const float step = lr ? *lr : rate;
    for (long long e = blockIdx.x * blockDim.x + threadIdx.x; e < p.size;
         e += gridDim.x * blockDim.x) {
        float velocity = p.g[e];  // a factor of 0 leaves its term out: 0 · infinity would be NaN
        if (momentum) velocity += momentum * p.v[e];
        if (weight_decay) velocity += weight_decay * p.w[e];
        p.v[e] = velocity;
        p.w[e] -= step * velocity;
    }
}
