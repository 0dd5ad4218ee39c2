//! A subject in a scanner: labels and images.

use keyed_random::Key;
use mrisynth_volume::{Affine, Geometry, LabelMap, Volume};

use crate::anatomy::Anatomy;
use crate::error::{Error, Result};
use crate::image_formation::{Brightness, ImageKeys, form_image};
use crate::pulse_sequence::Modality;
use crate::scanner::Scanner;
use crate::scene::{PlacedHead, Sampled, sample};
use crate::subject::Subject;
use crate::substance::Substance;

/// The most voxels of a grid.
pub(crate) const MAX_VOXELS: usize = 1 << 28;

/// A grid that holds a head: isotropic voxels, along RAS, 181×217×181 mm or a little more.
///
/// # Errors
/// [`Error::Argument`] when an axis has fewer than 8 voxels or there are more than 2²⁸.
///
/// # Examples
/// ```
/// let geometry = mrisynth_phantom::head_geometry([181, 217, 181])?;
/// assert_eq!(geometry.spacing_mm(), [1.0; 3]);
/// # Ok::<(), mrisynth_phantom::Error>(())
/// ```
pub fn head_geometry(shape: [usize; 3]) -> Result<Geometry> {
    const EXTENT_MM: [f64; 3] = [181.0, 217.0, 181.0];
    /// The middle of the head in its own frame.
    const MIDDLE_MM: [f64; 3] = [0.0, 7.0, -7.0];
    let n = shape.iter().try_fold(1_usize, |n, &axis| n.checked_mul(axis));
    if shape.iter().any(|&n| n < 8) || n.is_none_or(|n| n > MAX_VOXELS) {
        let expected = "at least 8 voxels along each axis, and at most 2^28 in all";
        return Err(Error::argument("shape", shape, expected));
    }
    let per_axis = [0, 1, 2].map(|a| EXTENT_MM[a] / shape[a] as f64);
    let spacing = per_axis.into_iter().fold(0.0, f64::max);
    let origin = [0, 1, 2].map(|a| MIDDLE_MM[a] - 0.5 * (shape[a] - 1) as f64 * spacing);
    let affine = Affine::from_spacing_mm([spacing; 3], origin)
        .map_err(|fault| Error::argument("shape", shape, format!("a grid, but it {fault}")))?;
    Ok(Geometry::new(shape, affine)?)
}

/// One scan session of the digital brain: the anatomy on a grid, ready for any contrast.
///
/// # Examples
/// ```
/// use mrisynth_phantom::{Modality, Phantom, Scanner, Subject, head_geometry};
/// let phantom = Phantom::new(&Subject::default(), head_geometry([24; 3])?)?;
/// let t1w = phantom.image(Modality::T1w, &Scanner::default())?;
/// assert!(phantom.labels().counts()[&41] > 20);
/// assert_eq!(t1w.geometry(), phantom.labels().geometry());
/// # Ok::<(), mrisynth_phantom::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Phantom {
    pub(crate) sampled: Sampled,
    pub(crate) keys: ImageKeys,
    pub(crate) matter: Matter,
}

/// What the classes of a sampled scene are.
#[derive(Clone, Debug)]
pub(crate) enum Matter {
    /// The substances, in their order.
    Substances,
    /// The labels of a map, each with its substance.
    Labels(Vec<Substance>),
    /// The labels of a map, as many as this, with random brightness.
    Random(usize),
}

impl Phantom {
    /// Puts a subject into the scanner, the head a little turned and shifted, otherwise in every
    /// session (another `years` of the subject).
    ///
    /// # Errors
    /// [`Error::Argument`] when the subject is out of its domain.
    pub fn new(subject: &Subject, geometry: Geometry) -> Result<Self> {
        let anatomy = Anatomy::new(subject)?;
        let session = subject.key().with("session").with_index(subject.years.to_bits());
        let world_to_head = pose(session)?;
        let head = PlacedHead { anatomy: &anatomy, world_to_head };
        let sampled = sample(&head, &geometry)?;
        let keys = ImageKeys { texture: subject.key().with("shine"), image: session };
        Ok(Self { sampled, keys, matter: Matter::Substances })
    }

    /// The label of each voxel, in FreeSurfer's numbers.
    #[must_use]
    pub fn labels(&self) -> &LabelMap {
        &self.sampled.labels
    }

    /// An image of one contrast, in whole numbers.
    ///
    /// # Errors
    /// [`Error::Argument`] when a setting of the scanner is out of its domain.
    pub fn image(&self, modality: Modality, scanner: &Scanner) -> Result<Volume> {
        scanner.check()?;
        let image = self.keys.image.with(modality.suffix());
        let brightness = match &self.matter {
            Matter::Substances => substances(modality, scanner),
            Matter::Labels(of) => {
                let all = substances(modality, scanner);
                of.iter().map(|&s| all[s as usize]).collect()
            }
            Matter::Random(count) => random_brightness(*count, image),
        };
        form_image(&self.sampled, &brightness, scanner, ImageKeys { image, ..self.keys })
    }
}

/// The brightness of every substance, white matter being 1.
pub(crate) fn substances(modality: Modality, scanner: &Scanner) -> Vec<Brightness> {
    let sequence = scanner.sequence(modality);
    let of = |s: Substance| sequence.signal_of(s, scanner.field, modality.is_enhanced());
    let white = of(Substance::White);
    let brightness =
        |s: Substance| Brightness { signal: (of(s) / white) as f32, unevenness: s.unevenness() };
    Substance::ALL.into_iter().map(brightness).collect()
}

/// Random brightness of labels. Background, the first, stays dark.
///
/// # Source
/// Billot et al., *SynthSeg*, Medical Image Analysis 2023, table 2: means from U(25, 225) and
/// standard deviations from U(5, 25), of 255. Here the deviation is smooth in space; what is
/// independent from voxel to voxel is the noise.
fn random_brightness(count: usize, key: Key) -> Vec<Brightness> {
    let mut chance = key.with("random brightness").stream();
    let mut uniform = |low: f32, high: f32| low + (high - low) * chance.uniform_f32();
    let mut all: Vec<Brightness> = (0..count)
        .map(|_| {
            let (mean, deviation) = (uniform(25.0, 225.0), uniform(5.0, 25.0));
            Brightness { signal: mean / 180.0, unevenness: deviation / mean }
        })
        .collect();
    if let Some(background) = all.first_mut() {
        *background = Brightness { signal: 0.0, unevenness: 0.0 };
    }
    all
}

/// From the world to the head: a few degrees and millimetres.
fn pose(key: Key) -> Result<Affine> {
    let mut chance = key.with("pose").stream();
    let mut normal = |sd: f64| chance.normal_f64().clamp(-2.5, 2.5) * sd;
    let angles = [normal(0.03), normal(0.02), normal(0.02)];
    let shift = [normal(1.0), normal(1.5), normal(1.5)];
    let columns = rotation(angles);
    Affine::from_columns(columns, shift)
        .map_err(|fault| Error::argument("pose", columns, format!("a rotation, but it {fault}")))
}

/// The columns of a rotation by angles about x, y and z, in radians.
pub(crate) fn rotation([pitch, roll, yaw]: [f64; 3]) -> [[f64; 3]; 3] {
    let ((sp, cp), (sr, cr), (sy, cy)) = (pitch.sin_cos(), roll.sin_cos(), yaw.sin_cos());
    [
        [cy * cr, sy * cr, -sr],
        [cy * sr * sp - sy * cp, sy * sr * sp + cy * cp, cr * sp],
        [cy * sr * cp + sy * sp, sy * sr * cp - cy * sp, cr * cp],
    ]
}
