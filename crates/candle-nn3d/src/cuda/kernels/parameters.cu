// Passes over parameters, their gradients, and what optimisers and averages remember of them. They
// are compiled without fusing and compute in the CPU's order, so that the bits are the CPU's.

// p <- keep p, then Adam's step, as in optimiser/adam.rs.
template <class T>
__device__ void adam(
    T *p, const T *g, T *m, T *v, u64 n, T keep, T weight_decay, T beta1, T towards, T beta2,
    T share, T correction, T epsilon, T factor
) {
    u64 i = thread_index();
    if (i >= n) return;
    T value = p[i] * keep;
    T gradient = weight_decay == T(0) ? g[i] : g[i] + weight_decay * value;
    // `torch.lerp` starts from the nearer end.
    T mean = towards < T(0.5) ? m[i] + towards * (gradient - m[i])
                              : gradient - (gradient - m[i]) * beta1;
    T square = v[i] * beta2 + share * gradient * gradient;
    m[i] = mean;
    v[i] = square;
    p[i] = value + factor * mean / (square_root(square) / correction + epsilon);
}

template <class T> __device__ T decayed(T gradient, T value, T weight_decay) {
    return weight_decay == T(0) ? gradient : gradient + weight_decay * value;
}

// Plain descent.
template <class T> __device__ void sgd(T *p, const T *g, u64 n, T rate, T weight_decay) {
    u64 i = thread_index();
    if (i < n) p[i] -= rate * decayed(g[i], p[i], weight_decay);
}

// Descent with momentum; `first` where b holds nothing yet.
template <class T>
__device__ void momentum(
    T *p, const T *g, T *b, u64 n, T rate, T weight_decay, T keep, T share, u32 nesterov, u32 first
) {
    u64 i = thread_index();
    if (i >= n) return;
    T gradient = decayed(g[i], p[i], weight_decay);
    T direction = first ? gradient : b[i] * keep + share * gradient;
    b[i] = direction;
    if (nesterov) direction = gradient + keep * direction;
    p[i] -= rate * direction;
}

// average <- keep average + take value; a copy where nothing is kept, also of what is not finite.
template <class T>
__device__ void average(T *average, const T *value, u64 n, T keep, T take) {
    u64 i = thread_index();
    if (i < n) average[i] = keep == T(0) ? value[i] : average[i] * keep + value[i] * take;
}

template <class T> __device__ void exchange(T *a, T *b, u64 n) {
    u64 i = thread_index();
    if (i >= n) return;
    T kept = a[i];
    a[i] = b[i];
    b[i] = kept;
}

template <class T> __device__ void accumulate(T *sum, const T *more, u64 n) {
    u64 i = thread_index();
    if (i < n) sum[i] += more[i];
}

template <class T> __device__ void multiply(T *x, u64 n, T factor) {
    u64 i = thread_index();
    if (i < n) x[i] *= factor;
}

// Sums of squares of chunks, at sums[first + chunk]: 32 interleaved lanes for each, then the lanes
// in order. A warp takes a chunk, so that its reads are together.
template <class T>
__device__ void squares(const T *x, double *sums, u64 n, u64 chunk, u64 chunks, u64 first) {
    __shared__ double lanes[THREADS];
    u32 lane = threadIdx.x % 32;
    u64 mine = (u64)blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    double sum = 0;
    if (mine < chunks) {
        u64 end = (mine + 1) * chunk < n ? (mine + 1) * chunk : n;
        for (u64 i = mine * chunk + lane; i < end; i += 32) {
            double value = (double)x[i];
            sum += value * value;
        }
    }
    lanes[threadIdx.x] = sum;
    __syncthreads();
    if (lane == 0 && mine < chunks) {
        double total = 0;
        for (u32 i = 0; i < 32; i++) total += lanes[threadIdx.x + i];
        sums[first + mine] = total;
    }
}

// totals[place] = sums[first] + .. in order.
extern "C" __global__ void total(
    const double *sums, double *totals, u64 first, u64 count, u64 place
) {
    if (thread_index() > 0) return;
    double sum = 0;
    for (u64 i = 0; i < count; i++) sum += sums[first + i];
    totals[place] = sum;
}

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void adam_##dtype(                                                      \
        T *p, const T *g, T *m, T *v, u64 n, T keep, T weight_decay, T beta1, T towards, T beta2, \
        T share, T correction, T epsilon, T factor                                                \
    ) {                                                                                           \
        adam(                                                                                     \
            p, g, m, v, n, keep, weight_decay, beta1, towards, beta2, share, correction, epsilon, \
            factor                                                                                \
        );                                                                                        \
    }                                                                                             \
    extern "C" __global__ void sgd_##dtype(T *p, const T *g, u64 n, T rate, T weight_decay) {     \
        sgd(p, g, n, rate, weight_decay);                                                         \
    }                                                                                             \
    extern "C" __global__ void momentum_##dtype(                                                  \
        T *p, const T *g, T *b, u64 n, T rate, T weight_decay, T keep, T share, u32 nesterov,     \
        u32 first                                                                                 \
    ) {                                                                                           \
        momentum(p, g, b, n, rate, weight_decay, keep, share, nesterov, first);                   \
    }                                                                                             \
    extern "C" __global__ void average_##dtype(                                                   \
        T *mean, const T *value, u64 n, T keep, T take                                            \
    ) {                                                                                           \
        average(mean, value, n, keep, take);                                                      \
    }                                                                                             \
    extern "C" __global__ void exchange_##dtype(T *a, T *b, u64 n) { exchange(a, b, n); }         \
    extern "C" __global__ void accumulate_##dtype(T *sum, const T *more, u64 n) {                 \
        accumulate(sum, more, n);                                                                 \
    }                                                                                             \
    extern "C" __global__ void multiply_##dtype(T *x, u64 n, T factor) { multiply(x, n, factor); } \
    extern "C" __global__ void squares_##dtype(                                                   \
        const T *x, double *sums, u64 n, u64 chunk, u64 chunks, u64 first                         \
    ) {                                                                                           \
        squares(x, sums, n, chunk, chunks, first);                                                \
    }

MAKE(float, f32)
MAKE(double, f64)
