//! A network and a patch that suit a cohort.

use candle_nn3d::{Decay, LearningRate};
use mrisynth_cohort::Manifest;
use mrisynth_conditioning::LabelScheme;
use mrisynth_segmentation::{
    AugmentationConfig, NnUnetConfig, PatchConfig, Recipe, SegmenterConfig, StagePlan,
};
use mrisynth_volume::{GridRequest, Image, Orientation, ReadOptions};

use crate::data_config::SchemeSource;
use crate::error::{Error, Result};
use crate::segmentation::SegmentationExperiment;

/// What a plan may take.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanOptions {
    /// Channels of the finest stage.
    pub base_channels: usize,
    /// Voxels of a patch, at most.
    pub patch_voxels: usize,
    /// Stages of the network, at most.
    pub stages: usize,
    /// Training steps.
    pub steps: u64,
    /// The spacing, in millimetres along RAS axes; by default the median of the cohort.
    pub spacing_mm: Option<[f64; 3]>,
    /// What everything is drawn from.
    pub seed: u64,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            base_channels: 32,
            patch_voxels: 128 * 128 * 128,
            stages: 6,
            steps: 250_000,
            spacing_mm: None,
            seed: 0,
        }
    }
}

impl SegmentationExperiment {
    /// An experiment whose grid has the cohort's median spacing, whose patch is the median scan as far as
    /// it fits, and whose network follows from both.
    ///
    /// # Errors
    /// [`Error::Argument`] for a cohort without such images; those of reading them.
    ///
    /// # Source
    /// nnU-Net's planning (Isensee et al. 2021): median spacing, the aspect of the median shape, stages
    /// from both. The patch is bounded by a number of voxels, not by a graphics card.
    pub fn plan(
        cohort: &Manifest,
        images: Vec<String>,
        label_scheme: SchemeSource,
        options: &PlanOptions,
    ) -> Result<Self> {
        let (spacing, extent) = median_grid(cohort, &images)?;
        let spacing = options.spacing_mm.unwrap_or(spacing);
        let size = [0, 1, 2].map(|axis| (extent[axis] / spacing[axis]).max(1.0));
        let patch = bounded(size, options.patch_voxels);
        let plan = StagePlan::new(patch, spacing, options.stages)?;
        let stride = plan.total_stride();
        let patch = [0, 1, 2].map(|axis| patch[axis].next_multiple_of(stride[axis]));
        let mut experiment = {
            let rotated_about = rotated_about(patch);
            let augmentation = AugmentationConfig { rotated_about, ..Default::default() };
            let patches = PatchConfig { patch, augmentation, ..PatchConfig::default() };
            let decay = Decay::Polynomial { steps: options.steps, power: 0.9, floor: 0.0 };
            let learning_rate = LearningRate { peak: 1e-2, warm_up_steps: 0, decay };
            let recipe = Recipe { seed: options.seed, patches, learning_rate, ..Recipe::default() };
            let network = SegmenterConfig::NnUnet(NnUnetConfig {
                in_channels: images.len(),
                base_channels: options.base_channels,
                plan,
                ..NnUnetConfig::default()
            });
            let grid = GridRequest {
                orientation: Some(Orientation::RAS),
                spacing_mm: Some(spacing),
                ..GridRequest::default()
            };
            Self::new(images, label_scheme, grid, network, recipe)
        };
        let scheme = experiment.scheme()?;
        if let SegmenterConfig::NnUnet(network) = &mut experiment.network {
            network.classes = scheme.n_channels() + 1;
        }
        let swapped = swapped_classes(&scheme);
        // A mirrored window would have to have its classes swapped back.
        experiment.window.mirrored_axes[0] &= swapped.is_empty();
        experiment.recipe.patches.augmentation.swapped_classes = swapped;
        experiment.run.steps = options.steps;
        experiment.preparation()?;
        Ok(experiment)
    }
}

