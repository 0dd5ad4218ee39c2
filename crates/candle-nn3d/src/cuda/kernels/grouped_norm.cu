// Group, instance and batch norm with an activation. Items are rows of `width` columns, which hold
// the channels of one voxel or of several; a thread has one column of `rows` rows (sums.rs).
// Numbers of every channel and group are in double precision: they are few.

// The part of an item that a thread has: numbers from `first` on, a row apart.
struct Part {
    u64 column, item, first, end;
};

__device__ inline Part part_of(u64 i, u64 width, u64 parts, u64 rows, u64 per_item) {
    Part part;
    part.column = i % width;
    part.item = i / (width * parts);
    u64 start = i / width % parts * rows * width, end = start + rows * width;
    part.first = part.item * per_item + start + part.column;
    part.end = part.item * per_item + (end < per_item ? end : per_item);
    return part;
}

// Means and sums of squared deviations of parts: those of n threads, one after the other.
template <class T>
__device__ void moments(
    const T *x, double *means, u64 n, u64 width, u64 parts, u64 rows, u64 per_item
) {
    u64 i = thread_index();
    if (i >= n) return;
    Part part = part_of(i, width, parts, rows, per_item);
    double mean = 0, squared = 0;
    if (part.first < part.end) {
        // Deviations from a number among them: no more than `rows` times the squares can cancel.
        Real<T> centre = load(x[part.first]), sum = 0, squares = 0;
        u32 count = 0;
        for (u64 at = part.first; at < part.end; at += width, count++) {
            Real<T> deviation = load(x[at]) - centre;
            sum += deviation;
            squares += deviation * deviation;
        }
        double left = (double)sum / count;
        mean = (double)centre + left;
        squared = (double)squares - left * sum;
    }
    means[i] = mean;
    means[n + i] = squared < 0 ? 0 : squared;
}

// Joins means and sums of squared deviations, by deviations from the first mean.
struct Joined {
    double centre, count, sum, squares;

    __device__ void add(double other_count, double mean, double other_squares) {
        double distance = mean - centre;
        count += other_count;
        sum += other_count * distance;
        squares += other_squares + other_count * distance * distance;
    }
    __device__ double mean() const { return centre + sum / count; }
    __device__ double squared() const {
        double squared = squares - sum / count * sum;
        return squared < 0 ? 0 : squared;
    }
};

// Rows of a column in a part of `span` rows.
__device__ inline double rows_of(u64 column, u64 part, u64 span, u64 width, u64 per_item) {
    u64 all = column < per_item ? (per_item - column + width - 1) / width : 0;
    u64 before = part * span;
    if (all <= before) return 0;
    return (double)(all - before < span ? all - before : span);
}

// Joins up to `together` parts, of `span` rows each, of every column of `items` items.
extern "C" __global__ void join_moments(
    const double *means, double *joined, u64 items, u64 width, u64 parts, u64 together, u64 span,
    u64 per_item
) {
    u64 i = thread_index(), left = (parts + together - 1) / together;
    u64 given = items * parts * width, n = items * left * width;
    if (i >= n) return;
    u64 column = i % width, first = i / width % left * together, item = i / (width * left);
    u64 end = first + together < parts ? first + together : parts;
    u64 at = (item * parts + first) * width + column;
    Joined all = {means[at], 0, 0, 0};
    for (u64 part = first; part < end; part++, at += width) {
        all.add(rows_of(column, part, span, width, per_item), means[at], means[given + at]);
    }
    joined[i] = all.count > 0 ? all.mean() : 0;
    joined[n + i] = all.count > 0 ? all.squared() : 0;
}

// Means, 1 / sqrt(variance + eps) and sums of squared deviations of n groups, from those of
// columns; a warp makes one.
extern "C" __global__ void standards(
    const double *means, double *standards, u64 n, u64 width, u64 c, u64 groups, u64 per_item,
    double eps
) {
    u64 at = thread_index() / 32, lane = threadIdx.x % 32;
    if (at >= n) return;
    u64 item = at / groups, group = at % groups, of_group = c / groups;
    const double *columns = means + item * width;
    u64 squares = n / groups * width;
    Joined all = {columns[group * of_group], 0, 0, 0};
    for (u64 i = lane; i < width / groups; i += 32) {
        u64 column = i / of_group * c + group * of_group + i % of_group;
        double count = rows_of(column, 0, per_item, width, per_item);
        all.add(count, columns[column], columns[squares + column]);
    }
    all.count = warp_sum(all.count);
    all.sum = warp_sum(all.sum);
    all.squares = warp_sum(all.squares);
    if (lane > 0) return;
    standards[at] = all.mean();
    standards[n + at] = 1 / sqrt(all.squared() / all.count + eps);
    standards[2 * n + at] = all.squared();
}

