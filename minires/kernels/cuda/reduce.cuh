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
