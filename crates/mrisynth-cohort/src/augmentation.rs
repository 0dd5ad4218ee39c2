//! Changing samples at random, as other people and other scanners would.
//!
//! Parameters are drawn first, from a key of their own for each purpose, and applied second; so a
//! setting that is changed leaves the draws of the others alone, and what was done to a sample can
//! be recorded.
//!
//! # Source
//! Pérez-García, Sparks and Ourselin, "TorchIO", Computer Methods and Programs in Biomedicine 208
//! (2021), whose ranges are the defaults: affine (scales 0.9–1.1, 10°), gamma (|ln γ| ≤ 0.3), noise,
//! bias field (polynomial of order 3, coefficients within ±0.5; after Sudre et al. 2017). Unlike
//! there, noise is in parts of the channel's range, the bias field acts on the distance from the
//! channel's minimum, and results stay within the channel's range.

mod geometric;
mod intensity;

use std::collections::BTreeMap;

use keyed_random::{Key, Stream};
use mrisynth_volume::freesurfer;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::preparation::Prepared;

/// Which changes are made; `None` is never. By default none is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentationConfig {
    /// Left and right are exchanged.
    pub flip: Option<Flip>,
    /// The head is turned, scaled and moved.
    pub affine: Option<AffineJitter>,
    /// Contrast changes.
    pub gamma: Option<Gamma>,
    /// Intensities drift through space.
    pub bias: Option<BiasField>,
    /// Noise is added.
    pub noise: Option<Noise>,
}

impl AugmentationConfig {
    /// All changes, at the ranges of the paper.
    #[must_use]
    pub fn all() -> Self {
        Self {
            flip: Some(Flip::default()),
            affine: Some(AffineJitter::default()),
            gamma: Some(Gamma::default()),
            bias: Some(BiasField::default()),
            noise: Some(Noise::default()),
        }
    }
}

/// Exchanging left and right: a reflection along the voxel axis that runs left–right, exact to the
/// bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flip {
    /// How often.
    pub probability: f64,
    /// What becomes of labels.
    pub labels: FlipLabels,
}

impl Default for Flip {
    fn default() -> Self {
        Self { probability: 0.5, labels: FlipLabels::FreeSurfer }
    }
}

/// What becomes of labels when left and right are exchanged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlipLabels {
    /// They stay: the scheme has no sides.
    Keep,
    /// Each becomes its partner in FreeSurfer's table.
    #[serde(rename = "freesurfer")]
    FreeSurfer,
    /// Each that is listed becomes the other.
    Table(BTreeMap<i32, i32>),
}

impl FlipLabels {
    fn of(&self, label: i32) -> i32 {
        match self {
            Self::Keep => label,
            Self::FreeSurfer => freesurfer::partner(label).unwrap_or(label),
            Self::Table(table) => table.get(&label).copied().unwrap_or(label),
        }
    }
}

/// Turning, scaling and moving about the centre of the grid; images linearly, labels by vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AffineJitter {
    /// How often.
    pub probability: f64,
    /// The largest angle about each of the world's axes, in degrees.
    pub rotation_deg: f64,
    /// About which of the world's axes: a thin slab may be turned about its thin axis alone, or tissue
    /// would leave it above and below.
    pub rotated_about: [bool; 3],
    /// The largest change of size along each axis, as a part of it.
    pub scaling: f64,
    /// The longest way along each axis, in millimetres.
    pub translation_mm: f64,
}

impl Default for AffineJitter {
    fn default() -> Self {
        Self {
            probability: 0.75,
            rotation_deg: 10.0,
            rotated_about: [true; 3],
            scaling: 0.1,
            translation_mm: 0.0,
        }
    }
}

/// `v ↦ v^γ` on the channel's range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gamma {
    /// How often.
    pub probability: f64,
    /// The largest |ln γ|.
    pub log_gamma: f64,
}

impl Default for Gamma {
    fn default() -> Self {
        Self { probability: 0.5, log_gamma: 0.3 }
    }
}

/// A smooth factor: the exponential of a polynomial of order 3 in the coordinates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BiasField {
    /// How often.
    pub probability: f64,
    /// The largest coefficient.
    pub coefficient: f64,
}

impl Default for BiasField {
    fn default() -> Self {
        Self { probability: 0.5, coefficient: 0.5 }
    }
}

/// Gaussian noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// How often.
    pub probability: f64,
    /// The largest standard deviation, in parts of the channel's range.
    pub std: f64,
}

impl Default for Noise {
    fn default() -> Self {
        Self { probability: 0.5, std: 0.05 }
    }
}

