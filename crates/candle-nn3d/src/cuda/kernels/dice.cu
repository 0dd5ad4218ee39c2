// Soft Dice plus cross-entropy of a softmax over the last axis. Sums over voxels are in double, in
// a fixed tree; columns of them are overlap, predicted and present of each class, then surprise.

// p = softmax(logits), and -ln p of the voxel's class; a thread for each of n voxels.
template <class T>
__device__ void softmax(
    const T *logits, const unsigned char *target, T *p, double *surprise, u64 n, u64 classes
) {
    u64 voxel = thread_index();
    if (voxel >= n) return;
    const T *x = logits + voxel * classes;
    T *y = p + voxel * classes;
    T largest = x[0];
    for (u64 k = 1; k < classes; k++) largest = x[k] > largest || x[k] != x[k] ? x[k] : largest;
    T sum = 0;
    for (u64 k = 0; k < classes; k++) {
        y[k] = exponential(x[k] - largest);
        sum += y[k];
    }
    for (u64 k = 0; k < classes; k++) y[k] /= sum;
    surprise[voxel] = (double)largest + logarithm((double)sum) - (double)x[target[voxel]];
}

// Sums of up to `rows` voxels of an item: sums [items, parts, columns]; n of them.
template <class T>
__device__ void first_sums(
    const T *p, const unsigned char *target, const double *surprise, double *sums, u64 n,
    u64 classes, u64 voxels, u64 parts, u64 rows
) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 columns = 3 * classes + 1, column = i % columns, part = i / columns % parts;
    u64 start = i / columns / parts * voxels, first = part * rows;
    u64 end = first + rows < voxels ? first + rows : voxels;
    u64 k = column % classes, kind = column / classes;
    double sum = 0;
    for (u64 voxel = start + first; voxel < start + end; voxel++) {
        if (kind == 3) sum += surprise[voxel];
        else if (kind == 2) sum += target[voxel] == k;
        else if (kind == 1 || target[voxel] == k) sum += (double)p[voxel * classes + k];
    }
    sums[i] = sum;
}

// The same of sums [items, from, columns]: [items, parts, columns].
extern "C" __global__ void further_sums(
    const double *x, double *sums, u64 n, u64 columns, u64 from, u64 parts, u64 rows
) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 column = i % columns, part = i / columns % parts, item = i / columns / parts;
    u64 first = part * rows, end = first + rows < from ? first + rows : from;
    double sum = 0;
    for (u64 row = first; row < end; row++) sum += x[(item * from + row) * columns + column];
    sums[i] = sum;
}

// Dice of a class of one group of items, all of them or each: numerator and denominator.
struct Ratio {
    double overlap, size;
};
__device__ inline Ratio ratio(
    const double *totals, u64 items, u64 groups, u64 group, u64 classes, u64 k, double smooth
) {
    u64 columns = 3 * classes + 1;
    double overlap = 0, size = 0;
    for (u64 item = 0; item < items; item++) {
        if (groups > 1 && item != group) continue;
        const double *of = totals + item * columns + k;
        overlap += of[0];
        size += of[classes] + of[2 * classes];
    }
    size += smooth;
    return {2 * overlap + smooth, size > 2.2250738585072014e-308 ? size : 2.2250738585072014e-308};
}

// The loss, and its slope in the probability of each group and class, elsewhere and on the target:
// slopes [groups, classes, 2]. `first` is the first class that counts for Dice. One thread.
template <class T>
__device__ void slopes(
    const double *totals, T *value, double *slopes, u64 items, u64 groups, u64 classes, u64 voxels,
    u64 first, double weight, double cross_entropy, double smooth
) {
    if (thread_index() > 0) return;
    double counted = (double)(groups * (classes - first)), dice = 0, surprise = 0;
    for (u64 group = 0; group < groups; group++) {
        for (u64 k = 0; k < classes; k++) {
            double *pair = slopes + 2 * (group * classes + k);
            pair[0] = pair[1] = 0;
            if (k < first) continue;
            Ratio r = ratio(totals, items, groups, group, classes, k, smooth);
            dice += r.overlap / r.size;
            pair[0] = weight / counted * (r.overlap / (r.size * r.size));
            pair[1] = weight / counted * (r.overlap / (r.size * r.size) - 2 / r.size);
        }
    }
    u64 columns = 3 * classes + 1;
    for (u64 item = 0; item < items; item++) surprise += totals[item * columns + 3 * classes];
    double mean = surprise / (double)(items * voxels);
    *value = (T)(weight * (1 - dice / counted) + cross_entropy * mean);
}

// upstream dloss/dlogits; a thread for each of n voxels.
template <class T>
__device__ void gradient(
    const T *p, const unsigned char *target, const double *slopes, const T *upstream, T *y, u64 n,
    u64 classes, u64 voxels, u64 groups, double cross_entropy
) {
    u64 voxel = thread_index();
    if (voxel >= n) return;
    const double *slope = slopes + 2 * classes * (groups > 1 ? voxel / voxels : 0);
    u64 right = target[voxel];
    double mean = 0, of_entropy = cross_entropy / (double)n;
    for (u64 k = 0; k < classes; k++) {
        mean += slope[2 * k + (k == right)] * (double)p[voxel * classes + k];
    }
    for (u64 k = 0; k < classes; k++) {
        double of = (double)p[voxel * classes + k];
        double sum = of * (slope[2 * k + (k == right)] - mean);
        sum += of_entropy * (of - (k == right ? 1.0 : 0.0));
        y[voxel * classes + k] = (T)((double)*upstream * sum);
    }
}

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void softmax_##dtype(                                                   \
        const T *logits, const unsigned char *target, T *p, double *surprise, u64 n, u64 classes  \
    ) {                                                                                           \
        softmax(logits, target, p, surprise, n, classes);                                         \
    }                                                                                             \
    extern "C" __global__ void first_sums_##dtype(                                                \
        const T *p, const unsigned char *target, const double *surprise, double *sums, u64 n,     \
        u64 classes, u64 voxels, u64 parts, u64 rows                                              \
    ) {                                                                                           \
        first_sums(p, target, surprise, sums, n, classes, voxels, parts, rows);                   \
    }                                                                                             \
    extern "C" __global__ void slopes_##dtype(                                                    \
        const double *totals, T *value, double *of, u64 items, u64 groups, u64 classes,           \
        u64 voxels, u64 first, double weight, double cross_entropy, double smooth                 \
    ) {                                                                                           \
        slopes(                                                                                   \
            totals, value, of, items, groups, classes, voxels, first, weight, cross_entropy,      \
            smooth                                                                                \
        );                                                                                        \
    }                                                                                             \
    extern "C" __global__ void gradient_##dtype(                                                  \
        const T *p, const unsigned char *target, const double *slopes, const T *upstream, T *y,   \
        u64 n, u64 classes, u64 voxels, u64 groups, double cross_entropy                          \
    ) {                                                                                           \
        gradient(p, target, slopes, upstream, y, n, classes, voxels, groups, cross_entropy);      \
    }

MAKE(float, f32)
MAKE(double, f64)