// Three planes of n numbers, one for each item and channel: y = (x - centre) scale + shift. The
// centre is the mean as the kernel's precision has it; the rest of the mean is in the shift, so
// that a mean far from zero costs no digits.
template <class T>
__device__ void affine_table(
    const double *mean, const double *rstd, const T *weight, const T *bias, Real<T> *table, u64 n,
    u64 c, u64 groups
) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 channel = i % c, at = i / c * groups + channel / (c / groups);
    Real<T> centre = (Real<T>)mean[at];
    double factor = (double)load(weight[channel]) * rstd[at];
    table[i] = centre;
    table[n + i] = (Real<T>)factor;
    table[2 * n + i] = (Real<T>)((double)load(bias[channel]) - (mean[at] - centre) * factor);
}

// The numbers of one item and channel in such a table.
template <class R> struct Affine {
    R centre, scale, shift;

    __device__ Affine(const R *table, u64 entries, u64 at)
        : centre(table[at]), scale(table[entries + at]), shift(table[2 * entries + at]) {}
};

// `entries` is the length of the table's planes.
template <class F, class T>
__device__ void normalise(
    const T *x, const Real<T> *table, T *y, u64 n, u64 width, u64 parts, u64 rows, u64 per_item,
    u64 c, u64 entries, Real<T> parameter
) {
    u64 i = thread_index();
    if (i >= n) return;
    Part part = part_of(i, width, parts, rows, per_item);
    Affine<Real<T>> affine(table, entries, part.item * c + part.column % c);
    for (u64 at = part.first; at < part.end; at += width) {
        Real<T> normal = (load(x[at]) - affine.centre) * affine.scale + affine.shift;
        store(y + at, F::value(normal, parameter));
    }
}

// Sums of dy before the activation, and of that times (x - centre), of the parts of n threads.
template <class F, class T>
__device__ void gradient_sums(
    const T *x, const T *dy, const Real<T> *table, double *sums, u64 n, u64 width, u64 parts,
    u64 rows, u64 per_item, u64 c, u64 entries, Real<T> parameter
) {
    u64 i = thread_index();
    if (i >= n) return;
    Part part = part_of(i, width, parts, rows, per_item);
    Affine<Real<T>> affine(table, entries, part.item * c + part.column % c);
    Real<T> plain = 0, weighted = 0;
    for (u64 at = part.first; at < part.end; at += width) {
        Real<T> centred = load(x[at]) - affine.centre;
        Real<T> slope = F::slope(centred * affine.scale + affine.shift, parameter);
        Real<T> active = load(dy[at]) * slope;
        plain += active;
        weighted += active * centred;
    }
    sums[i] = plain;
    sums[n + i] = weighted;
}

// The gradients of weight and bias of n = items c channels, from the sums of columns.
template <class T>
__device__ void affine_gradients(
    const double *sums, const double *mean, const double *rstd, double *gradients, u64 n, u64 c,
    u64 groups, u64 width
) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 channel = i % c, item = i / c, at = item * groups + channel / (c / groups);
    double plain = 0, weighted = 0;
    for (u64 column = channel; column < width; column += c) {
        plain += sums[item * width + column];
        weighted += sums[(n / c + item) * width + column];
    }
    double rest = mean[at] - (double)(Real<T>)mean[at];
    gradients[i] = rstd[at] * (weighted - rest * plain);
    gradients[n + i] = plain;
}

// What the gradient of x takes beside the table: dx = dy scale + (x - centre) slope + constant, two
// planes of n = items c numbers. With N numbers in the group, a and b the sums over its channels of
// the weight times the gradients of bias and weight:
// dx = rstd (weight dy - a / N - normal b / N).
template <class T>
__device__ void input_table(
    const double *gradients, const double *mean, const double *rstd, const T *weight,
    Real<T> *table, u64 n, u64 c, u64 groups, u64 per_item, u32 of_input
) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 of_group = c / groups, channel = i % c, item = i / c, group = channel / of_group;
    u64 at = item * groups + group;
    double a = 0, b = 0;
    // Statistics that do not depend on x take no part.
    for (u64 j = group * of_group; of_input && j < (group + 1) * of_group; j++) {
        double factor = load(weight[j]);
        a += factor * gradients[n + item * c + j];
        b += factor * gradients[item * c + j];
    }
    double count = (double)(per_item / groups);
    double slope = -rstd[at] * rstd[at] * (b / count);
    double rest = mean[at] - (double)(Real<T>)mean[at];
    table[i] = (Real<T>)slope;
    table[n + i] = (Real<T>)(-rstd[at] * (a / count) - rest * slope);
}

