//! New masks from old ones.

mod deform;
mod flip;
mod label_warp;
mod poisson;
mod progression;
mod structure_field;
mod tumour;
mod volume_request;

use std::fmt;

use keyed_random::Key;
use mrisynth_volume::LabelMap;
use serde::{Deserialize, Serialize};

pub use tumour::{TUMOUR_SHIFTS, tumour_scales};
pub use volume_request::VolumeRequest;

use deform::Movement;

use crate::error::{Error, Result};
use crate::label_scheme::LabelScheme;
use crate::mask::MaskSummary;

/// A change of a mask. It works on the label ids themselves, so that sides and parcels survive.
///
/// # Examples
/// ```
/// use keyed_random::Key;
/// use mrisynth_conditioning::{LabelScheme, MaskEdit};
/// use mrisynth_volume::{Affine, Geometry, LabelMap};
/// let scheme = LabelScheme::built_in("med-ddpm-whole-head")?;
/// let geometry = Geometry::new([24, 24, 24], Affine::identity())?;
/// let mask = LabelMap::from_fn(geometry, |[x, y, z]| {
///     if [x, y, z].iter().all(|i| (8..14).contains(i)) { 2 } else { 1 }
/// });
/// let edited = MaskEdit::ShiftTumour { voxels: [4, 0, 0] }.apply(&scheme, &mask, &Key::new(1))?;
/// assert_eq!(edited.labels.counts(), mask.counts());
/// # Ok::<(), mrisynth_conditioning::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum MaskEdit {
    /// A smooth random diffeomorphism of the whole map; see
    /// [`Deformation::random`](mrisynth_volume::Deformation::random) for its numbers.
    Deform {
        /// The standard deviation of the velocity along each axis.
        amplitude_mm: f64,
        /// How far velocities stay alike.
        smoothness_mm: f64,
        /// Along which of the world's axes, left–right, back–front and down–up: through the faces of a
        /// thin slab nothing may move, or tissue would leave it and nothing come in.
        #[serde(default = "everywhere")]
        along: [bool; 3],
    },
    /// Left and right exchanged: voxels mirrored along the axis nearest to left–right, and ids
    /// exchanged for those of the other side.
    Flip,
    /// The tumour enlarged or shrunk about its centre of mass, within the brain.
    ScaleTumour {
        /// How many times longer it becomes.
        factor: f64,
    },
    /// The tumour moved, within the brain.
    ShiftTumour {
        /// By how many voxels along each stored axis.
        voxels: [i64; 3],
    },
    /// Structures grown and shrunk by given percentages, all at once, as disease does it: the
    /// volume is exchanged with the white matter and the fluid outside the ventricles nearby, and what
    /// lies between is moved without being squeezed. Every request is met to within 2 points, or the
    /// edit is refused. All other structures, the ventricles too, are held to their volumes as well
    /// as can be, to 1 point as a rule; where a hippocampus shrinks and the horn beside it is to
    /// fill the gap, ask for both. The report tells what became of each.
    Progress {
        /// The changes.
        requests: Vec<VolumeRequest>,
    },
}

/// A mask after an edit.
#[derive(Clone, Debug, PartialEq)]
pub struct EditedMask {
    /// The mask.
    pub labels: LabelMap,
    /// What the edit did.
    pub report: EditReport,
}

/// What an edit did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EditReport {
    /// The edit.
    pub edit: MaskEdit,
    /// Its effect on every channel, in order.
    pub structures: Vec<StructureChange>,
}

impl fmt::Display for EditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.edit)?;
        self.structures.iter().try_for_each(|change| writeln!(f, "{change}"))
    }
}

/// The volume of a channel before and after an edit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StructureChange {
    /// The channel.
    pub channel: String,
    /// Millilitres before.
    pub before_ml: f64,
    /// Millilitres after.
    pub after_ml: f64,
    /// The difference in per cent of the volume before; 0 where there was none.
    pub change_percent: f64,
}

fn everywhere() -> [bool; 3] {
    [true; 3]
}

impl fmt::Display for StructureChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after, percent) = (self.before_ml, self.after_ml, self.change_percent);
        write!(f, "{before:9.2} -> {after:9.2} ml  {percent:+6.1} %  {}", self.channel)
    }
}

