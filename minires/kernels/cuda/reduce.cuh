// Sums over a block of threads, always in the same order.

// Σ of a value of each thread, told to all of them; THREADS is a power of two.
template <typename T>
__device__ T block_sum(T value) {
    __shared__ T shared[THREADS];
    shared[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    T total = shared[0];
    __syncthreads();  // before anybody writes there again
    return total;
}

// Whether this block is the last of `count` to come here, of those with the same number below
// ARRIVALS: it may then read what all of them have written before, with __ldcg, since nothing of it
// may come from this multiprocessor's own cache. Each counter is 0 again afterwards.
#define ARRIVALS 65536
__device__ unsigned arrived[ARRIVALS];

__device__ bool is_last(int number, int count) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicInc(&arrived[number], count - 1) == count - 1;
    __syncthreads();
    return last;
}
