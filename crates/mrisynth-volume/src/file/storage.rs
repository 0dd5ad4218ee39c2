//! How values are stored: the choice of datatype, and the scaling that makes values fit it.
//!
//! The rules, first match wins:
//! 1. the datatype is the stored one: bits and scaling are kept;
//! 2. an integer type that holds all values: they are stored as they are, unscaled;
//! 3. an integer type that holds all stored integers: those are stored, with their scaling;
//! 4. an integer type otherwise: slope and intercept map the range of the values onto the range of
//!    the type, and each value is off by at most half a slope (and the rounding of `f64`, which is
//!    coarser than the steps of the 64-bit types);
//! 5. a float type: values are rounded to it.
//!
//! NaN, infinities where rule 4 is needed, and overflow in rule 5 are errors. Labels (and files
//! without a scaling field, as to integers) stop after rule 2: a label is never scaled or rounded.

use std::ops::Range;

use rayon::prelude::*;

use super::byte_order::ByteOrder;
use super::voxel_bytes::{Element, converted, put_all};
use crate::datatype::{Datatype, with_datatype};
use crate::error::FileFault;
use crate::image::Scaling;

/// The precision in which a format stores slope and intercept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlopeField {
    /// It has no such field.
    None,
    /// `f32`: NIfTI-1.
    F32,
    /// `f64`: NIfTI-2.
    F64,
}

impl SlopeField {
    /// The scaling as the field holds it, or `None` when it cannot.
    fn rounded(self, Scaling { slope, inter }: Scaling) -> Option<Scaling> {
        let rounded = match self {
            Self::None => Scaling::IDENTITY,
            Self::F32 => Scaling { slope: f64::from(slope as f32), inter: f64::from(inter as f32) },
            Self::F64 => Scaling { slope, inter },
        };
        let holds = match self {
            Self::None => rounded == Scaling { slope, inter },
            _ => rounded.slope != 0.0 && rounded.slope.is_finite() && rounded.inter.is_finite(),
        };
        holds.then_some(rounded)
    }
}

/// What a format can store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    pub(super) format: &'static str,
    pub(super) datatypes: &'static [Datatype],
    pub(super) slope_field: SlopeField,
}

/// Which datatype is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// This one.
    This(Datatype),
    /// The stored one; where the format lacks it, one that loses least.
    AsStored,
    /// The smallest of u8, i16 and i32 that holds all values.
    SmallestInteger,
}

/// Voxels to be stored, and how to name one of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a, T> {
    pub(super) stored: &'a [T],
    pub(super) scaling: Scaling,
    pub(super) shape: [usize; 3],
    /// Labels: never scaled, never rounded.
    pub(super) are_labels: bool,
}

/// The datatype and scaling of a file, and how to get there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Storage {
    pub(super) datatype: Datatype,
    /// What the header says.
    pub(super) scaling: Scaling,
    rule: Rule,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// The same bits.
    Verbatim,
    /// The values under this scaling, converted.
    Convert(Scaling),
    /// The values under this scaling, as multiples of the file's slope above its intercept.
    Quantise(Scaling),
}

const SMALL_INTEGERS: [Datatype; 3] = [Datatype::U8, Datatype::I16, Datatype::I32];

impl Storage {
    /// Chooses how to store the values in a format.
    pub(super) fn choose<T: Element>(
        values: &Values<'_, T>,
        wanted: Wanted,
        capacity: Capacity,
    ) -> Result<Self, FileFault> {
        let datatype = values.datatype_for(wanted, capacity);
        if !capacity.datatypes.contains(&datatype) {
            let names: Vec<_> = capacity.datatypes.iter().map(|d| d.name()).collect();
            let found = format!("{} holds only {}", capacity.format, names.join(", "));
            return Err(FileFault::Unstorable { datatype: datatype.name(), found });
        }
        with_datatype!(datatype, U => values.storage_as::<U>(capacity.slope_field))
    }