/// Median spacing and median extent of the first image of every visit, in millimetres along RAS axes.
fn median_grid(cohort: &Manifest, images: &[String]) -> Result<([f64; 3], [f64; 3])> {
    let (mut spacings, mut extents) = (Vec::new(), Vec::new());
    for visit in &cohort.visits {
        let Some(path) = images.first().and_then(|suffix| visit.images.get(suffix)) else {
            continue;
        };
        let image = Image::read_with(cohort.resolve(path), &ReadOptions::default())?;
        let geometry = image.geometry().reoriented(Orientation::RAS);
        let (spacing, shape) = (geometry.spacing_mm(), geometry.shape());
        spacings.push(spacing);
        extents.push([0, 1, 2].map(|axis| spacing[axis] * shape[axis] as f64));
    }
    if spacings.is_empty() {
        let expected = format!("visits with {}", images.join(", "));
        return Err(Error::argument("the cohort", "without images to plan by", expected));
    }
    Ok((median(&spacings), median(&extents)))
}

fn median(of: &[[f64; 3]]) -> [f64; 3] {
    [0, 1, 2].map(|axis| {
        let mut values: Vec<f64> = of.iter().map(|value| value[axis]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    })
}

/// All axes, but only the thin one of a patch that is flat: turned about another, most of it would lie
/// outside the scan. nnU-Net calls a patch flat when it is more than three times as long as thick.
fn rotated_about(patch: [usize; 3]) -> [bool; 3] {
    let [least, most] = [patch.iter().min(), patch.iter().max()].map(|n| n.map_or(0, |n| *n));
    let is_flat = most > 3 * least;
    patch.map(|edge| !is_flat || edge == least)
}

/// Classes that are each other's mirror image: those whose labels are partners in the scheme.
fn swapped_classes(scheme: &LabelScheme) -> Vec<[u8; 2]> {
    let classes = (1_u8..=u8::MAX).zip(scheme.representative_ids());
    let pair = |(class, id): (u8, i32)| {
        let partner = scheme.channel_number(scheme.partner(id)?)?;
        let partner = u8::try_from(partner).ok()?;
        (class < partner).then_some([class, partner])
    };
    classes.filter_map(pair).collect()
}

/// The size, the longest axes cut first until the product fits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "edges are small and positive"
)]
fn bounded(size: [f64; 3], most: usize) -> [usize; 3] {
    let mut size = size.map(|edge| edge.ceil().min(4096.0) as usize);
    while size.iter().product::<usize>() > most.max(1) {
        let longest = (0..3).max_by_key(|&axis| size[axis]).unwrap_or(0);
        size[longest] -= 1;
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_keeps_short_axes_and_cuts_long_ones() {
        assert_eq!(bounded([181.0, 217.0, 181.0], 1 << 40), [181, 217, 181]);
        assert_eq!(bounded([181.0, 217.0, 16.0], 128 * 128 * 16), [128, 128, 16]);
        assert_eq!(bounded([3.2, 1.0, 1.0], 2), [2, 1, 1]);
    }

    #[test]
    fn a_flat_patch_is_turned_in_its_plane() {
        assert_eq!(rotated_about([96, 112, 16]), [false, false, true]);
        assert_eq!(rotated_about([128, 128, 64]), [true; 3]);
    }

    #[test]
    fn sides_change_places_and_what_is_merged_does_not() {
        let scheme = |name| LabelScheme::built_in(name).unwrap();
        assert!(swapped_classes(&scheme("ad-structures")).is_empty());
        assert!(swapped_classes(&scheme("slab-tissues")).is_empty());
        let scheme = scheme("ad-structures-lr");
        let ids = scheme.representative_ids();
        let swapped = swapped_classes(&scheme);
        assert!(!swapped.is_empty());
        for [a, b] in swapped {
            let (a, b) = (ids[usize::from(a) - 1], ids[usize::from(b) - 1]);
            assert_eq!(scheme.partner(a), Some(b));
        }
    }

    #[test]
    fn medians_are_axis_by_axis() {
        assert_eq!(median(&[[1.0, 9.0, 2.0], [3.0, 5.0, 2.0], [2.0, 7.0, 1.0]]), [2.0, 7.0, 2.0]);
    }
}
