// CUDA on one core of a CPU: a .cu file is compiled as C++ with this in front of it.
//
// The blocks of a grid run one after the other, in an order of chance. The threads of a block are fibres: each runs until
// a barrier or its end, and between two barriers they run in an order of chance, another one each
// time, so that a barrier that is missing shows. What a kernel is launched with is held against
// what it declares, which CUDA itself does not do.

#include <math.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using std::max;
using std::min;

#define __global__
#define __device__ inline
#define __shared__ static  // one block at a time
#define __launch_bounds__(threads)
#define __align__(bytes) __attribute__((aligned(bytes)))

struct Three { int x, y, z; };
struct double2 { double x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) int4 { int x, y, z, w; };
static int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
struct float2 { float x, y; };
static float2 make_float2(float x, float y) { return {x, y}; }
static double2 make_double2(double x, double y) { return {x, y}; }
static Three threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

enum State { ready, waiting, done };

struct Fibre {
    jmp_buf where;
    State state;
};

static const size_t stack = 64 << 10;
static std::vector<Fibre *> fibres;
static jmp_buf scheduler;
static ucontext_t beginning;
static int current;
static void (*body)(void **);
static void **arguments;
static unsigned chance = 1;

// Back to the scheduler; it returns here when this fibre's turn comes again.
static void pause(State state) {
    fibres[current]->state = state;
    if (!_setjmp(fibres[current]->where)) _longjmp(scheduler, 1);
}

static void live() {
    pause(done);
    for (;;) {
        body(arguments);
        pause(done);
    }
}

// Once a fibre has begun, jumps take it to and fro: they cost far less than a change of context.
static void make_fibres(int count) {
    while ((int)fibres.size() < count) {
        current = fibres.size();
        fibres.push_back(new Fibre);
        ucontext_t context;
        getcontext(&context);
        context.uc_stack.ss_sp = malloc(stack);
        context.uc_stack.ss_size = stack;
        context.uc_link = nullptr;
        makecontext(&context, live, 0);
        if (!_setjmp(scheduler)) swapcontext(&beginning, &context);
    }
}

static void resume(int thread) {
    current = thread;
    threadIdx = {thread, 0, 0};
    if (!_setjmp(scheduler)) _longjmp(fibres[thread]->where, 1);
}

// false: some threads wait at a barrier that the others have gone past.
static bool run_block(int threads) {
    std::vector<int> order(threads);
    for (int t = 0; t < threads; t++) order[t] = t, fibres[t]->state = ready;
    for (;;) {
        for (int t = threads - 1; t > 0; t--) {
            chance = chance * 1664525u + 1013904223u;
            std::swap(order[t], order[(chance >> 8) % (t + 1)]);
        }
        for (int thread : order) resume(thread);
        const int ended = std::count_if(fibres.begin(), fibres.begin() + threads,
                                        [](Fibre *f) { return f->state == done; });
        if (ended == threads) return true;
        if (ended) return false;
    }
}

// What NumPy calls the type of an argument; a structure by its size.
template <typename T> std::string name() {
    if constexpr (std::is_pointer_v<T>) {
        using Value = std::remove_const_t<std::remove_pointer_t<T>>;
        if constexpr (std::is_same_v<Value, double2>) return "float64*";
        else return name<Value>() + "*";
    } else if constexpr (std::is_same_v<T, bool>) return "bool";
    else if constexpr (std::is_floating_point_v<T>) return "float" + std::to_string(8 * sizeof(T));
    else if constexpr (std::is_integral_v<T>)
        return (std::is_unsigned_v<T> ? "uint" : "int") + std::to_string(8 * sizeof(T));
    else return "void" + std::to_string(8 * sizeof(T));
}

template <typename... A> std::string signature(void (*)(A...)) {
    std::string all;
    ((all += name<A>() + " "), ...);
    return all;
}

template <typename... A, size_t... I>
void call(void (*kernel)(A...), void **values, std::index_sequence<I...>) {
    kernel(*static_cast<A *>(values[I])...);
}

template <typename... A> void call(void (*kernel)(A...), void **values) {
    call(kernel, values, std::index_sequence_for<A...>());
}

static bool launch(Three grid, int threads, void (*kernel)(void **), void **values) {
    make_fibres(threads);
    body = kernel, arguments = values;
    gridDim = grid, blockDim = {threads, 1, 1};
    const size_t count = (size_t)grid.x * grid.y * grid.z;
    size_t step = chance % count | 1;  // one with no divisor in common with count reaches all
    while (std::gcd(step, count) != 1) step++;
    for (size_t n = 0, block = chance % count; n < count; n++, block = (block + step) % count) {
        blockIdx = {int(block % grid.x), int(block / grid.x % grid.y), int(block / grid.x / grid.y)};
        if (!run_block(threads)) return false;
    }
    return true;
}

}  // namespace emulator

static void __syncthreads() { emulator::pause(emulator::waiting); }

// Blocks run one after the other, and see what was written before.
static void __threadfence() {}
template <typename T> T __ldcg(const T *address) { return *address; }
static unsigned atomicInc(unsigned *counter, unsigned most) {
    const unsigned before = *counter;
    *counter = before >= most ? 0 : before + 1;
    return before;
}

static float __int_as_float(int bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static int __float_as_int(float x) {
    int bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

// TF32 has 10 bits of fraction; halfway goes away from 0.
static unsigned rounded(float x) {
    return (__float_as_int(x) + (1u << 12)) & ~((1u << 13) - 1);
}

// mma.m16n8k8 of a warp, as the PTX ISA tells who has what: here all threads of the block are to
// come, as at a barrier.
static void multiply_add(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    static unsigned as[1024][4], bs[1024][2];
    const int thread = threadIdx.x, warp = thread / 32 * 32, group = thread % 32 / 4;
    std::copy(a, a + 4, as[thread]);
    std::copy(b, b + 2, bs[thread]);
    __syncthreads();
    for (int e = 0; e < 4; e++) {
        const int row = group + (e >= 2 ? 8 : 0), column = thread % 4 * 2 + e % 2;
        for (int k = 0; k < 8; k++) {
            const unsigned left = as[warp + row % 8 * 4 + k % 4][(row >= 8) + 2 * (k >= 4)];
            const unsigned right = bs[warp + column * 4 + k % 4][k >= 4];
            sums[e] += __int_as_float(left) * __int_as_float(right);
        }
    }
    __syncthreads();
}

// One for each kernel, behind the .cu file.
#define EXPORT(kernel)                                                                       \
    extern "C" const char *signature_##kernel() {                                            \
        static const std::string text = emulator::signature(kernel);                         \
        return text.c_str();                                                                 \
    }                                                                                        \
    extern "C" bool launch_##kernel(int x, int y, int z, int threads, void **values) {       \
        return emulator::launch({x, y, z}, threads,                                          \
                                [](void **v) { emulator::call(kernel, v); }, values);        \
    }
