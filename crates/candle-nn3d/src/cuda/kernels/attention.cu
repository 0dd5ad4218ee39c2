// Scaled dot-product attention in memory that grows with the number of tokens, not its square. A
// block owns some tokens of one head and a panel of channels of the result; the tokens of the other
// side stream past. Nothing is summed across blocks, so no order of theirs shows.
//
// Source: Dao, T., Fu, D. Y., Ermon, S., Rudra, A. & Re, C. (2022), "FlashAttention", NeurIPS 35;
// the running softmax is that of Milakov, M. & Gimelshein, N. (2018), arXiv:1805.02867.
//
// With p the probabilities, g the gradient of the output and delta the sum of g times the output
// for each query: the gradient of v is p^T g; that of the scores is s = p (g v^T - delta); those of
// q and k are scale s k and scale s^T q. Probabilities are made again from the logarithm of each
// denominator, `lse`.

// Tokens that a block owns.
#define OWNED 32
// Channels of both that lie in shared memory while scores are made, and tokens that do while they
// are summed up. All arrays together stay below 48 KiB for doubles.
#define DEPTH 16
#define SLICE 8

// What a sweep makes.
#define OUTPUT 0
#define OF_QUERIES 1
#define OF_KEYS_AND_VALUES 2

// One head of `[batch, tokens, heads width]`.
template <class T> struct Tokens {
    const T *first;
    u64 count, step, width;

    __device__ Tokens(const T *all, u64 item, u64 head, u64 tokens, u64 heads, u64 channels)
        : first(all + item * tokens * heads * channels + head * channels), count(tokens),
          step(heads * channels), width(channels) {}

    // Zero where there are none.
    __device__ Real<T> at(u64 token, u64 channel) const {
        return token < count && channel < width ? load(first[token * step + channel]) : Real<T>(0);
    }
};

// A thread has two owned tokens, of products with every sixteenth streamed one and of sums.
__device__ inline u32 owned_token(u32 i) { return threadIdx.x / 16 * 2 + i; }
__device__ inline u32 column(u32 j) { return threadIdx.x % 16 + 16 * j; }

// Scalar products of the tokens from `a0` and `b0` on, over all channels.
template <u32 STREAMED, class T>
__device__ void products(
    const Tokens<T> &a, u64 a0, const Tokens<T> &b, u64 b0, Real<T> (*owned)[OWNED + 1],
    Real<T> (*streamed)[STREAMED + 1], Real<T> (*sums)[STREAMED / 16]
) {
#pragma unroll
    for (u32 j = 0; j < STREAMED / 16; j++) sums[0][j] = sums[1][j] = 0;
    u32 channel = threadIdx.x % DEPTH, first = threadIdx.x / DEPTH;
    for (u64 depth = 0; depth < a.width; depth += DEPTH) {
        __syncthreads();
        for (u32 t = first; t < OWNED; t += THREADS / DEPTH)
            owned[channel][t] = a.at(a0 + t, depth + channel);
        for (u32 t = first; t < STREAMED; t += THREADS / DEPTH)
            streamed[channel][t] = b.at(b0 + t, depth + channel);
        __syncthreads();
#pragma unroll
        for (u32 d = 0; d < DEPTH; d++) {
            Real<T> x[2] = {owned[d][owned_token(0)], owned[d][owned_token(1)]};
#pragma unroll
            for (u32 j = 0; j < STREAMED / 16; j++) {
                Real<T> y = streamed[d][column(j)];
                sums[0][j] += x[0] * y;
                sums[1][j] += x[1] * y;
            }
        }
    }
}

// The largest and the sum over the eight threads that share a row of scores, in a fixed tree.
template <class R> __device__ R largest_of_eight(R x) {
    for (u32 bits = 4; bits > 0; bits /= 2) {
        R other = __shfl_xor_sync(0xffffffff, x, bits);
        x = other > x ? other : x;
    }
    return x;
}
template <class R> __device__ R sum_of_eight(R x) {
    for (u32 bits = 4; bits > 0; bits /= 2) x += __shfl_xor_sync(0xffffffff, x, bits);
    return x;
}

template <class R> __device__ R negative_infinity() { return -R(1) / R(0); }

