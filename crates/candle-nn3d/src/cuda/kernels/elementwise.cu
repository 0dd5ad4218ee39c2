// Functions of every element by itself. One thread makes one element of the result.

template <class F, class T>
__device__ void map(const T *x, T *y, u64 n, Real<T> parameter) {
    u64 i = thread_index();
    if (i < n) store(y + i, F::value(load(x[i]), parameter));
}

// dx = dy f'(x)
template <class F, class T>
__device__ void map_gradient(const T *x, const T *dy, T *dx, u64 n, Real<T> parameter) {
    u64 i = thread_index();
    if (i < n) store(dx + i, load(dy[i]) * F::slope(load(x[i]), parameter));
}

// y = a gelu(b) for rows of x that hold first a, then b, `width` elements each; n elements of y.
template <class T> __device__ void geglu(const T *x, T *y, u64 n, u64 width) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 a = i + i / width * width;
    store(y + i, load(x[a]) * Gelu::value(load(x[a + width]), Real<T>(0)));
}

template <class T>
__device__ void geglu_gradient(const T *x, const T *dy, T *dx, u64 n, u64 width) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 a = i + i / width * width;
    Real<T> of_y = load(dy[i]), gate = load(x[a + width]);
    store(dx + a, of_y * Gelu::value(gate, Real<T>(0)));
    store(dx + a + width, of_y * load(x[a]) * Gelu::slope(gate, Real<T>(0)));
}

template <class T> __device__ void add(const T *a, const T *b, T *y, u64 n) {
    u64 i = thread_index();
    if (i < n) store(y + i, load(a[i]) + load(b[i]));
}

template <class T> __device__ void scale(const T *x, T *y, u64 n, Real<T> factor) {
    u64 i = thread_index();
    if (i < n) store(y + i, factor * load(x[i]));
}

#define ACTIVATION(F, name, T, dtype)                                                             \
    extern "C" __global__ void name##_##dtype(const T *x, T *y, u64 n, Real<T> parameter) {       \
        map<F>(x, y, n, parameter);                                                               \
    }                                                                                             \
    extern "C" __global__ void name##_gradient_##dtype(                                           \
        const T *x, const T *dy, T *dx, u64 n, Real<T> parameter                                  \
    ) {                                                                                           \
        map_gradient<F>(x, dy, dx, n, parameter);                                                 \
    }

#define MAKE(T, dtype)                                                                            \
    ACTIVATION(Silu, silu, T, dtype)                                                              \
    ACTIVATION(Gelu, gelu, T, dtype)                                                              \
    ACTIVATION(Relu, relu, T, dtype)                                                              \
    ACTIVATION(LeakyRelu, leaky_relu, T, dtype)                                                   \
    extern "C" __global__ void geglu_##dtype(const T *x, T *y, u64 n, u64 width) {                \
        geglu(x, y, n, width);                                                                    \
    }                                                                                             \
    extern "C" __global__ void geglu_gradient_##dtype(                                            \
        const T *x, const T *dy, T *dx, u64 n, u64 width                                          \
    ) {                                                                                           \
        geglu_gradient(x, dy, dx, n, width);                                                      \
    }                                                                                             \
    extern "C" __global__ void add_##dtype(const T *a, const T *b, T *y, u64 n) {                 \
        add(a, b, y, n);                                                                          \
    }                                                                                             \
    extern "C" __global__ void scale_##dtype(const T *x, T *y, u64 n, Real<T> factor) {           \
        scale(x, y, n, factor);                                                                   \
    }

FOR_DTYPES(MAKE)