/// What is done to one sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Whether left and right are exchanged.
    pub flip: bool,
    /// How the head is moved.
    pub affine: Option<AffineDraw>,
    /// γ of each channel.
    pub gamma: Option<Vec<f64>>,
    /// The polynomial's coefficients for each channel.
    pub bias: Option<Vec<Vec<f64>>>,
    /// The standard deviation in each channel, in parts of its range.
    pub noise: Option<Vec<f64>>,
}

/// A movement about the centre of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AffineDraw {
    /// Angles about x, y and z, in degrees.
    pub rotation_deg: [f64; 3],
    /// Factors along x, y and z.
    pub scale: [f64; 3],
    /// The way along x, y and z, in millimetres.
    pub translation_mm: [f64; 3],
}

impl AugmentationConfig {
    /// Refuses what is outside its domain.
    pub(crate) fn check(&self) -> Result<()> {
        let part = |field, value: f64, most: f64| {
            if (0.0..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::argument(field, value, format!("a number between 0 and {most}")))
        };
        if let Some(flip) = &self.flip {
            part("flip.probability", flip.probability, 1.0)?;
            if let FlipLabels::Table(table) = &flip.labels
                && let Some((a, b)) = table.iter().find(|(a, b)| table.get(b) != Some(a))
            {
                let expected = format!("{b} = {a} as well, so that two flips are none");
                return Err(Error::argument("flip.labels", format!("{a} = {b}"), expected));
            }
        }
        if let Some(affine) = &self.affine {
            part("affine.probability", affine.probability, 1.0)?;
            part("affine.rotation_deg", affine.rotation_deg, 180.0)?;
            part("affine.scaling", affine.scaling, 0.9)?;
            part("affine.translation_mm", affine.translation_mm, 1e3)?;
        }
        if let Some(gamma) = &self.gamma {
            part("gamma.probability", gamma.probability, 1.0)?;
            part("gamma.log_gamma", gamma.log_gamma, 5.0)?;
        }
        if let Some(bias) = &self.bias {
            part("bias.probability", bias.probability, 1.0)?;
            part("bias.coefficient", bias.coefficient, 5.0)?;
        }
        if let Some(noise) = &self.noise {
            part("noise.probability", noise.probability, 1.0)?;
            part("noise.std", noise.std, 10.0)?;
        }
        Ok(())
    }

    /// What to do to a sample of so many channels.
    pub(crate) fn draw(&self, key: Key, n_channels: usize) -> Augmentation {
        let happens = |purpose: &str, probability: f64| {
            let mut stream = key.with(purpose).stream();
            stream.bool(probability).then_some(stream)
        };
        let within = |stream: &mut Stream, most: f64| most * (2.0 * stream.uniform_f64() - 1.0);
        let per_channel = |mut stream: Stream, draw: &dyn Fn(&mut Stream) -> f64| -> Vec<f64> {
            (0..n_channels).map(|_| draw(&mut stream)).collect()
        };
        let flip = self.flip.as_ref().and_then(|of| happens("flip", of.probability));
        let affine = self.affine.as_ref().and_then(|of| {
            let mut stream = happens("affine", of.probability)?;
            let mut three = |most: f64| [(); 3].map(|()| within(&mut stream, most));
            let mut rotation_deg = three(of.rotation_deg);
            for (angle, about) in rotation_deg.iter_mut().zip(of.rotated_about) {
                *angle = if about { *angle } else { 0.0 };
            }
            let scale = three(of.scaling).map(|change| 1.0 + change);
            Some(AffineDraw { rotation_deg, scale, translation_mm: three(of.translation_mm) })
        });
        let gamma = self.gamma.as_ref().and_then(|of| {
            let stream = happens("gamma", of.probability)?;
            Some(per_channel(stream, &|stream| within(stream, of.log_gamma).exp()))
        });
        let bias = self.bias.as_ref().and_then(|of| {
            let mut stream = happens("bias", of.probability)?;
            let mut one =
                || (0..intensity::N_TERMS).map(|_| within(&mut stream, of.coefficient)).collect();
            Some((0..n_channels).map(|_| one()).collect())
        });
        let noise = self.noise.as_ref().and_then(|of| {
            let stream = happens("noise", of.probability)?;
            Some(per_channel(stream, &|stream| of.std * stream.uniform_f64()))
        });
        Augmentation { flip: flip.is_some(), affine, gamma, bias, noise }
    }

    /// Does to a sample what was drawn for it under the same key.
    pub(crate) fn apply(
        &self,
        drawn: &Augmentation,
        key: Key,
        sample: &mut Prepared,
    ) -> Result<()> {
        geometric::apply(drawn, sample)?;
        if let (true, Some(flip), Some(mask)) = (drawn.flip, &self.flip, &mut sample.mask) {
            mask.chunk_by_mut(|a, b| a == b).for_each(|run| run.fill(flip.labels.of(run[0])));
        }
        intensity::apply(drawn, key, sample);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