// Turns scores into exp(score - largest so far); sums from before are to be multiplied by `shrink`.
template <u32 STREAMED, class R>
__device__ void online_softmax(R (*weights)[STREAMED + 1], R *shrink, R &largest, R &total) {
    u32 row = threadIdx.x / 8, lane = threadIdx.x % 8;
    R now = largest;
    for (u32 j = lane; j < STREAMED; j += 8) {
        R score = weights[row][j];
        now = score > now ? score : now;
    }
    now = largest_of_eight(now);
    R sum = 0, factor = exponential(largest - now);
    for (u32 j = lane; j < STREAMED; j += 8) {
        R power = exponential(weights[row][j] - now);
        weights[row][j] = power;
        sum += power;
    }
    total = total * factor + sum_of_eight(sum);
    largest = now;
    if (lane == 0) shrink[row] = factor;
}

// Queries and their gradient `[batch, queries, heads width]`, keys and values
// `[batch, keys, heads width]`, lse and delta `[batch, queries, heads]`. `out` is what the sweep
// makes: the output and `made_lse`, the gradient of the queries, or those of the keys and of the
// values, these in `of_values`. What a sweep does not need is null.
template <u32 SWEEP, u32 PANEL, class T>
__device__ void sweep(
    const T *q, const T *k, const T *v, const T *gradient, const Real<T> *lse,
    const Real<T> *delta, T *out, T *of_values, Real<T> *made_lse, u64 queries, u64 keys,
    u64 heads, u64 width, Real<T> scale
) {
    typedef Real<T> R;
    constexpr bool OWNS_QUERIES = SWEEP != OF_KEYS_AND_VALUES;
    constexpr u32 RESULTS = SWEEP == OF_KEYS_AND_VALUES ? 2 : 1, COLUMNS = PANEL / 16;
    // Tokens that stream past at a time.
    constexpr u32 STREAMED = RESULTS * sizeof(R) > 8 ? 32 : 64;
    __shared__ R owned[DEPTH][OWNED + 1];
    __shared__ R streamed[DEPTH][STREAMED + 1];
    __shared__ R weights[RESULTS][OWNED][STREAMED + 1];
    __shared__ R values[SLICE][PANEL];
    __shared__ R of_row[OWNED];

    u64 all_owned = OWNS_QUERIES ? queries : keys, all_streamed = OWNS_QUERIES ? keys : queries;
    u64 tiles = (all_owned + OWNED - 1) / OWNED, panels = (width + PANEL - 1) / PANEL;
    u64 first = blockIdx.x % tiles * OWNED, panel = blockIdx.x / tiles % panels * PANEL;
    u64 head = blockIdx.x / (tiles * panels) % heads, item = blockIdx.x / (tiles * panels * heads);
    Tokens<T> of_q(q, item, head, queries, heads, width), of_k(k, item, head, keys, heads, width);
    Tokens<T> of_v(v, item, head, keys, heads, width);
    Tokens<T> of_g(gradient, item, head, queries, heads, width);

    R sums[RESULTS][2][COLUMNS];
#pragma unroll
    for (u32 result = 0; result < RESULTS; result++)
#pragma unroll
        for (u32 j = 0; j < COLUMNS; j++) sums[result][0][j] = sums[result][1][j] = 0;
    R largest = negative_infinity<R>(), total = 0;
    for (u64 start = 0; start < all_streamed; start += STREAMED) {
        R scores[2][STREAMED / 16], slopes[2][STREAMED / 16];
        products<STREAMED>(
            OWNS_QUERIES ? of_q : of_k, first, OWNS_QUERIES ? of_k : of_q, start, owned, streamed,
            scores
        );
        if (SWEEP != OUTPUT) {
            products<STREAMED>(
                OWNS_QUERIES ? of_g : of_v, first, OWNS_QUERIES ? of_v : of_g, start, owned,
                streamed, slopes
            );
        }
#pragma unroll
        for (u32 i = 0; i < 2; i++) {
#pragma unroll
            for (u32 j = 0; j < STREAMED / 16; j++) {
                u64 mine = first + owned_token(i), other = start + column(j);
                bool there = mine < all_owned && other < all_streamed;
                R weight = scale * scores[i][j], slope = 0;
                if (SWEEP == OUTPUT) {
                    if (other >= all_streamed) weight = negative_infinity<R>();
                } else if (there) {
                    u64 query = OWNS_QUERIES ? mine : other;
                    u64 at = (item * queries + query) * heads + head;
                    weight = exponential(weight - lse[at]);
                    slope = weight * (slopes[i][j] - delta[at]);
                } else {
                    weight = 0;
                }
                weights[0][owned_token(i)][column(j)] = SWEEP == OUTPUT ? weight : slope;
                if (RESULTS > 1) weights[RESULTS - 1][owned_token(i)][column(j)] = weight;
            }
        }
        if (SWEEP == OUTPUT) {
            __syncthreads();
            online_softmax<STREAMED>(weights[0], of_row, largest, total);
            __syncthreads();
#pragma unroll
            for (u32 i = 0; i < 2; i++)
#pragma unroll
                for (u32 j = 0; j < COLUMNS; j++) sums[0][i][j] *= of_row[owned_token(i)];
        }
#pragma unroll
        for (u32 result = 0; result < RESULTS; result++) {
            const Tokens<T> &summed = SWEEP == OUTPUT       ? of_v
                                      : SWEEP == OF_QUERIES ? of_k
                                      : result == 0         ? of_q
                                                            : of_g;
            for (u32 slice = 0; slice < STREAMED && start + slice < all_streamed; slice += SLICE) {
                __syncthreads();
                for (u32 i = threadIdx.x; i < SLICE * PANEL; i += THREADS)
                    values[i / PANEL][i % PANEL] =
                        summed.at(start + slice + i / PANEL, panel + i % PANEL);
                __syncthreads();
#pragma unroll
                for (u32 token = 0; token < SLICE; token++) {
                    R a = weights[result][owned_token(0)][slice + token];
                    R b = weights[result][owned_token(1)][slice + token];
#pragma unroll
                    for (u32 j = 0; j < COLUMNS; j++) {
                        R value = values[token][column(j)];
                        sums[result][0][j] += a * value;
                        sums[result][1][j] += b * value;
                    }
                }
            }
        }
    }
    if (SWEEP == OUTPUT) {
        u64 query = first + threadIdx.x / 8;
        __syncthreads();
        if (threadIdx.x % 8 == 0) {
            of_row[threadIdx.x / 8] = total;
            if (panel == 0 && query < queries)
                made_lse[(item * queries + query) * heads + head] = largest + logarithm(total);
        }
        __syncthreads();
    }
#pragma unroll
    for (u32 i = 0; i < 2; i++) {
        u64 token = first + owned_token(i);
#pragma unroll
        for (u32 j = 0; j < COLUMNS; j++) {
            u64 channel = panel + column(j);
            if (token >= all_owned || channel >= width) continue;
            u64 at = ((item * all_owned + token) * heads + head) * width + channel;
            R factor = SWEEP == OUTPUT ? R(1) / of_row[owned_token(i)] : scale;
            store(out + at, sums[0][i][j] * factor);
            if (RESULTS > 1) store(of_values + at, sums[RESULTS - 1][i][j]);
        }
    }
}

