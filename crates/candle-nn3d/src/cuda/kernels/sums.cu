// Sums in double precision, of what other kernels have summed over a few numbers each.

// Sums of up to `rows` rows of every x `[batch, all_rows, width]`, in order: n sums
// `[batch, ceil(all_rows / rows), width]`.
extern "C" __global__ void sum_rows(
    const double *x, double *y, u64 n, u64 width, u64 all_rows, u64 rows
) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 parts = (all_rows + rows - 1) / rows;
    u64 column = i % width, part = i / width % parts, item = i / (width * parts);
    u64 first = part * rows, end = first + rows < all_rows ? first + rows : all_rows;
    double sum = 0;
    for (u64 row = first; row < end; row++) sum += x[(item * all_rows + row) * width + column];
    y[i] = sum;
}

// Sums for each of c channels over columns that hold them several times, rounded.
template <class T> __device__ void fold(const double *x, T *y, u64 c, u64 width) {
    u64 channel = thread_index();
    if (channel >= c) return;
    double sum = 0;
    for (u64 column = channel; column < width; column += c) sum += x[column];
    store(y + channel, (Real<T>)sum);
}

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void fold_##dtype(const double *x, T *y, u64 c, u64 width) {            \
        fold(x, y, c, width);                                                                     \
    }

FOR_DTYPES(MAKE)
