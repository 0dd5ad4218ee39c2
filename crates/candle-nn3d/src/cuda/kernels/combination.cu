// Weighted sums of tensors, with noise and limits, in one pass; after philox.cuh. They are not
// fused and come in the CPU's order, so that the bits are the CPU's.

// As in combination.rs.
#define OPERANDS 6
#define ROW 14

// What is done with item `i / per_item` stands in its row of the table: a weight for each operand,
// the scale of the noise, lower and upper limit, divisor, the key's four words.
template <class T>
__device__ void combine(
    T *y, const T *const (&operands)[OPERANDS], const double *table, u64 n, u64 per_item,
    u32 checked, u32 noisy, u32 limited
) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 item = i / per_item;
    const double *row = table + item * ROW;
    Real<T> sum = 0;
    bool finite = true;
    for (u32 k = 0; k < OPERANDS; k++) {
        if (!operands[k]) continue;
        Real<T> x = load(operands[k][i]);
        sum += (Real<T>)row[k] * x;
        // Infinity less itself is no number either.
        if (checked >> k & 1) finite = finite && x - x == Real<T>(0);
    }
    if (noisy) {
        Key key = {(u32)row[10], (u32)row[11], (u32)row[12], (u32)row[13]};
        sum += (Real<T>)row[6] * normal(key, i - item * per_item, Real<T>(0));
    }
    if (limited) {
        Real<T> lower = row[7], upper = row[8], divisor = row[9];
        sum = sum < lower ? lower : sum > upper ? upper : sum;
        sum = sum / divisor;
    }
    // Limits must not hide it: what follows can only be no number either.
    Real<T> zero = 0;
    store(y + i, finite ? sum : zero / zero);
}

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void combine_##dtype(                                                   \
        T *y, const T *a, const T *b, const T *c, const T *d, const T *e, const T *f,             \
        const double *table, u64 n, u64 per_item, u32 checked, u32 noisy, u32 limited             \
    ) {                                                                                           \
        const T *const operands[OPERANDS] = {a, b, c, d, e, f};                                   \
        combine(y, operands, table, n, per_item, checked, noisy, limited);                        \
    }

FOR_DTYPES(MAKE)
