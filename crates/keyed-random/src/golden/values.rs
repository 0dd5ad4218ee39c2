//! Written by `tests/golden.py` (CPython 3.11.7). Change the script, not this file.

/// Keys, printed.
#[rustfmt::skip]
pub(super) const KEYS: [&str; 7] = [
    "1570874c24eaff86e547a3517411af70",
    "d0d14f15abaa8a05caa5dd40f3ba200d",
    "ffab175880c31cf98ad18f694d90c14a",
    "42dbe2b891a89b4e435e0ea30324e970",
    "d417a14372348c4d0d1eb0bff52c7994",
    "9c076ca8c0020ef994f7f1cbe8877659",
    "4050fa5c49d5e46d974e071504de69fe",
];

/// Blocks 0, 1, 2³², 2⁶³, 2⁶⁴ − 1.
#[rustfmt::skip]
pub(super) const BLOCKS: [[u32; 4]; 5] = [
    [0x1d8ffc2b, 0x4b27ac3d, 0xffba1f1c, 0x3789fc7e],
    [0xa1538b64, 0x9a2d7496, 0x6593a670, 0xf9edf2e5],
    [0x208bd380, 0x517de4bc, 0x720ca81a, 0x675ab560],
    [0xb7357af8, 0xd3d9ba5d, 0x0aa26bac, 0xdf848e04],
    [0x03a2b9c8, 0x25fb2f27, 0xca5a8ca7, 0x4a64905d],
];

/// The elements below.
#[rustfmt::skip]
pub(super) const PLACES: [u64; 24] = [
    0x0000000000000000, 0x0000000000000001, 0x0000000000000002, 0x0000000000000003,
    0x0000000000000004, 0x0000000000000005, 0x0000000000000006, 0x0000000000000007,
    0x0000010000000001, 0x0000010000000002, 0x0000010000000003, 0x0000010000000004,
    0x0000010000000005, 0x0000010000000006, 0x0000010000000007, 0x0000010000000008,
    0xfffffffffffffffc, 0xfffffffffffffffd, 0xfffffffffffffffe, 0xffffffffffffffff,
    0x0000000000000000, 0x0000000000000001, 0x0000000000000002, 0x0000000000000003,
];

/// Words.
#[rustfmt::skip]
pub(super) const WORDS: [u64; 24] = [
    0x4b27ac3d1d8ffc2b, 0x3789fc7effba1f1c, 0x9a2d7496a1538b64, 0xf9edf2e56593a670,
    0xab921fbe3fddad87, 0x8a153867e984bff7, 0xd36c0e1b6d51b9ed, 0x1653c4917ceeeccf,
    0x3f34bac28c6bdadc, 0xa4a57be527f6d05f, 0xb181361e414a66da, 0x5bd4936a1189105d,
    0x504182b38d5b7b26, 0xbb62e58f9c336f76, 0x9c03db230b6b269c, 0x94996773caada501,
    0x3db3356be2708ef3, 0x6b845856ab922621, 0xfbcb850bd805e267, 0x3e63100314d394a7,
    0x4b27ac3d1d8ffc2b, 0x3789fc7effba1f1c, 0x9a2d7496a1538b64, 0xf9edf2e56593a670,
];

/// Bits.
#[rustfmt::skip]
pub(super) const UNIFORM_F64: [u64; 24] = [
    0x3fd2c9eb0f4763fe, 0x3fcbc4fe3f7fdd0c, 0x3fe345ae92d42a71, 0x3fef3dbe5cacb274,
    0x3fe57243f7c7fbb5, 0x3fe142a70cfd3097, 0x3fea6d81c36daa37, 0x3fb653c4917ceee8,
    0x3fcf9a5d614635ec, 0x3fe494af7ca4feda, 0x3fe63026c3c8294c, 0x3fd6f524da846244,
    0x3fd41060ace356de, 0x3fe76c5cb1f3866d, 0x3fe3807b64616d64, 0x3fe2932cee7955b4,
    0x3fced99ab5f13844, 0x3fdae11615aae488, 0x3fef7970a17b00bc, 0x3fcf3188018a69c8,
    0x3fd2c9eb0f4763fe, 0x3fcbc4fe3f7fdd0c, 0x3fe345ae92d42a71, 0x3fef3dbe5cacb274,
];

/// Bits.
#[rustfmt::skip]
pub(super) const UNIFORM_F32: [u32; 24] = [
    0x3e964f58, 0x3e5e27f0, 0x3f1a2d74, 0x3f79edf2, 0x3f2b921f, 0x3f0a1538, 0x3f536c0e,
    0x3db29e20, 0x3e7cd2e8, 0x3f24a57b, 0x3f318136, 0x3eb7a926, 0x3ea08304, 0x3f3b62e5,
    0x3f1c03db, 0x3f149967, 0x3e76ccd4, 0x3ed708b0, 0x3f7bcb85, 0x3e798c40, 0x3e964f58,
    0x3e5e27f0, 0x3f1a2d74, 0x3f79edf2,
];

