// Mean penalties of differences, in double precision as on the CPU.

// `parameter` is where Huber's penalty turns from a square to a line.
struct Square {
    static __device__ double value(double d, double) { return d * d; }
    static __device__ double slope(double d, double) { return 2.0 * d; }
};
struct Absolute {
    static __device__ double value(double d, double) { return fabs(d); }
    // Zero stays zero, and NaN stays NaN.
    static __device__ double slope(double d, double) { return d > 0 ? 1.0 : d < 0 ? -1.0 : d; }
};
struct Huber {
    static __device__ double value(double d, double delta) {
        double size = fabs(d);
        return size > delta ? delta * (size - 0.5 * delta) : 0.5 * d * d;
    }
    static __device__ double slope(double d, double delta) {
        return d > delta ? delta : d < -delta ? -delta : d;
    }
};

// A block adds up to `most` penalties of one item: sums `[items, parts]` for as many blocks, with
// parts = ceil(per_item / most).
template <class F, class T>
__device__ void penalties(
    const T *a, const T *b, double *sums, u64 per_item, u64 most, double parameter
) {
    u64 parts = (per_item + most - 1) / most;
    u64 item = blockIdx.x / parts, first = blockIdx.x % parts * most;
    u64 end = first + most < per_item ? first + most : per_item;
    double sum = 0;
    for (u64 i = first + threadIdx.x; i < end; i += THREADS) {
        u64 at = item * per_item + i;
        sum += F::value((double)load(a[at]) - (double)load(b[at]), parameter);
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// The sum over items of weight times sum, over `count`; one thread.
template <class R>
__device__ void weighted_mean(
    const double *sums, const double *weights, R *mean, u64 items, double count
) {
    if (thread_index() != 0) return;
    double total = 0;
    for (u64 item = 0; item < items; item++) total += weights[item] * sums[item];
    *mean = (R)(total / count);
}

// The slope of `sign` times the mean in a[i], times what comes from above; n numbers.
template <class F, class T>
__device__ void slopes(
    const T *a, const T *b, const double *weights, const Real<T> *upstream, T *gradient, u64 n,
    u64 per_item, double sign, double parameter
) {
    u64 i = thread_index();
    if (i >= n) return;
    double factor = sign * (double)*upstream * weights[i / per_item] / (double)n;
    double slope = F::slope((double)load(a[i]) - (double)load(b[i]), parameter);
    store(gradient + i, (Real<T>)(factor * slope));
}

#define PENALTY(F, name, T, dtype)                                                                \
    extern "C" __global__ void name##_##dtype(                                                    \
        const T *a, const T *b, double *sums, u64 per_item, u64 most, double parameter            \
    ) {                                                                                           \
        penalties<F>(a, b, sums, per_item, most, parameter);                                      \
    }                                                                                             \
    extern "C" __global__ void name##_slopes_##dtype(                                             \
        const T *a, const T *b, const double *weights, const Real<T> *upstream, T *gradient,      \
        u64 n, u64 per_item, double sign, double parameter                                        \
    ) {                                                                                           \
        slopes<F>(a, b, weights, upstream, gradient, n, per_item, sign, parameter);               \
    }

#define MAKE(T, dtype)                                                                            \
    PENALTY(Square, square, T, dtype)                                                             \
    PENALTY(Absolute, absolute, T, dtype)                                                         \
    PENALTY(Huber, huber, T, dtype)                                                               \
    extern "C" __global__ void weighted_mean_##dtype(                                             \
        const double *sums, const double *weights, Real<T> *mean, u64 items, double count         \
    ) {                                                                                           \
        weighted_mean(sums, weights, mean, items, count);                                         \
    }

FOR_DTYPES(MAKE)
