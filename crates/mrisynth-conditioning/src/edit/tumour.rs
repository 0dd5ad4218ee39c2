//! Tumours of other sizes, elsewhere.
//!
//! # Source
//! The edits that Med-DDPM (Dorjsembe et al., IEEE JBHI 2024) makes new masks by, as described with
//! it: scales 2.0 to 0.5 about the centre, shifts of ±40 voxels in steps of 10; kept when at least
//! half of the tumour stays in the brain and at least 30 voxels are left. What a tumour leaves behind
//! becomes the brain nearest to it, which where there is one label for brain is that label.

use std::num::NonZero;

use keyed_random::Key;
use mrisynth_volume::LabelMap;

use super::MaskEdit;
use crate::error::{Error, Result};
use crate::label_scheme::{LabelScheme, Role};

/// The least number of tumour voxels in an edited mask.
const LEAST_VOXELS: u64 = 30;

/// Shifts along an axis, in voxels.
pub const TUMOUR_SHIFTS: [i64; 9] = [-40, -30, -20, -10, 0, 10, 20, 30, 40];

/// Twenty scales from 2.0 down to 0.5, evenly spaced.
#[must_use]
pub fn tumour_scales() -> [f64; 20] {
    std::array::from_fn(|i| 2.0 - 1.5 * i as f64 / 19.0)
}

pub(super) fn random(key: &Key) -> MaskEdit {
    const SCALES: NonZero<u64> = NonZero::new(20).unwrap();
    const SHIFTS: NonZero<u64> = NonZero::new(TUMOUR_SHIFTS.len() as u64).unwrap();
    let mut stream = key.with("edit tumour").stream();
    if stream.bool(0.5) {
        return MaskEdit::ScaleTumour { factor: tumour_scales()[stream.below(SCALES) as usize] };
    }
    let voxels = [(); 3].map(|()| TUMOUR_SHIFTS[stream.below(SHIFTS) as usize]);
    MaskEdit::ShiftTumour { voxels }
}

pub(super) fn scaled(
    scheme: &LabelScheme,
    labels: &LabelMap,
    numbers: &LabelMap,
    factor: f64,
) -> Result<LabelMap> {
    if !(factor > 0.0 && (0.1..=10.0).contains(&factor)) {
        let (field, found) = ("factor".to_owned(), factor.to_string());
        return Err(Error::Argument { field, found, expected: "a factor from 0.1 to 10".into() });
    }
    let tumour = Tumour::of(scheme, labels, numbers)?;
    let centre = tumour.centre;
    let expected = (tumour.n_voxels as f64 * factor.powi(3)).round() as u64;
    tumour.moved(expected, |voxel| {
        [0, 1, 2].map(|a| centre[a] + (voxel[a] as f64 - centre[a]) / factor)
    })
}

pub(super) fn shifted(
    scheme: &LabelScheme,
    labels: &LabelMap,
    numbers: &LabelMap,
    voxels: [i64; 3],
) -> Result<LabelMap> {
    let tumour = Tumour::of(scheme, labels, numbers)?;
    tumour.moved(tumour.n_voxels, |voxel| [0, 1, 2].map(|a| voxel[a] as f64 - voxels[a] as f64))
}

/// The tumour of a mask.
struct Tumour<'a> {
    labels: &'a LabelMap,
    /// Per voxel: 0 background, 1 brain, 2 tumour.
    kinds: Vec<u8>,
    n_voxels: u64,
    /// Its centre of mass, in voxels.
    centre: [f64; 3],
}

const BACKGROUND: u8 = 0;
const BRAIN: u8 = 1;
const TUMOUR: u8 = 2;

impl<'a> Tumour<'a> {
    fn of(scheme: &LabelScheme, labels: &'a LabelMap, numbers: &LabelMap) -> Result<Self> {
        let channels = scheme.channels_config();
        let no_tumour = |reason: String| Err(Error::NoTumour { reason });
        if channels.iter().all(|channel| channel.role != Role::Tumour) {
            return no_tumour(format!("{} has no channel with the role of one", scheme.name()));
        }
        let kind = |&number: &i32| match (number as usize).checked_sub(1).map(|c| channels[c].role)
        {
            None => BACKGROUND,
            Some(Role::Anatomy) => BRAIN,
            Some(Role::Tumour) => TUMOUR,
        };
        let kinds: Vec<u8> = numbers.voxels().iter().map(kind).collect();
        let (mut n_voxels, mut sum) = (0_u64, [0_u64; 3]);
        let [nx, ny, _] = labels.geometry().shape();
        for (index, _) in kinds.iter().enumerate().filter(|(_, kind)| **kind == TUMOUR) {
            n_voxels += 1;
            let voxel = [index % nx, index / nx % ny, index / nx / ny];
            (0..3).for_each(|a| sum[a] += voxel[a] as u64);
        }
        if n_voxels == 0 {
            return no_tumour("the mask has no voxel of one".into());
        }
        let centre = sum.map(|s| s as f64 / n_voxels as f64);
        Ok(Self { labels, kinds, n_voxels, centre })
    }

