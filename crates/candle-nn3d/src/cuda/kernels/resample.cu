// A separable linear map between channels-last volumes, which gathers. One thread makes one number
// of the result.

// Along each axis output o has the taps starts[o] to before starts[o + 1]: inputs and their
// weights. The three axes' starts lie behind one another. In the order of the CPU's sums.
template <class T>
__device__ void resample(
    const T *x, T *y, const u32 *starts, const u32 *inputs, const double *weights, u64 n, u64 c,
    u64 ix, u64 iy, u64 iz, u64 ox, u64 oy, u64 oz
) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 channel = i % c, pz = i / c % oz, py = i / (c * oz) % oy, line = i / (c * oz * oy);
    const u32 *of_x = starts + line % ox, *of_y = starts + ox + 1 + py;
    const u32 *of_z = starts + ox + oy + 2 + pz;
    const T *item = x + line / ox * ix * iy * iz * c + channel;
    Real<T> sum = 0;
    for (u32 tz = of_z[0]; tz < of_z[1]; tz++) {
        Real<T> gathered = 0;
        bool first = true;
        for (u32 tx = of_x[0]; tx < of_x[1]; tx++) {
            for (u32 ty = of_y[0]; ty < of_y[1]; ty++) {
                // The product in double precision, rounded once.
                Real<T> weight = (Real<T>)(weights[tx] * weights[ty]);
                u64 voxel = (inputs[tx] * iy + inputs[ty]) * iz + inputs[tz];
                Real<T> term = weight * load(item[voxel * c]);
                gathered = first ? term : gathered + term;
                first = false;
            }
        }
        Real<T> term = (Real<T>)weights[tz] * gathered;
        sum = tz == of_z[0] ? term : sum + term;
    }
    store(y + i, sum);
}

// Every output is the copy of one input. The inputs along the three axes lie behind one another.
template <class T>
__device__ void select(
    const T *x, T *y, const u32 *inputs, u64 n, u64 c, u64 ix, u64 iy, u64 iz, u64 ox, u64 oy,
    u64 oz
) {
    u64 i = thread_index();
    if (i >= n) return;
    u64 channel = i % c, pz = i / c % oz, py = i / (c * oz) % oy, line = i / (c * oz * oy);
    u64 row = (line / ox * ix + inputs[line % ox]) * iy + inputs[ox + py];
    y[i] = x[(row * iz + inputs[ox + oy + pz]) * c + channel];
}

#define MAKE(T, dtype)                                                                            \
    extern "C" __global__ void resample_##dtype(                                                  \
        const T *x, T *y, const u32 *starts, const u32 *inputs, const double *weights, u64 n,     \
        u64 c, u64 ix, u64 iy, u64 iz, u64 ox, u64 oy, u64 oz                                     \
    ) {                                                                                           \
        resample(x, y, starts, inputs, weights, n, c, ix, iy, iz, ox, oy, oz);                    \
    }                                                                                             \
    extern "C" __global__ void select_##dtype(                                                    \
        const T *x, T *y, const u32 *inputs, u64 n, u64 c, u64 ix, u64 iy, u64 iz, u64 ox,        \
        u64 oy, u64 oz                                                                            \
    ) {                                                                                           \
        select(x, y, inputs, n, c, ix, iy, iz, ox, oy, oz);                                       \
    }

FOR_DTYPES(MAKE)
