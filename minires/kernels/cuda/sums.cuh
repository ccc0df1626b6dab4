// The sums of a product that a thread keeps (`Sums`), in float32 or with factors in TF32.

// A block of threads is SLICES groups of MAKERS. Each group makes all numbers of the tile, of its own
// share of the k of every step, so that a small result keeps many threads at work.
#define MAKERS (THREADS / SLICES)

__device__ int maker() { return SLICES == 1 ? threadIdx.x : threadIdx.x % MAKERS; }
__device__ int slice() { return SLICES == 1 ? 0 : threadIdx.x / MAKERS; }

#ifdef TF32
#include "tf32.cuh"
#else
#include "float32.cuh"
#endif

// Adds the sums of the other slices to those of the first, always in the same order.
__device__ void add_slices(Sums &sums) {
    __shared__ float theirs[Sums::ROWS][Sums::COLUMNS][MAKERS];
    for (int other = 1; other < SLICES; other++) {
        for (int r = 0; r < Sums::ROWS; r++)
            for (int p = 0; p < Sums::COLUMNS; p++)
                if (slice() == other) theirs[r][p][maker()] = sums.at(r, p);
        __syncthreads();
        for (int r = 0; r < Sums::ROWS; r++)
            for (int p = 0; p < Sums::COLUMNS; p++)
                if (slice() == 0) sums.at(r, p) += theirs[r][p][maker()];
        __syncthreads();
    }
}
