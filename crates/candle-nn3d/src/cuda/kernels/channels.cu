// Numbers for each channel of channels-last activations.

// y += bias[channel] + item_bias[item, channel] + residual, where they are there, rounded once;
// n numbers, `per_item` of each item.
template <class T>
__device__ void add_to_channels(
    T *y, const T *bias, const T *item_bias, const T *residual, u64 n, u64 c, u64 per_item
) {
    u64 i = thread_index();
    if (i >= n) return;
    Real<T> sum = load(y[i]);
    u64 channel = i % c;
    if (bias) sum += load(bias[channel]);
    if (item_bias) sum += load(item_bias[i / per_item * c + channel]);
    if (residual) sum += load(residual[i]);
    store(y + i, sum);
}

// Sums of up to `rows` rows of x `[all_rows, c]`, in order: sums `[ceil(all_rows / rows), c]`.
template <class T>
__device__ void row_sums(const T *x, Real<T> *sums, u64 n, u64 c, u64 all_rows, u32 rows) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 channel = i % c, first = i / c * rows;
    u64 end = first + rows < all_rows ? first + rows : all_rows;
    Real<T> sum = 0;
    for (u64 row = first; row < end; row++) sum += load(x[row * c + channel]);
    sums[i] = sum;
}

template <class T> __device__ void narrow(const Real<T> *x, T *y, u64 n) {
    u64 i = thread_index();
    if (i < n) store(y + i, x[i]);
}

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void add_to_channels_##dtype(                                           \
        T *y, const T *bias, const T *item_bias, const T *residual, u64 n, u64 c, u64 per_item    \
    ) {                                                                                           \
        add_to_channels(y, bias, item_bias, residual, n, c, per_item);                            \
    }                                                                                             \
    extern "C" __global__ void row_sums_##dtype(                                                  \
        const T *x, Real<T> *sums, u64 n, u64 c, u64 all_rows, u32 rows                           \
    ) {                                                                                           \
        row_sums(x, sums, n, c, all_rows, rows);                                                  \
    }                                                                                             \
    extern "C" __global__ void narrow_##dtype(const Real<T> *x, T *y, u64 n) { narrow(x, y, n); }

FOR_DTYPES(MAKE)
