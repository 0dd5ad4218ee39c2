// What the kernels' sources need to be C++ for the host: CUDA's words, and a machine that runs the
// blocks of a grid in turn and the threads of a block as fibres, which change at barriers. Arithmetic
// is the host's; what is tested is indices, barriers, reductions and formulas.

#include <cmath>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
// Blocks run one after the other on one thread of the host.
#define __shared__ static thread_local
#define __constant__ static const

namespace machine {

struct Index {
    unsigned x, y, z;
};

enum State { READY, AT_BLOCK_BARRIER, AT_WARP_BARRIER, DONE };

// A stack that runs threads of the block one after the other, until one of them waits.
struct Fibre {
    ucontext_t context;
    std::vector<char> stack;
};

// A thread of the block, and the fibre that it waits on.
struct Thread {
    State state;
    Fibre *fibre;
};

struct Call {
    void (*invoke)(void *kernel, void **arguments);
    void *kernel;
    void **arguments;
};

constexpr size_t STACK = 64 * 1024;
constexpr unsigned WARP = 32;
constexpr unsigned MOST_THREADS = 1024;

static thread_local Fibre fibres[MOST_THREADS];
static thread_local Thread threads[MOST_THREADS];
static thread_local unsigned long long slots[MOST_THREADS];
static thread_local ucontext_t scheduler;
// How many threads there are, have begun, and in which order; the one that runs, and its fibre.
static thread_local unsigned count, begun, current;
static thread_local bool reversed;
static thread_local Fibre *running;
static thread_local Call call;

} // namespace machine

static thread_local machine::Index threadIdx, blockIdx, blockDim, gridDim;

namespace machine {

inline unsigned in_order(unsigned i) { return reversed ? count - 1 - i : i; }

inline void turn_to(unsigned thread) {
    current = thread;
    threadIdx = {thread, 0, 0};
}

inline void wait(State state) {
    threads[current] = {state, running};
    swapcontext(&running->context, &scheduler);
}

// What a fibre does: whatever thread is next.
inline void work() {
    while (begun < count) {
        turn_to(in_order(begun++));
        call.invoke(call.kernel, call.arguments);
        threads[current].state = DONE;
    }
}

inline void begin(Fibre &fibre) {
    fibre.stack.resize(STACK);
    getcontext(&fibre.context);
    fibre.context.uc_stack.ss_sp = fibre.stack.data();
    fibre.context.uc_stack.ss_size = STACK;
    fibre.context.uc_link = &scheduler;
    makecontext(&fibre.context, work, 0);
    running = &fibre;
    swapcontext(&scheduler, &fibre.context);
}

// Releases the threads from `first` to `end` if all of them wait at a barrier of this kind.
inline bool release(unsigned first, unsigned end, State barrier) {
    for (unsigned t = first; t < end; t++)
        if (threads[t].state != barrier) return false;
    for (unsigned t = first; t < end; t++) threads[t].state = READY;
    return true;
}

// Runs one block. False if a barrier is not reached by all threads, those that have ended included.
inline bool block() {
    begun = 0;
    for (unsigned i = 0; begun < count; i++) begin(fibres[i]);
    for (;;) {
        bool done = true;
        for (unsigned t = 0; t < count; t++) done = done && threads[t].state == DONE;
        if (done) return true;
        bool any = release(0, count, AT_BLOCK_BARRIER);
        for (unsigned t = 0; t < count; t += WARP)
            any = release(t, t + WARP < count ? t + WARP : count, AT_WARP_BARRIER) || any;
        if (!any) return false;
        for (unsigned i = 0; i < count; i++) {
            unsigned t = in_order(i);
            if (threads[t].state != READY) continue;
            turn_to(t);
            running = threads[t].fibre;
            swapcontext(&scheduler, &running->context);
        }
    }
}

// What Rust calls an argument: an address or a size, a word, a float, a double.
template <class T> constexpr int kind() {
    if (std::is_same<T, float>::value) return 2;
    if (std::is_same<T, double>::value) return 3;
    return sizeof(T) == 8 ? 0 : sizeof(T) == 4 ? 1 : -1;
}

template <class... A, size_t... I>
void spread(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_const_t<A> *>(arguments[I])...);
}

// 0 when it ran, 1 for other arguments than the kernel's, 2 for a barrier not reached by all.
template <class... A>
int run(
    void (*kernel)(A...), unsigned x, unsigned y, unsigned threads_of_a_block, int from_the_last,
    int given, const int *kinds, void **arguments
) {
    const int expected[] = {kind<A>()..., 0};
    if (given != (int)sizeof...(A) || threads_of_a_block > MOST_THREADS) return 1;
    for (int i = 0; i < given; i++)
        if (kinds[i] != expected[i]) return 1;
    call.invoke = [](void *kernel, void **arguments) {
        spread(reinterpret_cast<void (*)(A...)>(kernel), arguments, std::index_sequence_for<A...>());
    };
    call.kernel = reinterpret_cast<void *>(kernel);
    call.arguments = arguments;
    gridDim = {x, y, 1};
    blockDim = {threads_of_a_block, 1, 1};
    count = threads_of_a_block;
    reversed = from_the_last;
    for (unsigned long long i = 0; i < (unsigned long long)x * y; i++) {
        unsigned long long at = reversed ? (unsigned long long)x * y - 1 - i : i;
        blockIdx = {(unsigned)(at % x), (unsigned)(at / x), 0};
        if (!block()) return 2;
    }
    return 0;
}

// What another lane of the warp has; all lanes must take part.
template <class T> T exchange(T x, unsigned lane) {
    std::memcpy(&slots[threadIdx.x], &x, sizeof x);
    wait(AT_WARP_BARRIER);
    T other;
    std::memcpy(&other, &slots[threadIdx.x / WARP * WARP + lane], sizeof other);
    wait(AT_WARP_BARRIER);
    return other;
}

} // namespace machine

inline void __syncthreads() { machine::wait(machine::AT_BLOCK_BARRIER); }
inline void __syncwarp(unsigned = ~0u) { machine::wait(machine::AT_WARP_BARRIER); }
template <class T> T __shfl_sync(unsigned, T x, unsigned lane) {
    return machine::exchange(x, lane % machine::WARP);
}
template <class T> T __shfl_xor_sync(unsigned, T x, unsigned bits) {
    return machine::exchange(x, threadIdx.x % machine::WARP ^ bits);
}
template <class T> T __shfl_down_sync(unsigned, T x, unsigned by) {
    unsigned lane = threadIdx.x % machine::WARP;
    return machine::exchange(x, lane + by < machine::WARP ? lane + by : lane);
}

template <class To, class From> To machine_bits(From from) {
    To to;
    static_assert(sizeof to == sizeof from, "the same bits");
    std::memcpy(&to, &from, sizeof to);
    return to;
}
inline float __uint_as_float(unsigned x) { return machine_bits<float>(x); }
inline unsigned __float_as_uint(float x) { return machine_bits<unsigned>(x); }
inline double __longlong_as_double(long long x) { return machine_bits<double>(x); }
inline long long __double_as_longlong(double x) { return machine_bits<long long>(x); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
