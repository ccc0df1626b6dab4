// The same as float32.cuh on tensor cores: factors are rounded to TF32, which has 10 bits of fraction
// instead of 23, and their products are added up in float32.
//
// The 32 threads of a warp multiply 16 x 8 numbers by 8 x 8 together. Which of them each thread
// brings and which sums it keeps is laid down by the instruction (PTX ISA, mma.m16n8k8 for .tf32):
//
//     first factor   row `group` and 8 below,      at k = place and k = place + 4
//     second factor  column `group`,               at k = place and k = place + 4
//     sums           row `group` and 8 below,      columns 2 · place and 2 · place + 1
//
// A warp makes up to 32 rows and 32 columns of the tile.

// What a warp reads at once lies in 32 banks of shared memory:
#define PAD 8       // 4 rows and 8 columns of it
#define LONG_PAD 4  // 8 rows and 4 columns

#ifdef __CUDACC__
__device__ unsigned rounded(float x) {
    unsigned y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
}

__device__ void multiply_add(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif  // the emulator of the tests brings its own

struct Sums {
    static constexpr int HIGH = (BR < 32 ? BR : 32) / 16, WIDE = 32 / 8;  // products of a warp
    static constexpr int ROWS = 2 * HIGH, COLUMNS = 2 * WIDE;
    static constexpr int SHARERS = BQ / COLUMNS;  // threads that have numbers of the same row
    float of[HIGH][WIDE][4] = {};

    __device__ static int group() { return threadIdx.x % 32 / 4; }
    __device__ static int place() { return threadIdx.x % 4; }
    __device__ static int first_row() {
        return maker() / 32 / (BQ / 32) * 16 * HIGH;
    }
    __device__ static int first_column() { return threadIdx.x / 32 % (BQ / 32) * 8 * WIDE; }

    __device__ static int row(int r) { return first_row() + r / 2 * 16 + r % 2 * 8 + group(); }
    __device__ static int column(int p) {
        return first_column() + p / 2 * 8 + p % 2 + 2 * place();
    }
    __device__ static int sharer() { return threadIdx.x / 32 % (BQ / 32) * 4 + place(); }
    __device__ float &at(int r, int p) { return of[r / 2][p / 2][r % 2 * 2 + p % 2]; }

    __device__ void add(const float (*a)[BR + PAD], const float (*b)[BQ + PAD]) {
        a += slice() * (BK / SLICES), b += slice() * (BK / SLICES);
        add_products([&](int k, int r) { return a[k][r]; }, [&](int k, int c) { return b[k][c]; });
    }

    // The same of factors whose k lie next to each other.
    __device__ void add_long(const float (*a)[BK + LONG_PAD], const float (*b)[BK + LONG_PAD]) {
        add_products([&](int k, int r) { return a[r][k]; }, [&](int k, int c) { return b[c][k]; });
    }

    template <typename A, typename B> __device__ void add_products(A a, B b) {
#pragma unroll
        for (int k = 0; k < BK / SLICES; k += 8) {
            unsigned left[HIGH][4], right[WIDE][2];
            for (int i = 0; i < HIGH; i++)
                for (int e = 0; e < 4; e++)
                    left[i][e] = rounded(a(k + place() + e / 2 * 4, row(2 * i + e % 2)));
            for (int j = 0; j < WIDE; j++)
                for (int e = 0; e < 2; e++)
                    right[j][e] = rounded(b(k + place() + e * 4, first_column() + 8 * j + group()));
            for (int i = 0; i < HIGH; i++)
                for (int j = 0; j < WIDE; j++) multiply_add(of[i][j], left[i], right[j]);
        }
    }
};
