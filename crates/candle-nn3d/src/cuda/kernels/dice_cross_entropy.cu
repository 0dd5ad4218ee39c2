// Soft Dice plus cross-entropy of a softmax: sums over voxels, what they come to, and the gradient.
// Probabilities in the logits' dtype, sums and slopes in double precision, as on the CPU.

// Voxels of one thread.
#define VOXELS 8

// The largest of c logits, and the sum of exponentials above it.
template <class R> struct Softmax {
    R largest, sum;

    __device__ Softmax(const R *logits, u64 c) {
        largest = logits[0];
        for (u64 k = 1; k < c; k++) largest = logits[k] > largest ? logits[k] : largest;
        sum = 0;
        for (u64 k = 0; k < c; k++) sum += exponential(logits[k] - largest);
    }
    __device__ Softmax() {}
    __device__ double of(R logit) const { return (double)(exponential(logit - largest) / sum); }
};

// A block takes THREADS * VOXELS voxels of an item, of `per_item`: for each, sums `[3 c + 1]` of
// the overlap with each class, of what is predicted and of what is present, and of the surprise.
template <class R>
__device__ void dice_sums(
    const R *logits, const unsigned char *classes, double *sums, u64 per_item, u64 c
) {
    u64 most = THREADS * VOXELS, parts = (per_item + most - 1) / most;
    u64 first = blockIdx.x % parts * most + threadIdx.x, item = blockIdx.x / parts * per_item;
    double *out = sums + blockIdx.x * (3 * c + 1);
    Softmax<R> voxels[VOXELS];
    double surprise = 0;
    for (u64 j = 0; j < VOXELS; j++) {
        u64 voxel = first + j * THREADS;
        if (voxel >= per_item) continue;
        const R *of_voxel = logits + (item + voxel) * c;
        Softmax<R> softmax(of_voxel, c);
        double of_class = (double)of_voxel[classes[item + voxel]];
        surprise += (double)softmax.largest + log((double)softmax.sum) - of_class;
        voxels[j] = softmax;
    }
    for (u64 k = 0; k < c; k++) {
        double overlap = 0, predicted = 0, present = 0;
        for (u64 j = 0; j < VOXELS; j++) {
            u64 voxel = first + j * THREADS;
            if (voxel >= per_item) continue;
            double p = voxels[j].of(logits[(item + voxel) * c + k]);
            predicted += p;
            if (classes[item + voxel] == k) {
                overlap += p;
                present += 1;
            }
        }
        overlap = block_sum(overlap);
        predicted = block_sum(predicted);
        present = block_sum(present);
        if (threadIdx.x == 0) {
            out[k] = overlap;
            out[c + k] = predicted;
            out[2 * c + k] = present;
        }
    }
    surprise = block_sum(surprise);
    if (threadIdx.x == 0) out[3 * c] = surprise;
}

// Sums `[items, 3 c + 1]` by group: an item, or (`batch` not 0) all of them.
struct Groups {
    const double *sums;
    u64 items, c;
    u32 batch;

    __device__ u64 count() const { return batch ? 1 : items; }
    __device__ double sum(u64 group, u64 column) const {
        u64 width = 3 * c + 1;
        if (!batch) return sums[group * width + column];
        double sum = 0;
        for (u64 item = 0; item < items; item++) sum += sums[item * width + column];
        return sum;
    }
    __device__ double numerator(u64 group, u64 k, double smooth) const {
        return 2.0 * sum(group, k) + smooth;
    }
    // Never 0: classes that are nowhere have a Dice of 0 over it.
    __device__ double denominator(u64 group, u64 k, double smooth) const {
        double size = sum(group, c + k) + sum(group, 2 * c + k) + smooth;
        return size > 2.2250738585072014e-308 ? size : 2.2250738585072014e-308;
    }
};

// The loss, and for every group and class its slopes in a probability elsewhere and on the target:
// slopes `[groups, c, 2]`. A thread for each group and class. Classes below `first` do not count.
template <class R>
__device__ void dice_value(
    R *value, double *slopes, Groups groups, u64 first, double voxels, double dice,
    double cross_entropy, double smooth
) {
    u64 i = thread_index(), c = groups.c, n = groups.count() * c;
    double terms = (double)(groups.count() * (c - first));
    if (i < n) {
        u64 group = i / c, k = i % c;
        double size = groups.denominator(group, k, smooth);
        double elsewhere = groups.numerator(group, k, smooth) / (size * size);
        double scale = dice / terms;
        slopes[2 * i] = k < first ? 0.0 : scale * elsewhere;
        slopes[2 * i + 1] = k < first ? 0.0 : scale * (elsewhere - 2.0 / size);
    }
    if (i != 0) return;
    double sum = 0, surprise = 0;
    for (u64 group = 0; group < groups.count(); group++)
        for (u64 k = first; k < c; k++)
            sum += groups.numerator(group, k, smooth) / groups.denominator(group, k, smooth);
    for (u64 item = 0; item < groups.items; item++)
        surprise += groups.sums[item * (3 * c + 1) + 3 * c];
    *value = (R)(dice * (1.0 - sum / terms) + cross_entropy * surprise / voxels);
}

// The gradient of the logits; a thread for each of n voxels, `per_item` of each item.
template <class R>
__device__ void dice_gradient(
    const R *logits, const unsigned char *classes, const double *slopes, const R *upstream,
    R *gradient, u64 n, u64 per_item, u64 c, u32 batch, double cross_entropy
) {
    u64 voxel = thread_index();
    if (voxel >= n) return;
    const R *of_voxel = logits + voxel * c;
    const double *of_group = slopes + (batch ? 0 : voxel / per_item * c * 2);
    u64 of_target = classes[voxel];
    Softmax<R> softmax(of_voxel, c);
    double mean = 0;
    for (u64 k = 0; k < c; k++) {
        mean += of_group[2 * k + (k == of_target)] * softmax.of(of_voxel[k]);
    }
    for (u64 k = 0; k < c; k++) {
        double p = softmax.of(of_voxel[k]), indicator = k == of_target ? 1.0 : 0.0;
        double of_dice = p * (of_group[2 * k + (k == of_target)] - mean);
        double of_entropy = cross_entropy / (double)n * (p - indicator);
        gradient[voxel * c + k] = (R)((double)*upstream * (of_dice + of_entropy));
    }
}

#define MAKE(R, dtype)                                                                            \
    extern "C" __global__ void dice_sums_##dtype(                                                 \
        const R *logits, const unsigned char *classes, double *sums, u64 per_item, u64 c          \
    ) {                                                                                           \
        dice_sums(logits, classes, sums, per_item, c);                                            \
    }                                                                                             \
    extern "C" __global__ void dice_value_##dtype(                                                \
        const double *sums, R *value, double *slopes, u64 items, u64 c, u32 batch, u64 first,     \
        double voxels, double dice, double cross_entropy, double smooth                           \
    ) {                                                                                           \
        Groups groups{sums, items, c, batch};                                                     \
        dice_value(value, slopes, groups, first, voxels, dice, cross_entropy, smooth);            \
    }                                                                                             \
    extern "C" __global__ void dice_gradient_##dtype(                                             \
        const R *logits, const unsigned char *classes, const double *slopes, const R *upstream,   \
        R *gradient, u64 n, u64 per_item, u64 c, u32 batch, double cross_entropy                  \
    ) {                                                                                           \
        dice_gradient(                                                                            \
            logits, classes, slopes, upstream, gradient, n, per_item, c, batch, cross_entropy     \
        );                                                                                        \
    }

MAKE(float, f32)
MAKE(double, f64)