impl fmt::Display for MaskEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deform { amplitude_mm, smoothness_mm, along } => {
                write!(f, "deformed by {amplitude_mm} mm, smooth over {smoothness_mm} mm")?;
                let axes = ["left-right", "back-front", "down-up"];
                let fixed = axes.iter().zip(along).filter(|(_, along)| !**along);
                fixed.into_iter().try_for_each(|(axis, _)| write!(f, ", not {axis}"))
            }
            Self::Flip => write!(f, "left and right exchanged"),
            Self::ScaleTumour { factor } => write!(f, "tumour {factor} times as long"),
            Self::ShiftTumour { voxels } => write!(f, "tumour shifted by {voxels:?} voxels"),
            Self::Progress { requests } => {
                let requests: Vec<String> = requests.iter().map(ToString::to_string).collect();
                write!(f, "volumes changed: {}", requests.join(", "))
            }
        }
    }
}

impl MaskEdit {
    /// The mask edited: deterministic in the key, which only random edits use, and valid wherever
    /// the one before was.
    ///
    /// # Errors
    /// - [`Error::Mask`] for labels that the scheme does not know.
    /// - [`Error::StructuresLost`] when nothing is left of a structure that the scheme requires.
    /// - [`Error::Argument`] for a number outside its domain or an unknown channel.
    /// - [`Error::NoTumour`], [`Error::TumourOutside`] and [`Error::TumourTooSmall`] from tumour edits.
    /// - [`Error::VolumeMissed`] when a change of volume cannot be reached to within 2 points.
    pub fn apply(&self, scheme: &LabelScheme, labels: &LabelMap, key: &Key) -> Result<EditedMask> {
        let numbers = scheme.channel_numbers(labels)?;
        let edited = match self {
            &Self::Deform { amplitude_mm, smoothness_mm, along } => {
                let movement = Movement { amplitude_mm, smoothness_mm, along };
                deform::deformed(labels, &numbers, key, movement)?
            }
            Self::Flip => flip::flipped(scheme, labels)?,
            Self::ScaleTumour { factor } => tumour::scaled(scheme, labels, &numbers, *factor)?,
            Self::ShiftTumour { voxels } => tumour::shifted(scheme, labels, &numbers, *voxels)?,
            Self::Progress { requests } => {
                progression::progressed(scheme, labels, &numbers, requests)?
            }
        };
        let structures = changes(&scheme.summary(labels), &scheme.summary(&edited));
        // Of a mask that has a structure on one side alone, flipping loses none.
        if *self != Self::Flip {
            check_kept(scheme, &structures)?;
        }
        Ok(EditedMask { labels: edited, report: EditReport { edit: self.clone(), structures } })
    }

    /// A random tumour edit out of those of Med-DDPM: one of [`tumour_scales`], or a shift by one of
    /// [`TUMOUR_SHIFTS`] along each axis. Some of them are discarded when applied.
    #[must_use]
    pub fn random_tumour(key: &Key) -> Self {
        tumour::random(key)
    }
}

fn changes(before: &MaskSummary, after: &MaskSummary) -> Vec<StructureChange> {
    let both = before.channels.iter().zip(&after.channels);
    both.map(|(before, after)| StructureChange {
        channel: before.channel.clone(),
        before_ml: before.volume_ml,
        after_ml: after.volume_ml,
        change_percent: percent(after.n_voxels, before.n_voxels),
    })
    .collect()
}

fn percent(after: u64, before: u64) -> f64 {
    if before == 0 { 0.0 } else { 100.0 * (after as f64 / before as f64 - 1.0) }
}

/// Refuses a mask that lost a required channel it had.
fn check_kept(scheme: &LabelScheme, structures: &[StructureChange]) -> Result<()> {
    let both = scheme.channels_config().iter().zip(structures);
    let lost = both.filter(|(c, s)| c.required && s.before_ml > 0.0 && s.after_ml == 0.0);
    let channels: Vec<String> = lost.map(|(config, _)| config.name.clone()).collect();
    if channels.is_empty() { Ok(()) } else { Err(Error::StructuresLost { channels }) }
}

#[cfg(test)]
mod tests;
