// Numbers for each channel of each item: added to its voxels, and summed over them in double
// precision.

// y[n, .., c] = x[n, .., c] + bias[n, c]; n numbers, `per_item` of each item.
template <class T>
__device__ void add_to_items(const T *x, const T *bias, T *y, u64 n, u64 c, u64 per_item) {
    u64 i = thread_index();
    if (i < n) store(y + i, load(x[i]) + load(bias[i / per_item * c + i % c]));
}

// Sums of up to `most` rows of x `[items, rows, c]`, in order, for sums of the shape
// `[items, ceil(rows / most), c]`; n numbers of them.
template <class T>
__device__ void sum_rows(const T *x, double *sums, u64 n, u64 c, u64 rows, u64 most) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 parts = (rows + most - 1) / most, part = i / c % parts;
    u64 first = part * most, end = first + most < rows ? first + most : rows;
    const T *from = x + i / (c * parts) * rows * c + i % c;
    double sum = 0;
    for (u64 row = first; row < end; row++) sum += (double)load(from[row * c]);
    sums[i] = sum;
}

// Divided in double precision, rounded once.
template <class T> __device__ void quotients(const double *x, T *y, u64 n, double divisor) {
    u64 i = thread_index();
    if (i < n) store(y + i, (Real<T>)(x[i] / divisor));
}

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void add_to_items_##dtype(                                              \
        const T *x, const T *bias, T *y, u64 n, u64 c, u64 per_item                               \
    ) {                                                                                           \
        add_to_items(x, bias, y, n, c, per_item);                                                 \
    }                                                                                             \
    extern "C" __global__ void sum_rows_##dtype(                                                  \
        const T *x, double *sums, u64 n, u64 c, u64 rows, u64 most                                \
    ) {                                                                                           \
        sum_rows(x, sums, n, c, rows, most);                                                      \
    }                                                                                             \
    extern "C" __global__ void quotients_##dtype(const double *x, T *y, u64 n, double divisor) {  \
        quotients(x, y, n, divisor);                                                              \
    }

FOR_DTYPES(MAKE)
