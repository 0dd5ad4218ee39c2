// The same numbers in another order, or a part of them. One thread makes one number of the result.

// [outer, a, b] to [outer, b, a]; n numbers.
template <class T> __device__ void transpose(const T *x, T *y, u64 n, u64 a, u64 b) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 of_a = i % a, of_b = i / a % b, outer = i / (a * b);
    y[i] = x[(outer * a + of_a) * b + of_b];
}

// Volumes `[batch, x, y, z, c]` seen through a window that begins at an offset, which may be
// negative, and has a size of its own; `fill` where it leaves the volume. n numbers of the window.
template <class T>
__device__ void window(
    const T *x, T *y, u64 n, u64 c, i64 sx, i64 sy, i64 sz, i64 ox, i64 oy, i64 oz, i64 wx, i64 wy,
    i64 wz, Real<T> fill
) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 channel = i % c;
    i64 voxel = (i64)(i / c);
    i64 pz = voxel % wz + oz, py = voxel / wz % wy + oy, px = voxel / (wz * wy) % wx + ox;
    i64 item = voxel / (wz * wy * wx);
    bool inside = px >= 0 && px < sx && py >= 0 && py < sy && pz >= 0 && pz < sz;
    if (inside) {
        y[i] = x[(u64)(((item * sx + px) * sy + py) * sz + pz) * c + channel];
    } else {
        store(y + i, fill);
    }
}

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void transpose_##dtype(const T *x, T *y, u64 n, u64 a, u64 b) {         \
        transpose(x, y, n, a, b);                                                                 \
    }                                                                                             \
    extern "C" __global__ void window_##dtype(                                                    \
        const T *x, T *y, u64 n, u64 c, i64 sx, i64 sy, i64 sz, i64 ox, i64 oy, i64 oz, i64 wx,   \
        i64 wy, i64 wz, Real<T> fill                                                              \
    ) {                                                                                           \
        window(x, y, n, c, sx, sy, sz, ox, oy, oz, wx, wy, wz, fill);                             \
    }

FOR_DTYPES(MAKE)
