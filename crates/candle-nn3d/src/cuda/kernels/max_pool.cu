// The largest value of windows of channels-last volumes, and its gradient.

struct Axis {
    u64 input, output, kernel, stride, padding;

    // The inputs that window o holds: from first(o) to before end(o).
    __device__ u64 first(u64 o) const {
        u64 start = o * stride;
        return start > padding ? start - padding : 0;
    }
    __device__ u64 end(u64 o) const {
        u64 end = o * stride + kernel - padding;
        return end < input ? end : input;
    }
    // The windows that hold input i.
    __device__ u64 first_window(u64 i) const {
        u64 beyond = i + padding + 1;
        return beyond > kernel ? (beyond - kernel + stride - 1) / stride : 0;
    }
    __device__ u64 end_of_windows(u64 i) const {
        u64 end = (i + padding) / stride + 1;
        return end < output ? end : output;
    }
    __device__ u64 place(u64 i, u64 o) const { return i + padding - o * stride; }
};

// The place of an input in its window, x slowest.
__device__ inline u32 tap(
    Axis x, Axis y, Axis z, u64 ix, u64 iy, u64 iz, u64 ox, u64 oy, u64 oz
) {
    return (u32)((x.place(ix, ox) * y.kernel + y.place(iy, oy)) * z.kernel + z.place(iz, oz));
}

// One thread takes one window of one channel: its largest value to `largest`, the place of that to
// `taps`, each unless null. The last NaN is the largest. n windows and channels.
template <class T>
__device__ void max_pool(const T *in, T *largest, u32 *taps, u64 n, u64 c, Axis x, Axis y, Axis z) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 channel = i % c, oz = i / c % z.output, oy = i / (c * z.output) % y.output;
    u64 line = i / (c * z.output * y.output), ox = line % x.output, item = line / x.output;
    T best;
    u32 place = 0;
    bool any = false;
    for (u64 ix = x.first(ox); ix < x.end(ox); ix++) {
        for (u64 iy = y.first(oy); iy < y.end(oy); iy++) {
            u64 row = ((item * x.input + ix) * y.input + iy) * z.input;
            for (u64 iz = z.first(oz); iz < z.end(oz); iz++) {
                T at = in[(row + iz) * c + channel];
                Real<T> value = load(at);
                if (!any || value > load(best) || value != value) {
                    best = at;
                    place = tap(x, y, z, ix, iy, iz, ox, oy, oz);
                }
                any = true;
            }
        }
    }
    if (largest) largest[i] = best;
    if (taps) taps[i] = place;
}

// One thread makes one number of dx: the sum of dy over the windows whose largest value it is.
template <class T>
__device__ void max_pool_gradient(
    const u32 *taps, const T *dy, T *dx, u64 n, u64 c, Axis x, Axis y, Axis z
) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 channel = i % c, iz = i / c % z.input, iy = i / (c * z.input) % y.input;
    u64 line = i / (c * z.input * y.input), ix = line % x.input, item = line / x.input;
    Real<T> sum = 0;
    for (u64 ox = x.first_window(ix); ox < x.end_of_windows(ix); ox++) {
        for (u64 oy = y.first_window(iy); oy < y.end_of_windows(iy); oy++) {
            u64 row = ((item * x.output + ox) * y.output + oy) * z.output;
            for (u64 oz = z.first_window(iz); oz < z.end_of_windows(iz); oz++) {
                u64 at = (row + oz) * c + channel;
                if (taps[at] == tap(x, y, z, ix, iy, iz, ox, oy, oz)) sum += load(dy[at]);
            }
        }
    }
    store(dx + i, sum);
}

#define AXES                                                                                      \
    u64 ix, u64 ox, u64 kx, u64 sx, u64 px, u64 iy, u64 oy, u64 ky, u64 sy, u64 py, u64 iz,       \
        u64 oz, u64 kz, u64 sz, u64 pz

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void max_pool_##dtype(                                                  \
        const T *in, T *largest, u32 *taps, u64 n, u64 c, AXES                                    \
    ) {                                                                                           \
        Axis x{ix, ox, kx, sx, px}, y{iy, oy, ky, sy, py}, z{iz, oz, kz, sz, pz};                 \
        max_pool(in, largest, taps, n, c, x, y, z);                                               \
    }                                                                                             \
    extern "C" __global__ void max_pool_gradient_##dtype(                                         \
        const u32 *taps, const T *dy, T *dx, u64 n, u64 c, AXES                                   \
    ) {                                                                                           \
        Axis x{ix, ox, kx, sx, px}, y{iy, oy, ky, sy, py}, z{iz, oz, kz, sz, pz};                 \
        max_pool_gradient(taps, dy, dx, n, c, x, y, z);                                           \
    }

FOR_DTYPES(MAKE)