    /// Writes stored voxels over the bytes of a file.
    pub(super) fn encode<T: Element>(&self, stored: &[T], order: ByteOrder, bytes: &mut [u8]) {
        let Scaling { slope, inter } = self.scaling;
        with_datatype!(self.datatype, U => match self.rule {
            Rule::Verbatim => put_all(stored, order, bytes, |s| s),
            Rule::Convert(Scaling::IDENTITY) => put_all(stored, order, bytes, converted::<T, U>),
            Rule::Convert(from) => {
                put_all(stored, order, bytes, |s| U::from_f64(from.apply(s.to_f64())));
            }
            Rule::Quantise(from) => put_all(stored, order, bytes, |s| {
                U::from_f64(((from.apply(s.to_f64()) - inter) / slope).round_ties_even())
            }),
        })
    }
}

impl<T: Element> Values<'_, T> {
    fn datatype_for(&self, wanted: Wanted, capacity: Capacity) -> Datatype {
        let smallest = || {
            SMALL_INTEGERS
                .into_iter()
                .find(|&d| with_datatype!(d, U => self.misfit::<U>().is_none()))
        };
        match wanted {
            Wanted::This(datatype) => datatype,
            Wanted::SmallestInteger => smallest().unwrap_or(Datatype::I32),
            Wanted::AsStored => {
                let kept = capacity.slope_field.rounded(self.scaling).is_some();
                if kept && capacity.datatypes.contains(&T::DATATYPE) {
                    return T::DATATYPE;
                }
                let is_whole = T::DATATYPE.is_integer() && self.scaling.is_identity();
                let float = [Datatype::F64, Datatype::F32].into_iter();
                let widest = float.into_iter().find(|d| capacity.datatypes.contains(d));
                // Whole numbers too large for i32 are refused later, by value, not rounded here.
                let rest = if is_whole { None } else { widest };
                smallest().or(rest).unwrap_or(Datatype::I32)
            }
        }
    }

    fn storage_as<U: Element>(&self, slope_field: SlopeField) -> Result<Storage, FileFault> {
        let datatype = U::DATATYPE;
        let kept = slope_field.rounded(self.scaling);
        if let (Some(scaling), true) = (kept, T::DATATYPE == datatype) {
            return Ok(Storage { datatype, scaling, rule: Rule::Verbatim });
        }
        let misfit = if datatype.is_integer() || self.are_labels {
            self.misfit::<U>()
        } else {
            self.first(|v| v.is_finite() && !U::from_f64(v).to_f64().is_finite())
        };
        let Some(misfit) = misfit else {
            let scaling = Scaling::IDENTITY;
            return Ok(Storage { datatype, scaling, rule: Rule::Convert(self.scaling) });
        };
        if !datatype.is_integer() || self.are_labels {
            return Err(self.unstorable::<U>(misfit));
        }
        let unscaled = Self { scaling: Scaling::IDENTITY, ..*self };
        if let (Some(scaling), None) = (kept, unscaled.misfit::<U>()) {
            return Ok(Storage { datatype, scaling, rule: Rule::Convert(Scaling::IDENTITY) });
        }
        if let Some(i) = self.first(|v| !v.is_finite()) {
            return Err(self.unstorable::<U>(i));
        }
        let (min, max) = self.range();
        match spread_over::<U>(min, max, slope_field) {
            Some(scaling) => Ok(Storage { datatype, scaling, rule: Rule::Quantise(self.scaling) }),
            None if slope_field == SlopeField::None => Err(self.unstorable::<U>(misfit)),
            None => {
                let found = format!("the range from {min} to {max} is beyond the format's slope");
                Err(FileFault::Unstorable { datatype: datatype.name(), found })
            }
        }
    }

    /// The first voxel whose value changes on the way to `U` and back.
    fn misfit<U: Element>(&self) -> Option<usize> {
        let exact = T::DATATYPE.is_integer() && self.scaling.is_identity();
        if exact && U::DATATYPE.is_integer() {
            self.first_stored(|s| U::from_i128(s.to_i128()).to_i128() != s.to_i128())
        } else {
            self.first(|v| U::from_f64(v).to_f64() != v)
        }
    }

    fn first(&self, is_it: impl Fn(f64) -> bool + Sync) -> Option<usize> {
        self.first_stored(|s| is_it(self.scaling.apply(s.to_f64())))
    }

    fn first_stored(&self, is_it: impl Fn(T) -> bool + Sync) -> Option<usize> {
        first_in_chunks(self.stored.len(), &|range| {
            let first = range.start;
            self.stored[range].iter().position(|&s| is_it(s)).map(|i| first + i)
        })
    }

    /// The least and the greatest value; all are finite.
    fn range(&self) -> (f64, f64) {
        let none = (f64::INFINITY, f64::NEG_INFINITY);
        let wider = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        let of_chunk = |chunk: &[T]| {
            let values = chunk.iter().map(|s| self.scaling.apply(s.to_f64()));
            values.fold(none, |range, v| wider(range, (v, v)))
        };
        self.stored.par_chunks(CHUNK).map(of_chunk).reduce(|| none, wider)
    }

    fn unstorable<U: Element>(&self, index: usize) -> FileFault {
        let [nx, ny, nz] = self.shape;
        let voxel = [index % nx, index / nx % ny, index / (nx * ny) % nz];
        let frame = index / (nx * ny * nz);
        let of_frame = if frame > 0 { format!(" of frame {frame}") } else { String::new() };
        let stored = self.stored[index];
        let found = if self.scaling.is_identity() {
            format!("the value {stored:?} of voxel {voxel:?}{of_frame}")
        } else {
            let value = self.scaling.apply(stored.to_f64());
            format!("the value {value:?} of voxel {voxel:?}{of_frame}")
        };
        FileFault::Unstorable { datatype: U::DATATYPE.name(), found }
    }
}

