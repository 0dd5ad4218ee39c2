// The numbers of a keyed_random::Key, bit for bit: Philox4x32-10, uniform numbers, and normal ones
// by the Box-Muller transform of crates/keyed-random/src/normal.rs, step for step. Integers and
// IEEE +, -, *, / and square roots of doubles alone: what includes this is compiled without fusing.

// Words 0 and 1 are Philox's key, 2 and 3 the upper half of its counter.
struct Key {
    u32 k0, k1, c2, c3;
};

struct Block {
    u32 a_low, a_high, b_low, b_high;
};

__device__ inline Block philox(Key key, u64 position) {
    u32 c0 = (u32)position, c1 = (u32)(position >> 32), c2 = key.c2, c3 = key.c3;
    u32 k0 = key.k0, k1 = key.k1;
    for (int round = 0; round < 10; round++) {
        u64 product0 = (u64)c0 * 0xD2511F53u, product1 = (u64)c2 * 0xCD9E8D57u;
        c0 = (u32)(product1 >> 32) ^ c1 ^ k0;
        c1 = (u32)product1;
        c2 = (u32)(product0 >> 32) ^ c3 ^ k1;
        c3 = (u32)product0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {c0, c1, c2, c3};
}

// Uniform number `element` in [0, 1): the leading 24 bits of its word, or 53 of them.
__device__ inline float uniform(Key key, u64 element, float) {
    Block block = philox(key, element >> 1);
    u32 high = element & 1 ? block.b_high : block.a_high;
    return (float)(high >> 8) * (1.0f / 16777216.0f);
}
__device__ inline double uniform(Key key, u64 element, double) {
    Block block = philox(key, element >> 1);
    u32 low = element & 1 ? block.b_low : block.a_low;
    u32 high = element & 1 ? block.b_high : block.a_high;
    return ((double)high * 2097152.0 + (double)(low >> 11)) * (1.0 / 9007199254740992.0);
}

// Of a positive, normal number: 2^k m with m in [sqrt(1/2), sqrt(2)), then 2 atanh of (m-1)/(m+1).
__device__ inline double box_muller_logarithm(double u) {
    const u64 sqrt_half = 0x3FE6A09E667F3BCDull;
    u64 shifted = (u64)__double_as_longlong(u) - sqrt_half + (1024ull << 52);
    double k = (double)(u32)(shifted >> 52) - 1024.0;
    double m = __longlong_as_double((i64)((shifted & ((1ull << 52) - 1)) + sqrt_half));
    double s = (m - 1.0) / (m + 1.0);
    double w = s * s;
    double tail = 1.0 / 21.0;
    tail = tail * w + 1.0 / 19.0;
    tail = tail * w + 1.0 / 17.0;
    tail = tail * w + 1.0 / 15.0;
    tail = tail * w + 1.0 / 13.0;
    tail = tail * w + 1.0 / 11.0;
    tail = tail * w + 1.0 / 9.0;
    tail = tail * w + 1.0 / 7.0;
    tail = tail * w + 1.0 / 5.0;
    tail = tail * w + 1.0 / 3.0;
    double twice = s + s;
    return k * 0.693147180559945309417 + (twice + twice * (w * tail));
}

// Standard normal number `element`. Normal numbers read the blocks from 2^63 on.
__device__ inline double normal(Key key, u64 element, double) {
    Block block = philox(key, (1ull << 63) | element >> 1);
    const double two_32 = 4294967296.0, two_minus_64 = 1.0 / (two_32 * two_32);
    double u = ((double)block.a_high * two_32 + ((double)block.a_low + 0.5)) * two_minus_64;
    double radius = sqrt(-2.0 * box_muller_logarithm(u));

    // The nearest quarter turn comes off in integers; t is what is left of the angle.
    const u64 eighth = 1ull << 29;
    u64 turned = (u64)block.b_high + eighth;
    u64 quarter = turned >> 30;
    double rest = (double)(u32)(turned & ((1u << 30) - 1)) - (double)eighth;
    const double turn = 6.28318530717958647692;
    double t = (rest * two_32 + ((double)block.b_low + 0.5)) * (turn * two_minus_64);
    double w = t * t;

    double sine = -1.0 / 1307674368000.0;
    sine = sine * w + 1.0 / 6227020800.0;
    sine = sine * w - 1.0 / 39916800.0;
    sine = sine * w + 1.0 / 362880.0;
    sine = sine * w - 1.0 / 5040.0;
    sine = sine * w + 1.0 / 120.0;
    sine = sine * w - 1.0 / 6.0;
    sine = t + t * (w * sine);

    double cosine = 1.0 / 20922789888000.0;
    cosine = cosine * w - 1.0 / 87178291200.0;
    cosine = cosine * w + 1.0 / 479001600.0;
    cosine = cosine * w - 1.0 / 3628800.0;
    cosine = cosine * w + 1.0 / 40320.0;
    cosine = cosine * w - 1.0 / 720.0;
    cosine = cosine * w + 1.0 / 24.0;
    cosine = cosine * w - 0.5;
    cosine = 1.0 + w * cosine;

    // Quarter turns carry (cosine, sine) to (-sine, cosine) and so on; an even element is the
    // first of the pair. A sign is put in as a bit, so that zeros have the same.
    bool second = element & 1;
    double part = ((quarter & 1) != 0) != second ? sine : cosine;
    u64 sign = ((second ? quarter : quarter + 1) & 2) << 62;
    return radius * __longlong_as_double((i64)((u64)__double_as_longlong(part) ^ sign));
}
// The f32 is the f64, rounded.
__device__ inline float normal(Key key, u64 element, float) {
    return (float)normal(key, element, 0.0);
}