/// Bits.
#[rustfmt::skip]
pub(super) const NORMAL_F64: [u64; 24] = [
    0x3fdb8386859da61a, 0xbfdc2c40ba8011d4, 0x3fd9abacba511a43, 0x3ff9fe954edd2b96,
    0xbf963853432b02f5, 0x3ff136218c8374e6, 0xbff3d6fcf5208a17, 0x3fe528914f92b78e,
    0xbfd8c330a6665fa5, 0x3ffcbb22333f002d, 0x3fe2504f69dd497b, 0xbfee47aea78ecf60,
    0x3feaa17addf14911, 0xbff9df7e74f3119c, 0x3fd591c9180c1b12, 0xbff05d9a71cb7417,
    0xbfda7baf93a9fa53, 0xbfd17b8b1fa55c13, 0xbfdf8bd7662e667b, 0x3ffe3ea532780f42,
    0x3fdb8386859da61a, 0xbfdc2c40ba8011d4, 0x3fd9abacba511a43, 0x3ff9fe954edd2b96,
];

/// Bits.
#[rustfmt::skip]
pub(super) const NORMAL_F32: [u32; 24] = [
    0x3edc1c34, 0xbee16206, 0x3ecd5d66, 0x3fcff4aa, 0xbcb1c29a, 0x3f89b10c, 0xbf9eb7e8,
    0x3f29448a, 0xbec61985, 0x3fe5d912, 0x3f12827b, 0xbf723d75, 0x3f550bd7, 0xbfcefbf4,
    0x3eac8e49, 0xbf82ecd4, 0xbed3dd7d, 0xbe8bdc59, 0xbefc5ebb, 0x3ff1f52a, 0x3edc1c34,
    0xbee16206, 0x3ecd5d66, 0x3fcff4aa,
];

/// Words at the edges of the transform.
#[rustfmt::skip]
pub(super) const EDGES: [u64; 28] = [
    0x0000000000000000, 0x0000000000000001, 0xfffffffffffffffe, 0xffffffffffffffff,
    0x0000000000000800, 0x00000000ffffffff, 0x0000000100000000, 0x1fffffffffffffff,
    0x2000000000000000, 0x2000000000000001, 0x3fffffffffffffff, 0x4000000000000000,
    0x4000000000000001, 0x5fffffffffffffff, 0x6000000000000000, 0x6000000000000001,
    0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001, 0x9fffffffffffffff,
    0xa000000000000000, 0xa000000000000001, 0xbfffffffffffffff, 0xc000000000000000,
    0xc000000000000001, 0xdfffffffffffffff, 0xe000000000000000, 0xe000000000000001,
];

/// SHA-256 of the pairs from every two edges, as little-endian `f64`.
pub(super) const EDGE_PAIRS: &str =
    "09e218393a47daadbf3acc18c5531d49c22c27a6f48484ed644adcb236823c1c";

/// SHA-256 of the first 65 536 normals, as little-endian `f64`.
pub(super) const NORMALS_F64: &str =
    "e409356c406f46a3e59885066b4fca7215fcba145f6ec8d5edd66811af6d287a";

/// SHA-256 of the first 65 536 normals, as little-endian `f32`.
pub(super) const NORMALS_F32: &str =
    "e436231b7cc8826962a97284a03e5191887a4273eecc7da79420f1f1717fe6f0";

/// Sixteen dice.
#[rustfmt::skip]
pub(super) const BELOW_6: [u64; 16] = [
    1, 1, 3, 5,
    4, 3, 4, 0,
    0, 1, 2, 2,
    5, 3, 0, 2,
];

/// Integers below 2⁶³ + 1, where every second word is refused.
#[rustfmt::skip]
pub(super) const BELOW_HALF: [u64; 8] = [
    0x2593d61e8ec7fe15, 0x4d16ba4b50a9c5b2, 0x7cf6f972b2c9d338, 0x0b29e248be777667,
    0x18ebb6963c73300b, 0x3bc1107042f8ac1f, 0x2d40f2bed3eee0a2, 0x4a05bb1cae43a006,
];

/// The position after them.
pub(super) const BELOW_HALF_END: u64 = 14;

/// Integers of −5 ..= 5.
#[rustfmt::skip]
pub(super) const RANGE: [i64; 12] = [
    5, 5, -4, -1, -3, -1, 5, -3, 4, 3, 1, 5,
];

/// Of twelve.
#[rustfmt::skip]
pub(super) const PERMUTATION: [usize; 12] = [
    3, 0, 8, 11, 9, 2, 10, 7, 5, 4, 6, 1,
];

/// Eight of 1000.
#[rustfmt::skip]
pub(super) const SAMPLE: [usize; 8] = [
    293, 217, 603, 976, 671, 541, 826, 93,
];