/// Voxels looked at in one go; small enough to stop early.
const CHUNK: usize = 1 << 16;

/// The first index found, searching chunks in parallel. Not generic, because a parallel search is
/// much code, and it is needed for 400 pairs of datatypes.
fn first_in_chunks(
    n: usize,
    find: &(dyn Fn(Range<usize>) -> Option<usize> + Sync),
) -> Option<usize> {
    let chunks = (0..n.div_ceil(CHUNK)).into_par_iter();
    chunks.find_map_first(|c| find(c * CHUNK..n.min((c + 1) * CHUNK)))
}

/// The scaling that spreads `min..=max` over all of the integer type `U`.
///
/// Slope and intercept are found as the file will hold them: where rounding them pushes an end of
/// the range off the type by more than half a step, the slope grows a little until it does not.
fn spread_over<U: Element>(min: f64, max: f64, slope_field: SlopeField) -> Option<Scaling> {
    let steps = U::GREATEST - U::LEAST;
    let (middle, middle_step) = (min / 2.0 + max / 2.0, U::LEAST / 2.0 + U::GREATEST / 2.0);
    // One value alone still needs a slope: that of the rounding of its intercept.
    let least = (middle.abs() * f64::from(f32::EPSILON)).max(f64::from(f32::from_bits(1)));
    let extent = (max - min).max(least);
    (0..128).find_map(|k| {
        let grown = extent * (1.0 + f64::from(f32::EPSILON) * 2_f64.powi(k) / 2.0);
        let slope = slope_field.rounded(Scaling { slope: grown / steps, inter: 0.0 })?.slope;
        let inter = middle - slope * middle_step;
        let Scaling { slope, inter } = slope_field.rounded(Scaling { slope, inter })?;
        let holds_min = (min - inter) / slope >= U::LEAST - 0.5;
        let holds_max = (max - inter) / slope <= U::GREATEST + 0.5;
        (holds_min && holds_max).then_some(Scaling { slope, inter })
    })
}

#[cfg(test)]
mod tests;
