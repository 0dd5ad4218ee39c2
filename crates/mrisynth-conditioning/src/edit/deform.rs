//! A smooth random deformation of a whole map.

use keyed_random::Key;
use mrisynth_volume::{Deformation, LabelMap, Volume};

use super::label_warp::warped;
use crate::error::Result;

/// How far, how smoothly and along which of the world's axes.
#[derive(Clone, Copy)]
pub(super) struct Movement {
    pub(super) amplitude_mm: f64,
    pub(super) smoothness_mm: f64,
    pub(super) along: [bool; 3],
}

pub(super) fn deformed(
    labels: &LabelMap,
    numbers: &LabelMap,
    key: &Key,
    movement: Movement,
) -> Result<LabelMap> {
    let Movement { amplitude_mm, smoothness_mm, along } = movement;
    let key = key.with("deform mask");
    let free = Deformation::random(labels.geometry(), &key, amplitude_mm, smoothness_mm)?;
    if along == [true; 3] {
        return warped(labels, numbers, &free);
    }
    let velocity = free.velocity_mm();
    let kept = |v: &[f32; 3]| [0, 1, 2].map(|axis| if along[axis] { v[axis] } else { 0.0 });
    let velocity = Volume::new(velocity.voxels().iter().map(kept).collect(), *velocity.geometry())?;
    warped(labels, numbers, &Deformation::from_velocity(&velocity)?)
}
