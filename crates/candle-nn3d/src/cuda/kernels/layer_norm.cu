// Normalisation of every row of c numbers by itself, with a weight and a bias for each column. A
// warp has a row.

// normal = (x - centre) rstd + shift: the shift is what rounding has left of the mean.
template <class R> struct RowStandard {
    R centre, rstd, shift;

    __device__ R normal(R x) const { return (x - centre) * rstd + shift; }
};

template <class T>
__device__ RowStandard<Real<T>> standard_of(const T *row, u64 c, Real<T> eps) {
    Real<T> sum = 0, left = 0, squares = 0, count = (Real<T>)c;
    for (u64 i = threadIdx.x % 32; i < c; i += 32) sum += load(row[i]);
    RowStandard<Real<T>> standard;
    standard.centre = warp_sum(sum) / count;
    // A second reading, so that squares do not cancel.
    for (u64 i = threadIdx.x % 32; i < c; i += 32) {
        Real<T> deviation = load(row[i]) - standard.centre;
        left += deviation;
        squares += deviation * deviation;
    }
    left = warp_sum(left) / count;
    Real<T> variance = warp_sum(squares) / count - left * left;
    // Rounding may leave a tiny negative number where all are equal; a NaN stays one.
    variance = variance < Real<T>(0) ? Real<T>(0) : variance;
    standard.rstd = Real<T>(1) / square_root(variance + eps);
    standard.shift = -left * standard.rstd;
    return standard;
}

template <class T>
__device__ void layer_norm(
    const T *x, const T *weight, const T *bias, T *y, u64 rows, u64 c, Real<T> eps
) {
    u64 row = thread_index() / 32;
    if (row >= rows) return;
    x += row * c;
    RowStandard<Real<T>> standard = standard_of(x, c, eps);
    for (u64 i = threadIdx.x % 32; i < c; i += 32) {
        store(y + row * c + i, standard.normal(load(x[i])) * load(weight[i]) + load(bias[i]));
    }
}

// With g = weight dy: dx = rstd (g - mean of g - normal mean of g normal). Leaves what rows are
// normalised by, three numbers each.
template <class T>
__device__ void layer_norm_gradient(
    const T *x, const T *weight, const T *dy, T *dx, Real<T> *standards, u64 rows, u64 c,
    Real<T> eps
) {
    u64 row = thread_index() / 32;
    if (row >= rows) return;
    x += row * c;
    dy += row * c;
    RowStandard<Real<T>> standard = standard_of(x, c, eps);
    Real<T> plain = 0, weighted = 0;
    for (u64 i = threadIdx.x % 32; i < c; i += 32) {
        Real<T> g = load(weight[i]) * load(dy[i]);
        plain += g;
        weighted += g * standard.normal(load(x[i]));
    }
    plain = warp_sum(plain) / (Real<T>)c;
    weighted = warp_sum(weighted) / (Real<T>)c;
    for (u64 i = threadIdx.x % 32; i < c; i += 32) {
        Real<T> g = load(weight[i]) * load(dy[i]);
        Real<T> normal = standard.normal(load(x[i]));
        store(dx + row * c + i, standard.rstd * ((g - plain) - normal * weighted));
    }
    if (threadIdx.x % 32 > 0) return;
    standards[3 * row] = standard.centre;
    standards[3 * row + 1] = standard.rstd;
    standards[3 * row + 2] = standard.shift;
}

// Sums of dy normal and of dy over parts of columns (sums.rs), those of n threads each.
template <class T>
__device__ void layer_norm_sums(
    const T *x, const T *dy, const Real<T> *standards, double *sums, u64 n, u64 width, u64 parts,
    u64 rows, u64 all, u64 c
) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 column = i % width, first = i / width * rows * width, end = first + rows * width;
    if (end > all) end = all;
    Real<T> weighted = 0, plain = 0;
    const Real<T> *of_row = standards + (first + column) / c * 3;
    for (u64 at = first + column; at < end; at += width, of_row += width / c * 3) {
        RowStandard<Real<T>> standard = {of_row[0], of_row[1], of_row[2]};
        Real<T> g = load(dy[at]);
        weighted += g * standard.normal(load(x[at]));
        plain += g;
    }
    sums[i] = weighted;
    sums[n + i] = plain;
}

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void layer_norm_##dtype(                                                \
        const T *x, const T *weight, const T *bias, T *y, u64 rows, u64 c, Real<T> eps            \
    ) {                                                                                           \
        layer_norm(x, weight, bias, y, rows, c, eps);                                             \
    }                                                                                             \
    extern "C" __global__ void layer_norm_gradient_##dtype(                                       \
        const T *x, const T *weight, const T *dy, T *dx, Real<T> *standards, u64 rows, u64 c,     \
        Real<T> eps                                                                               \
    ) {                                                                                           \
        layer_norm_gradient(x, weight, dy, dx, standards, rows, c, eps);                          \
    }                                                                                             \
    extern "C" __global__ void layer_norm_sums_##dtype(                                           \
        const T *x, const T *dy, const Real<T> *standards, double *sums, u64 n, u64 width,        \
        u64 parts, u64 rows, u64 all, u64 c                                                       \
    ) {                                                                                           \
        layer_norm_sums(x, dy, standards, sums, n, width, parts, rows, all, c);                   \
    }

FOR_DTYPES(MAKE)
