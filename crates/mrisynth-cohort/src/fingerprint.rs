//! Telling copies of an image from its voxels, whatever its header says.

use std::fmt;

use mrisynth_volume::{Image, Sample, Scaling, StoredVoxels};
use rayon::prelude::*;
use serde::{Serialize, Serializer};

/// Voxels that one task sums at a time.
const CHUNK: usize = 1 << 16;

/// Three sums over the voxels of an image, equal for copies of three kinds.
///
/// Each adds a 128-bit hash of every voxel modulo 2⁶⁴ twice, so it does not depend on who computed
/// which part. They tell copies from each other that came about by accident; they are no protection
/// against somebody who makes two images collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fingerprint {
    /// Over decoded values and their places: equal for files with the same voxels.
    pub in_order: Sum,
    /// Over decoded values other than 0, wherever they are: equal also for copies that were turned,
    /// mirrored, padded with zeros, stored in another datatype, or given another affine.
    pub values: Sum,
    /// Over stored numbers other than 0, wherever they are: equal also for copies whose header has
    /// another scaling.
    pub stored: Sum,
    /// True when all voxels have one value: such images are alike and copies of nothing.
    pub is_constant: bool,
}

/// 128 bits that add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sum([u64; 2]);

impl Sum {
    fn add(&mut self, bits: u64) {
        self.0[0] = self.0[0].wrapping_add(mix(bits));
        self.0[1] = self.0[1].wrapping_add(mix(bits ^ 0x6A09_E667_F3BC_C908));
    }

    fn plus(self, other: Self) -> Self {
        let [a, b] = [0, 1].map(|i| self.0[i].wrapping_add(other.0[i]));
        Self([a, b])
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0[0], self.0[1])
    }
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every bit depends on every bit.
fn mix(bits: u64) -> u64 {
    let z = bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[derive(Clone, Copy)]
struct Sums {
    in_order: Sum,
    values: Sum,
    stored: Sum,
}

impl Fingerprint {
    /// The fingerprint of all frames of an image.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_cohort::Fingerprint;
    /// use mrisynth_volume::{Affine, Geometry, Image, Orientation, Volume};
    /// let geometry = Geometry::new([4, 3, 2], Affine::identity())?;
    /// let scan = Volume::from_fn(geometry, |[x, y, z]| (x + 4 * y + 12 * z) as f32);
    /// let turned = Fingerprint::of(&Image::from(scan.reorient(Orientation::LPS)?));
    /// let scan = Fingerprint::of(&Image::from(scan));
    /// assert_eq!((scan.in_order == turned.in_order, scan.values == turned.values), (false, true));
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    #[must_use]
    pub fn of(image: &Image) -> Self {
        let (scaling, shape) = (image.scaling(), image.geometry().shape());
        let mut fingerprint = match image.stored() {
            StoredVoxels::U8(voxels) => sums(voxels, scaling),
            StoredVoxels::I8(voxels) => sums(voxels, scaling),
            StoredVoxels::U16(voxels) => sums(voxels, scaling),
            StoredVoxels::I16(voxels) => sums(voxels, scaling),
            StoredVoxels::U32(voxels) => sums(voxels, scaling),
            StoredVoxels::I32(voxels) => sums(voxels, scaling),
            StoredVoxels::U64(voxels) => sums(voxels, scaling),
            StoredVoxels::I64(voxels) => sums(voxels, scaling),
            StoredVoxels::F32(voxels) => sums(voxels, scaling),
            StoredVoxels::F64(voxels) => sums(voxels, scaling),
        };
        shape.into_iter().for_each(|n| fingerprint.in_order.add(n as u64));
        fingerprint
    }
}

fn sums<T: Sample + PartialEq>(voxels: &[T], scaling: Scaling) -> Fingerprint {
    let none = Sums { in_order: Sum::default(), values: Sum::default(), stored: Sum::default() };
    let chunks = voxels.par_chunks(CHUNK).enumerate();
    let Sums { in_order, values, stored } = chunks
        .map(|(chunk, voxels)| {
            let mut sums = none;
            for (i, voxel) in voxels.iter().enumerate() {
                let stored = voxel.to_f64();
                let value = scaling.apply(stored) as f32;
                let bits = bits_of(f64::from(value));
                sums.in_order.add(bits ^ mix((chunk * CHUNK + i) as u64));
                if value != 0.0 {
                    sums.values.add(bits);
                }
                if stored != 0.0 {
                    sums.stored.add(bits_of(stored));
                }
            }
            sums
        })
        .reduce(
            || none,
            |a, b| Sums {
                in_order: a.in_order.plus(b.in_order),
                values: a.values.plus(b.values),
                stored: a.stored.plus(b.stored),
            },
        );
    let is_constant = voxels.windows(2).all(|pair| pair[0] == pair[1]);
    Fingerprint { in_order, values, stored, is_constant }
}

/// The bits of a number; zeros are alike, and so are all that are not numbers.
fn bits_of(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

#[cfg(test)]
mod tests {
    use mrisynth_volume::{Affine, Geometry, Volume};

    use super::*;

    fn geometry(spacing: f64) -> Geometry {
        Geometry::new([9, 8, 7], Affine::from_spacing_mm([spacing; 3], [0.0; 3]).unwrap()).unwrap()
    }

    fn scan() -> Vec<i16> {
        (0..504).map(|i: i32| (i * 7919 % 431) as i16).collect()
    }

    fn of(stored: StoredVoxels, scaling: Scaling) -> Fingerprint {
        Fingerprint::of(&Image::new(geometry(1.0), 1, stored, scaling).unwrap())
    }

    #[test]
    fn copies_under_another_header_are_told() {
        let scaling = Scaling { slope: 0.5, inter: 0.0 };
        let original = of(StoredVoxels::I16(scan()), scaling);
        let floats = scan().iter().map(|&v| f32::from(v) * 0.5).collect();
        assert_eq!(original.in_order, of(StoredVoxels::F32(floats), Scaling::IDENTITY).in_order);
        let rescaled = of(StoredVoxels::I16(scan()), Scaling { slope: 0.1, inter: 3.0 });
        assert!(original.stored == rescaled.stored && original.values != rescaled.values);
        let moved = Image::new(geometry(2.0), 1, StoredVoxels::I16(scan()), scaling).unwrap();
        assert_eq!(original, Fingerprint::of(&moved));
    }

    #[test]
    fn mirrored_and_padded_copies_are_told_and_changed_voxels_are_others() {
        let volume =
            Volume::new(scan().iter().map(|&v| f32::from(v)).collect(), geometry(1.0)).unwrap();
        let of = |volume: Volume| Fingerprint::of(&volume.into());
        let original = of(volume.clone());
        let mirrored = Volume::from_fn(geometry(1.0), |[x, y, z]| volume.array()[[8 - x, y, z]]);
        let padded = volume.crop(mrisynth_volume::VoxelBox { start: [-1; 3], shape: [12; 3] });
        assert_eq!(of(mirrored).values, original.values);
        assert_eq!(of(padded.unwrap()).values, original.values);
        let mut changed = volume.clone();
        changed.voxels_mut()[100] += 1.0;
        let changed = of(changed);
        assert!(changed.in_order != original.in_order && changed.values != original.values);
        assert!(!original.is_constant && of(volume.map(|_| 0.0)).is_constant);
    }
}
