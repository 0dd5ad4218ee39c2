// Channels put side by side, and taken apart. One thread makes one number of the result.

// y[v] = a[v], then b[v], for every voxel v; n numbers of y.
template <class T>
__device__ void interleave(const T *a, const T *b, T *y, u64 n, u64 c_a, u64 c_b) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 voxel = i / (c_a + c_b), channel = i % (c_a + c_b);
    y[i] = channel < c_a ? a[voxel * c_a + channel] : b[voxel * c_b + channel - c_a];
}

// y[v] = x[v][first..first + taken] for every voxel v of c channels; n numbers of y.
template <class T> __device__ void take(const T *x, T *y, u64 n, u64 c, u64 first, u64 taken) {
    u64 i = thread_index();
    if (i < n) y[i] = x[i / taken * c + first + i % taken];
}

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void interleave_##dtype(                                                \
        const T *a, const T *b, T *y, u64 n, u64 c_a, u64 c_b                                     \
    ) {                                                                                           \
        interleave(a, b, y, n, c_a, c_b);                                                         \
    }                                                                                             \
    extern "C" __global__ void take_##dtype(                                                      \
        const T *x, T *y, u64 n, u64 c, u64 first, u64 taken                                      \
    ) {                                                                                           \
        take(x, y, n, c, first, taken);                                                           \
    }

FOR_DTYPES(MAKE)
