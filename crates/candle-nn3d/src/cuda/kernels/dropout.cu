// Units of x set to 0 where their uniform number is below p, the others scaled.

// The `n` numbers of an item that begins at `start`, `c` of each voxel. A unit is a number of the
// item, or (`channels` not 0) a channel of it.
template <class T>
__device__ void dropout(
    const T *x, T *y, u64 start, u64 n, u64 c, u32 channels, float p, Real<T> scale, Key key
) {
    u64 i = thread_index();
    if (i >= n) return;
    float drawn = uniform(key, channels ? i % c : i, 0.0f);
    // Not a product with zero: what is dropped is 0 even if it was not finite.
    store(y + start + i, drawn < p ? Real<T>(0) : scale * load(x[start + i]));
}

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void dropout_##dtype(                                                   \
        const T *x, T *y, u64 start, u64 n, u64 c, u32 channels, float p, Real<T> scale, u32 k0,  \
        u32 k1, u32 c2, u32 c3                                                                    \
    ) {                                                                                           \
        dropout(x, y, start, n, c, channels, p, scale, Key{k0, k1, c2, c3});                      \
    }

FOR_DTYPES(MAKE)
