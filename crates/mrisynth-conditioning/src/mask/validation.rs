//! Whether a label map fits a scheme, and all that is wrong if not.

use std::collections::BTreeMap;
use std::fmt;

use mrisynth_volume::{Geometry, LabelMap};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::label_scheme::LabelScheme;

/// How strictly a mask is checked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValidationOptions {
    /// How far the corners of mask and image may lie apart in millimetres; 0.05 by default, which
    /// affines stored as `f32` or as quaternions keep.
    pub tolerance_mm: f64,
    /// Whether volumes must be plausible for a whole brain; true by default. Crops are not.
    pub volumes: bool,
}

impl Default for ValidationOptions {
    fn default() -> Self {
        Self { tolerance_mm: 0.05, volumes: true }
    }
}

/// A label and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabelCount {
    /// The id.
    pub id: i32,
    /// Its name in FreeSurfer's table or in the scheme, else `unknown`.
    pub name: String,
    /// The number of its voxels.
    pub n_voxels: u64,
}

/// A required channel without a voxel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingChannel {
    /// The channel.
    pub channel: String,
    /// The ids of which there is none.
    pub ids: Vec<crate::IdRange>,
}

/// A channel that is too small or too large.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VolumeFault {
    /// The channel.
    pub channel: String,
    /// The number of its voxels.
    pub n_voxels: u64,
    /// Its volume in millilitres.
    pub found_ml: f64,
    /// What the scheme takes for plausible, in millilitres.
    pub plausible_ml: [f64; 2],
}

/// One way in which a mask does not fit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MaskFault {
    /// It has labels that the scheme does not know.
    UnknownLabels(Vec<LabelCount>),
    /// It lacks structures that the scheme requires.
    MissingChannels(Vec<MissingChannel>),
    /// Structures are too small or too large.
    ImplausibleVolumes(Vec<VolumeFault>),
    /// It has another shape than its image.
    OtherShape {
        /// The shape of the mask.
        found: [usize; 3],
        /// The shape of the image.
        expected: [usize; 3],
    },
    /// It lies elsewhere than its image.
    OtherPlace {
        /// The rows of the mask's affine.
        found: Box<[[f64; 4]; 4]>,
        /// The rows of the image's affine.
        expected: Box<[[f64; 4]; 4]>,
        /// The tolerance in millimetres.
        tolerance_mm: f64,
    },
}

impl fmt::Display for MaskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<String>| items.join(", ");
        match self {
            Self::UnknownLabels(labels) => {
                let one = |l: &LabelCount| format!("{} ({}, {} voxels)", l.id, l.name, l.n_voxels);
                write!(f, "unknown labels {}", list(labels.iter().map(one).collect()))
            }
            Self::MissingChannels(channels) => {
                let one = |m: &MissingChannel| {
                    let ids = list(m.ids.iter().map(ToString::to_string).collect());
                    format!("{} (0 voxels of {ids})", m.channel)
                };
                write!(f, "missing {}", list(channels.iter().map(one).collect()))
            }
            Self::ImplausibleVolumes(faults) => {
                let one = |v: &VolumeFault| {
                    let [low, high] = v.plausible_ml;
                    let (ml, n) = (v.found_ml, v.n_voxels);
                    format!("{} of {ml:.2} ml ({n} voxels), expected {low} to {high}", v.channel)
                };
                write!(f, "implausible volumes: {}", list(faults.iter().map(one).collect()))
            }
            Self::OtherShape { found, expected } => {
                write!(f, "the shape is {found:?}, that of the image {expected:?}")
            }
            Self::OtherPlace { found, expected, tolerance_mm } => write!(
                f,
                "the affine is {found:?}, that of the image {expected:?}, and corners lie more than {tolerance_mm} mm apart"
            ),
        }
    }
}

/// What a mask holds of one channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelSummary {
    /// The channel.
    pub channel: String,
    /// The number of its voxels.
    pub n_voxels: u64,
    /// Its volume in millilitres.
    pub volume_ml: f64,
}

impl fmt::Display for ChannelSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:9.2} ml  {}", self.volume_ml, self.channel)
    }
}

/// What a mask holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MaskSummary {
    /// The scheme it was read by.
    pub scheme: String,
    /// Its channels, in order.
    pub channels: Vec<ChannelSummary>,
    /// The number of voxels in no channel.
    pub n_background: u64,
}

