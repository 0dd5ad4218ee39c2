// Tensors of a key's numbers, after philox.cuh.

// Item `first / n` of a batch: number i of the key, drawn in float for bf16; scaled in double and
// rounded once unless the law is a unit one.
template <class T>
__device__ void draw(
    T *y, u64 n, u64 first, u32 bell, u32 scaled, double shift, double factor, Key key
) {
    u64 i = thread_index();
    if (i >= n) return;
    Real<T> kind = 0;
    Real<T> x = bell ? normal(key, i, kind) : uniform(key, i, kind);
    if (scaled) x = (Real<T>)(shift + factor * (double)x);
    store(y + first + i, x);
}

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void draw_##dtype(                                                      \
        T *y, u64 n, u64 first, u32 bell, u32 scaled, double shift, double factor, u32 k0, u32 k1,\
        u32 c2, u32 c3                                                                            \
    ) {                                                                                           \
        draw(y, n, first, bell, scaled, shift, factor, Key{k0, k1, c2, c3});                      \
    }

FOR_DTYPES(MAKE)
