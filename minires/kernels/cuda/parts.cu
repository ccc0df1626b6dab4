#include "geometry.cuh"

#define GROUPS (THREADS / LANES)

// gW[r, c, u, v] = Σ_part of it, always in the same order: a block makes LANES numbers, each of them
// with GROUPS threads, which first add every GROUPS-th part.
extern "C" __global__ void __launch_bounds__(THREADS)
add_parts(const float *__restrict__ parts, float *__restrict__ gw, Maps m, Strides of_gw, int rows,
          int count) {
    __shared__ float shared[GROUPS][LANES];
    const int lane = threadIdx.x % LANES, group = threadIdx.x / LANES;
    const int depth = m.channels * m.kh * m.kw, size = rows * depth;
    const int e = blockIdx.x * LANES + lane;
    float sum = 0;
    if (e < size)
        for (int part = group; part < count; part += GROUPS) sum += parts[(size_t)part * size + e];
    shared[group][lane] = sum;
    __syncthreads();
    if (group > 0 || e >= size) return;
    for (int other = 1; other < GROUPS; other++) sum += shared[other][lane];
    const int k = e % depth, c = k % m.channels, uv = k / m.channels;
    gw[offset(of_gw, e / depth, c, uv / m.kw, uv % m.kw)] = sum;
}