impl LabelScheme {
    /// Checks a mask, and says what it holds.
    ///
    /// # Errors
    /// [`Error::Mask`] with everything that is wrong.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_conditioning::{LabelScheme, ValidationOptions};
    /// use mrisynth_volume::{Affine, Geometry, LabelMap};
    /// let scheme = LabelScheme::built_in("med-ddpm-brats")?;
    /// let geometry = Geometry::new([3, 1, 1], Affine::identity())?;
    /// let without_brain = LabelMap::new(vec![0, 1, 7], geometry)?;
    /// let error = scheme.validate(&without_brain, None, ValidationOptions::default()).unwrap_err();
    /// assert!(error.to_string().contains("unknown labels 7 (unknown, 1 voxels)"));
    /// assert!(error.to_string().contains("missing brain (0 voxels of 4)"));
    /// # Ok::<(), mrisynth_conditioning::Error>(())
    /// ```
    pub fn validate(
        &self,
        labels: &LabelMap,
        image: Option<&Geometry>,
        options: ValidationOptions,
    ) -> Result<MaskSummary> {
        let counts = labels.counts();
        let mut faults: Vec<MaskFault> = self.unknown_labels(&counts).into_iter().collect();
        let summary = self.summary_of(&counts, labels.geometry());
        faults.extend(self.missing_channels(&summary));
        if options.volumes {
            faults.extend(self.implausible_volumes(&summary));
        }
        faults.extend(image.and_then(|image| misplaced(labels, image, options.tolerance_mm)));
        if faults.is_empty() {
            return Ok(summary);
        }
        Err(Error::Mask { scheme: self.name().into(), faults })
    }

    /// What a mask holds of each channel; ids that the scheme does not know are left out.
    #[must_use]
    pub fn summary(&self, labels: &LabelMap) -> MaskSummary {
        self.summary_of(&labels.counts(), labels.geometry())
    }

    pub(crate) fn unknown_labels(&self, counts: &BTreeMap<i32, u64>) -> Option<MaskFault> {
        let unknown = counts.iter().filter(|(id, _)| self.channel_number(**id).is_none());
        let listed: Vec<LabelCount> = unknown
            .map(|(&id, &n_voxels)| LabelCount { id, name: self.id_name(id), n_voxels })
            .collect();
        (!listed.is_empty()).then_some(MaskFault::UnknownLabels(listed))
    }

    fn summary_of(&self, counts: &BTreeMap<i32, u64>, geometry: &Geometry) -> MaskSummary {
        let mut n_voxels = vec![0; self.n_channels() + 1];
        for (&id, n) in counts {
            if let Some(number) = self.channel_number(id) {
                n_voxels[number] += n;
            }
        }
        let ml = voxel_ml(geometry);
        let channel = |(config, &n_voxels): (&crate::ChannelConfig, &u64)| ChannelSummary {
            channel: config.name.clone(),
            n_voxels,
            volume_ml: n_voxels as f64 * ml,
        };
        let channels = self.channels_config().iter().zip(&n_voxels[1..]).map(channel).collect();
        MaskSummary { scheme: self.name().into(), channels, n_background: n_voxels[0] }
    }

    fn missing_channels(&self, summary: &MaskSummary) -> Option<MaskFault> {
        let both = self.channels_config().iter().zip(&summary.channels);
        let missing: Vec<MissingChannel> = both
            .filter(|(config, found)| config.required && found.n_voxels == 0)
            .map(|(config, _)| MissingChannel {
                channel: config.name.clone(),
                ids: config.ids.clone(),
            })
            .collect();
        (!missing.is_empty()).then_some(MaskFault::MissingChannels(missing))
    }

    /// Channels without a voxel are not implausible, but missing or optional.
    fn implausible_volumes(&self, summary: &MaskSummary) -> Option<MaskFault> {
        let both = self.channels_config().iter().zip(&summary.channels);
        let fault = |(config, found): (&crate::ChannelConfig, &ChannelSummary)| {
            let [low, high] = config.plausible_ml?;
            let fits = found.n_voxels == 0 || (low..=high).contains(&found.volume_ml);
            (!fits).then(|| VolumeFault {
                channel: config.name.clone(),
                n_voxels: found.n_voxels,
                found_ml: found.volume_ml,
                plausible_ml: [low, high],
            })
        };
        let faults: Vec<VolumeFault> = both.filter_map(fault).collect();
        (!faults.is_empty()).then_some(MaskFault::ImplausibleVolumes(faults))
    }
}

/// The volume of a voxel in millilitres.
pub(crate) fn voxel_ml(geometry: &Geometry) -> f64 {
    let [a, b, c] = [0, 1, 2].map(|axis| geometry.voxel_to_world().column(axis));
    let cross = [b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0]];
    (a[0] * cross[0] + a[1] * cross[1] + a[2] * cross[2]).abs() / 1000.0
}

fn misplaced(labels: &LabelMap, image: &Geometry, tolerance_mm: f64) -> Option<MaskFault> {
    let (found, expected) = (labels.geometry(), image);
    if found.shape() != expected.shape() {
        return Some(MaskFault::OtherShape { found: found.shape(), expected: expected.shape() });
    }
    (!found.matches(expected, tolerance_mm)).then(|| MaskFault::OtherPlace {
        found: Box::new(found.voxel_to_world().rows()),
        expected: Box::new(expected.voxel_to_world().rows()),
        tolerance_mm,
    })
}