// delta of n queries and heads: the sum of `width` products, by a warp.
template <class T>
__device__ void row_products(const T *a, const T *b, Real<T> *sums, u64 n, u64 width) {
    u64 row = thread_index() / 32;
    if (row >= n) return;
    Real<T> sum = 0;
    for (u64 i = threadIdx.x % 32; i < width; i += 32)
        sum += load(a[row * width + i]) * load(b[row * width + i]);
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) sums[row] = sum;
}

#define SWEEP_OF(SWEEP, name, PANEL, T, dtype)                                                    \
    extern "C" __global__ void __launch_bounds__(THREADS) name##_##PANEL##_##dtype(               \
        const T *q, const T *k, const T *v, const T *gradient, const Real<T> *lse,                \
        const Real<T> *delta, T *out, T *of_values, Real<T> *made_lse, u64 queries, u64 keys,     \
        u64 heads, u64 width, Real<T> scale                                                       \
    ) {                                                                                           \
        sweep<SWEEP, PANEL>(                                                                      \
            q, k, v, gradient, lse, delta, out, of_values, made_lse, queries, keys, heads, width, \
            scale                                                                                 \
        );                                                                                        \
    }

#define SWEEPS(PANEL, T, dtype)                                                                   \
    SWEEP_OF(OUTPUT, attention, PANEL, T, dtype)                                                  \
    SWEEP_OF(OF_QUERIES, attention_of_queries, PANEL, T, dtype)                                   \
    SWEEP_OF(OF_KEYS_AND_VALUES, attention_of_keys, PANEL, T, dtype)

#define MAKE(T, dtype)                                                                            \
    SWEEPS(64, T, dtype)                                                                          \
    SWEEPS(256, T, dtype)                                                                         \
    extern "C" __global__ void row_products_##dtype(                                              \
        const T *a, const T *b, Real<T> *sums, u64 n, u64 width                                   \
    ) {                                                                                           \
        row_products(a, b, sums, n, width);                                                       \
    }

FOR_DTYPES(MAKE)
