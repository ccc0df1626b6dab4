// The numbers of a tile of BR x BQ that a thread makes, of factors in shared memory: TR x TQ of them,
// each sum in a register of its own. Threads next to each other have the same rows, and read the
// first factor at once.

#define PAD 4       // rows in shared memory are so much longer, and begin in different banks
#define LONG_PAD 4  // and those along which is summed, which then still begin at 16 bytes

struct Sums {
    static constexpr int ROWS = TR, COLUMNS = TQ;
    static constexpr int APART = BQ / TQ;  // how far apart the columns of a thread lie
    static constexpr int SHARERS = APART;  // threads that have numbers of the same row
    float of[ROWS][COLUMNS] = {};

    __device__ static int row(int r) { return maker() / APART * TR + r; }
    __device__ static int column(int p) { return threadIdx.x % APART + p * APART; }
    __device__ static int sharer() { return threadIdx.x % APART; }
    __device__ float &at(int r, int p) { return of[r][p]; }

    // of += Σ_k a_k b_k over the numbers of each row and each column that are this slice's.
    __device__ void add(const float (*a)[BR + PAD], const float (*b)[BQ + PAD]) {
        a += slice() * (BK / SLICES), b += slice() * (BK / SLICES);
#pragma unroll 16
        for (int k = 0; k < BK / SLICES; k++) {
            float left[ROWS], right[COLUMNS];
            for (int r = 0; r < ROWS; r++) left[r] = a[k][row(r)];
            for (int p = 0; p < COLUMNS; p++) right[p] = b[k][column(p)];
            for (int r = 0; r < ROWS; r++)
                for (int p = 0; p < COLUMNS; p++) of[r][p] += left[r] * right[p];
        }
    }

    // The same of factors whose k lie next to each other: four are read at once.
    __device__ void add_long(const float (*a)[BK + LONG_PAD], const float (*b)[BK + LONG_PAD]) {
#pragma unroll 1  // more of it takes registers from other blocks
        for (int k = 0; k < BK; k += 4) {
            float4 left[ROWS], right[COLUMNS];
            for (int r = 0; r < ROWS; r++) left[r] = *(const float4 *)&a[row(r)][k];
            for (int p = 0; p < COLUMNS; p++) right[p] = *(const float4 *)&b[column(p)][k];
            for (int r = 0; r < ROWS; r++)
                for (int p = 0; p < COLUMNS; p++) {
                    of[r][p] += left[r].x * right[p].x;
                    of[r][p] += left[r].y * right[p].y;
                    of[r][p] += left[r].z * right[p].z;
                    of[r][p] += left[r].w * right[p].w;
                }
        }
    }
};