    /// The mask with the tumour that is taken from `source(voxel)`. `expected` counts the voxels it
    /// would have in an unbounded field of view.
    fn moved(&self, expected: u64, source: impl Fn([usize; 3]) -> [f64; 3]) -> Result<LabelMap> {
        let [nx, ny, _] = self.labels.geometry().shape();
        let mut new = self.vacated();
        let (mut inside, mut total) = (0, 0);
        for (index, label) in new.iter_mut().enumerate() {
            let voxel = [index % nx, index / nx % ny, index / nx / ny];
            let Some(tumour) = self.between_voxels(source(voxel)) else { continue };
            total += 1;
            if self.kinds[index] != BACKGROUND {
                inside += 1;
                *label = tumour;
            }
        }
        let total = expected.max(total);
        if 2 * inside < total {
            return Err(Error::TumourOutside { inside, total });
        }
        if inside < LEAST_VOXELS {
            return Err(Error::TumourTooSmall { found: inside, expected: LEAST_VOXELS });
        }
        Ok(LabelMap::new(new, *self.labels.geometry())?)
    }

    /// The label of the tumour at a position, if there it has at least half of the trilinear weight:
    /// the nearest voxel alone would not see changes of size below a voxel. Of its parts it is the one
    /// with the most weight, of equals the smallest label.
    fn between_voxels(&self, position: [f64; 3]) -> Option<i32> {
        let shape = self.labels.geometry().shape();
        let low = position.map(f64::floor);
        let mut votes: Vec<(i32, f64)> = Vec::new();
        for corner in 0..8_usize {
            let (mut index, mut weight, mut is_inside) = (0, 1.0, true);
            for a in (0..3).rev() {
                let (up, t) = (corner >> a & 1, position[a] - low[a]);
                weight *= if up == 1 { t } else { 1.0 - t };
                let at = low[a] + up as f64;
                is_inside &= at >= 0.0 && at < shape[a] as f64;
                index = index * shape[a] + at.max(0.0) as usize;
            }
            if weight == 0.0 || !is_inside || self.kinds[index] != TUMOUR {
                continue;
            }
            let label = self.labels.voxels()[index];
            match votes.iter_mut().find(|(known, _)| *known == label) {
                Some((_, sum)) => *sum += weight,
                None => votes.push((label, weight)),
            }
        }
        if votes.iter().map(|(_, weight)| weight).sum::<f64>() < 0.5 {
            return None;
        }
        votes.sort_unstable_by_key(|(label, _)| *label);
        let first = *votes.first()?;
        let most =
            votes.iter().fold(first, |best, &next| if next.1 > best.1 { next } else { best });
        Some(most.0)
    }

    /// The labels with the brain grown over the tumour, a layer of faces at a time; of the labels
    /// that reach a voxel at once it takes the smallest. Where no brain is near, the tumour stays.
    fn vacated(&self) -> Vec<i32> {
        let mut labels = self.labels.voxels().to_vec();
        let mut kinds = self.kinds.clone();
        let [nx, ny, nz] = self.labels.geometry().shape();
        let neighbours = |index: usize| {
            let [x, y, z] = [index % nx, index / nx % ny, index / nx / ny];
            let (slice, row) = (nx * ny, nx);
            [
                (x > 0).then(|| index - 1),
                (x + 1 < nx).then(|| index + 1),
                (y > 0).then(|| index - row),
                (y + 1 < ny).then(|| index + row),
                (z > 0).then(|| index - slice),
                (z + 1 < nz).then(|| index + slice),
            ]
        };
        let mut left: Vec<usize> =
            (0..kinds.len()).filter(|&index| kinds[index] == TUMOUR).collect();
        loop {
            let reached: Vec<(usize, i32)> = left
                .iter()
                .filter_map(|&index| {
                    let brain = |&at: &usize| kinds[at] == BRAIN;
                    let around = neighbours(index).into_iter().flatten().filter(brain);
                    around.map(|at| labels[at]).min().map(|label| (index, label))
                })
                .collect();
            if reached.is_empty() {
                return labels;
            }
            for &(index, label) in &reached {
                (labels[index], kinds[index]) = (label, BRAIN);
            }
            left.retain(|&index| kinds[index] == TUMOUR);
        }
    }
}
