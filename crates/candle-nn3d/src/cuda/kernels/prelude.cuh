// What every file of kernels begins with. It stands alone, since NVRTC on a user's machine need not
// find CUDA's headers; the host's compiler reads it too, after emulation/shim.h.

typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// launch.rs starts this many threads in every block.
#define THREADS 256

// The parameters of dtype: what is computed in, and how numbers are read and written.
struct bf16 {
    unsigned short bits;
};

template <class T> struct RealOf {
    typedef T type;
};
template <> struct RealOf<bf16> {
    typedef float type;
};
template <class T> using Real = typename RealOf<T>::type;

__device__ inline float load(float x) { return x; }
__device__ inline double load(double x) { return x; }
__device__ inline float load(bf16 x) { return __uint_as_float((u32)x.bits << 16); }

__device__ inline void store(float *y, float x) { *y = x; }
__device__ inline void store(double *y, double x) { *y = x; }
__device__ inline void store(bf16 *y, float x) {
    // Half a unit in the last place, less one where that leaves an even number: ties to even.
    u32 bits = __float_as_uint(x);
    u32 rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    u32 quiet_nan = (bits >> 16) | 0x40;
    y->bits = (unsigned short)(x != x ? quiet_nan : rounded);
}

// Functions by type: a float must never be computed with as a double.
__device__ inline float exponential(float x) { return expf(x); }
__device__ inline double exponential(double x) { return exp(x); }
__device__ inline float logarithm(float x) { return logf(x); }
__device__ inline double logarithm(double x) { return log(x); }
__device__ inline float square_root(float x) { return sqrtf(x); }
__device__ inline double square_root(double x) { return sqrt(x); }
__device__ inline float magnitude(float x) { return fabsf(x); }
__device__ inline double magnitude(double x) { return fabs(x); }
__device__ inline float erf_complement(float x) { return erfcf(x); }
__device__ inline double erf_complement(double x) { return erfc(x); }

// The thread's place among all threads of the grid's first axis.
__device__ inline u64 thread_index() { return (u64)blockIdx.x * THREADS + threadIdx.x; }

// The sum over a block's threads, in a fixed tree: the same bits every time. All of the block must
// come here, and all have the sum.
template <class R> __device__ R block_sum(R x) {
    __shared__ R sums[THREADS];
    sums[threadIdx.x] = x;
    __syncthreads();
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    R sum = sums[0];
    // The next call writes where this one reads.
    __syncthreads();
    return sum;
}

// The largest of a block's threads, as `block_sum`; NaN if any is.
template <class R> __device__ R block_max(R x) {
    __shared__ R largest[THREADS];
    largest[threadIdx.x] = x;
    __syncthreads();
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            R other = largest[threadIdx.x + half];
            if (other > largest[threadIdx.x] || other != other) largest[threadIdx.x] = other;
        }
        __syncthreads();
    }
    R result = largest[0];
    __syncthreads();
    return result;
}

// The sum over a warp's lanes, in a fixed tree; all lanes must come here, and all have the sum.
template <class R> __device__ R warp_sum(R x) {
    for (u32 bits = 16; bits > 0; bits /= 2) x += __shfl_xor_sync(0xffffffff, x, bits);
    return x;
}

// Activation functions of one number; `parameter` is the slope of leaky_relu.

template <class R> __device__ R sigmoid(R x) {
    R power = exponential(-magnitude(x));
    return (x < R(0) ? power : R(1)) / (R(1) + power);
}

// The standard normal distribution and its density.
template <class R> __device__ R normal_distribution(R x) {
    return R(0.5) * erf_complement(x * R(-0.70710678118654752440));
}
template <class R> __device__ R normal_density(R x) {
    return R(0.39894228040143267794) * exponential(R(-0.5) * x * x);
}

struct Identity {
    template <class R> static __device__ R value(R x, R) { return x; }
    template <class R> static __device__ R slope(R, R) { return R(1); }
};
struct Silu {
    template <class R> static __device__ R value(R x, R) { return x * sigmoid(x); }
    template <class R> static __device__ R slope(R x, R) {
        R s = sigmoid(x);
        return s * (x * (R(1) - s) + R(1));
    }
};
struct Gelu {
    template <class R> static __device__ R value(R x, R) { return x * normal_distribution(x); }
    template <class R> static __device__ R slope(R x, R) {
        return x * normal_density(x) + normal_distribution(x);
    }
};
struct Relu {
    // Not a product with zero: that would make -infinity a NaN. NaN stays NaN.
    template <class R> static __device__ R value(R x, R) { return x <= R(0) ? R(0) : x; }
    template <class R> static __device__ R slope(R x, R) { return x > R(0) ? R(1) : R(0); }
};
struct LeakyRelu {
    template <class R> static __device__ R value(R x, R parameter) {
        return x > R(0) ? x : x * parameter;
    }
    template <class R> static __device__ R slope(R x, R parameter) {
        return x > R(0) ? R(1) : parameter;
    }
};

// Instances of a macro for every dtype: `MAKE(float, f32)` and so on.
#define FOR_DTYPES(MAKE) MAKE(float, f32) MAKE(double, f64) MAKE(bf16, bf16)