template <class F, class T>
__device__ void input_gradient(
    const T *x, const T *dy, const Real<T> *table, const Real<T> *input, T *dx, u64 n, u64 width,
    u64 parts, u64 rows, u64 per_item, u64 c, u64 entries, Real<T> parameter
) {
    u64 i = thread_index();
    if (i >= n) return;
    Part part = part_of(i, width, parts, rows, per_item);
    u64 entry = part.item * c + part.column % c;
    Affine<Real<T>> affine(table, entries, entry);
    Real<T> slope = input[entry], constant = input[entries + entry];
    for (u64 at = part.first; at < part.end; at += width) {
        Real<T> centred = load(x[at]) - affine.centre;
        Real<T> active =
            load(dy[at]) * F::slope(centred * affine.scale + affine.shift, parameter);
        store(dx + at, active * affine.scale + (centred * slope + constant));
    }
}

#define WITH_ACTIVATION(F, name, T, dtype)                                                        \
    extern "C" __global__ void normalise_##name##_##dtype(                                        \
        const T *x, const Real<T> *table, T *y, u64 n, u64 width, u64 parts, u64 rows,            \
        u64 per_item, u64 c, u64 entries, Real<T> parameter                                       \
    ) {                                                                                           \
        normalise<F>(x, table, y, n, width, parts, rows, per_item, c, entries, parameter);        \
    }                                                                                             \
    extern "C" __global__ void gradient_sums_##name##_##dtype(                                    \
        const T *x, const T *dy, const Real<T> *table, double *sums, u64 n, u64 width, u64 parts, \
        u64 rows, u64 per_item, u64 c, u64 entries, Real<T> parameter                             \
    ) {                                                                                           \
        gradient_sums<F>(                                                                         \
            x, dy, table, sums, n, width, parts, rows, per_item, c, entries, parameter            \
        );                                                                                        \
    }                                                                                             \
    extern "C" __global__ void input_gradient_##name##_##dtype(                                   \
        const T *x, const T *dy, const Real<T> *table, const Real<T> *input, T *dx, u64 n,        \
        u64 width, u64 parts, u64 rows, u64 per_item, u64 c, u64 entries, Real<T> parameter       \
    ) {                                                                                           \
        input_gradient<F>(                                                                        \
            x, dy, table, input, dx, n, width, parts, rows, per_item, c, entries, parameter       \
        );                                                                                        \
    }

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void moments_##dtype(                                                   \
        const T *x, double *means, u64 n, u64 width, u64 parts, u64 rows, u64 per_item            \
    ) {                                                                                           \
        moments(x, means, n, width, parts, rows, per_item);                                       \
    }                                                                                             \
    extern "C" __global__ void affine_table_##dtype(                                              \
        const double *mean, const double *rstd, const T *weight, const T *bias, Real<T> *table,   \
        u64 n, u64 c, u64 groups                                                                  \
    ) {                                                                                           \
        affine_table(mean, rstd, weight, bias, table, n, c, groups);                              \
    }                                                                                             \
    extern "C" __global__ void affine_gradients_##dtype(                                          \
        const double *sums, const double *mean, const double *rstd, double *gradients, u64 n,     \
        u64 c, u64 groups, u64 width                                                              \
    ) {                                                                                           \
        affine_gradients<T>(sums, mean, rstd, gradients, n, c, groups, width);                    \
    }                                                                                             \
    extern "C" __global__ void input_table_##dtype(                                               \
        const double *gradients, const double *mean, const double *rstd, const T *weight,         \
        Real<T> *table, u64 n, u64 c, u64 groups, u64 per_item, u32 of_input                      \
    ) {                                                                                           \
        input_table(gradients, mean, rstd, weight, table, n, c, groups, per_item, of_input);      \
    }                                                                                             \
    WITH_ACTIVATION(Identity, identity, T, dtype)                                                 \
    WITH_ACTIVATION(Silu, silu, T, dtype)                                                         \
    WITH_ACTIVATION(Relu, relu, T, dtype)                                                         \
    WITH_ACTIVATION(LeakyRelu, leaky_relu, T, dtype)

FOR_DTYPES(MAKE)
