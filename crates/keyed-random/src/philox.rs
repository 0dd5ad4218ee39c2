//! Philox4x32-10: a bijection of 128-bit counters for every 64-bit key.
//!
//! # Source
//! Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; constants
//! and known answers from Random123.

/// Multipliers of the two halves of a round.
const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];

/// What the two key words grow by each round: the golden ratio and √3 − 1.
const WEYL: [u64; 2] = [0x9E37_79B9, 0xBB67_AE85];

const ROUNDS: u64 = 10;

const LOW_32: u64 = 0xFFFF_FFFF;

/// Four random 32-bit words for a counter of four 32-bit words.
///
/// Words travel in 64-bit lanes: a 32 × 32 → 64-bit product needs the wide lane, and moving
/// between widths would cost the vector tiers a shuffle each round.
#[inline(always)]
pub(crate) fn philox(counter: [u64; 4], key: [u32; 2]) -> [u64; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [k0, k1] = key.map(u64::from);
    for round in 0..ROUNDS {
        let key0 = k0.wrapping_add(round.wrapping_mul(WEYL[0])) & LOW_32;
        let key1 = k1.wrapping_add(round.wrapping_mul(WEYL[1])) & LOW_32;
        let product0 = c0.wrapping_mul(MULTIPLIERS[0]);
        let product1 = c2.wrapping_mul(MULTIPLIERS[1]);
        c0 = (product1 >> 32) ^ c1 ^ key0;
        c1 = product1 & LOW_32;
        c2 = (product0 >> 32) ^ c3 ^ key1;
        c3 = product0 & LOW_32;
    }
    [c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use super::philox;

    /// `philox4x32 10` in Random123's `kat_vectors`.
    #[test]
    fn random123_known_answers_are_met() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            (
                [0xffff_ffff; 4],
                [0xffff_ffff; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, answer) in cases {
            assert_eq!(philox(counter, key), answer);
        }
    }
}
