//! The schemes that come with the crate.

/// The names of the schemes that come with the crate.
pub const BUILT_IN: [&str; 6] = [
    "ad-structures",
    "ad-structures-lr",
    "tissues",
    "slab-tissues",
    "med-ddpm-whole-head",
    "med-ddpm-brats",
];

const TEXTS: [&str; 6] = [
    include_str!("../../schemes/ad-structures.toml"),
    include_str!("../../schemes/ad-structures-lr.toml"),
    include_str!("../../schemes/tissues.toml"),
    include_str!("../../schemes/slab-tissues.toml"),
    include_str!("../../schemes/med-ddpm-whole-head.toml"),
    include_str!("../../schemes/med-ddpm-brats.toml"),
];

/// The TOML of a scheme.
pub(super) fn text(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().position(|known| *known == name).map(|index| TEXTS[index])
}
