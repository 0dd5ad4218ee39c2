//! A head made by a formula: shells of scalp, skull and brain, folded tissue, noise as a scanner
//! has it. It compresses and resamples as a real scan does, and everybody has it.

use mrisynth_volume::{Affine, Geometry, Volume};

/// The grid of the measurements: the 1 mm grid that many templates share.
pub(crate) const SHAPE: [usize; 3] = [181, 217, 181];

fn geometry() -> Geometry {
    let affine = Affine::from_spacing_mm([1.0; 3], [-90.0, -126.0, -72.0]).expect("a fixed grid");
    Geometry::new(SHAPE, affine).expect("a fixed grid")
}

/// The intensities, as a scanner stores them.
pub(crate) fn scan() -> Volume<i16> {
    let clean = clean();
    Volume::from_fn(*clean.geometry(), |voxel| {
        let value = f64::from(clean.array()[voxel]);
        let sigma = if value == 0.0 { 4.0 } else { 11.0 };
        let [a, b] = noise(voxel).map(|n| n * sigma);
        // The magnitude of a complex signal: Rician noise.
        (value + a).hypot(b).round() as i16
    })
}

/// The intensities without noise.
pub(crate) fn clean() -> Volume {
    Volume::from_fn(geometry(), |voxel| intensity(position(voxel)) as f32)
}

/// The voxel's place in the head: the head's surface is near radius 1.
fn position([x, y, z]: [usize; 3]) -> [f64; 3] {
    [(x as f64 - 90.0) / 76.0, (y as f64 - 108.0) / 97.0, (z as f64 - 88.0) / 82.0]
}

fn intensity([x, y, z]: [f64; 3]) -> f64 {
    let r = (x * x + y * y + z * z).sqrt();
    // Folds: they shift the shells inward and outward.
    let folds = (17.0 * x + 3.0 * z).sin() * (15.0 * y).sin() * (16.0 * z + 2.0 * y).sin();
    let depth = 1.0 - r + 0.02 * (9.0 * x).sin() * (7.0 * y).cos() * (8.0 * z).cos();
    let cortex = depth + 0.07 * folds;
    let ventricles = (x.abs() - 0.12).hypot((y + 0.05) / 3.0).hypot(z / 1.5);
    let tissue = match depth {
        d if d < 0.0 => return 0.0,
        d if d < 0.05 => 780.0,         // scalp
        d if d < 0.11 => 90.0,          // skull
        d if d < 0.14 => 200.0,         // fluid
        _ if ventricles < 0.1 => 220.0, // fluid
        _ if cortex < 0.17 => 260.0,    // sulci
        _ if cortex < 0.27 => 560.0,    // grey
        _ if ventricles < 0.2 => 620.0, // deep grey
        _ => 830.0 + 25.0 * folds,      // white
    };
    let coil = 1.0 + 0.1 * x - 0.06 * y + 0.08 * z;
    tissue * coil
}

/// Two numbers of nearly normal distribution, variance 1, that depend on nothing but the voxel.
fn noise([x, y, z]: [usize; 3]) -> [f64; 2] {
    let index = (x + SHAPE[0] * (y + SHAPE[1] * z)) as u64;
    [2 * index, 2 * index + 1].map(|n| {
        // A finaliser with good mixing (SplitMix64's); four 16-bit uniforms make a bell.
        let n =
            (n ^ n >> 30).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let n = n ^ n >> 31;
        let sum: u64 = (0..4).map(|i| n >> (16 * i) & 0xffff).sum();
        (sum as f64 / 65_536.0 - 2.0) * 3.0_f64.sqrt()
    })
}
