//! The stage that looks at all scans, and decides what is done with them.

use std::collections::BTreeSet;

use candle_nn3d::{AdamWSettings, Decay, OptimiserConfig};
use mrisynth_cohort::{AffineJitter, AugmentationConfig, Manifest, Visit};
use mrisynth_conditioning::{IdSpace, LabelScheme, LabelSchemeConfig};
use mrisynth_training::RunConfig;
use mrisynth_unet::UnetConfig;
use mrisynth_volume::{Geometry, GridRequest, Image, LabelMap};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::config::Effort;
use super::context::{COHORT, Context, PLAN};
use super::model_grid::{model_grid, thick_axes};
use super::plan::Plan;
use super::scheme_choice::SchemeChoice;
use crate::conversion::Conversion;
use crate::data_config::SchemeSource;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::preset::Preset;
use crate::segmentation::{PlanOptions, SegmentationExperiment};
use crate::stage_graph::{Stage, StageEnd, Work};
use crate::study::StudySplit;

/// How the segmentation networks learn within seconds: at a large rate, from patches of a tenth of the
/// grid around structures, the small as often as the large, without augmentation.
const SEGMENTATION_RATE: f64 = 1e-2;
const PATCHES_PER_GRID: usize = 10;
/// No patch has fewer voxels.
const LEAST_PATCH: usize = 16 * 16 * 16;
/// The fewest checkpoints of a training, so that little is lost when it is interrupted.
const CHECKPOINTS: u64 = 5;
/// Stages of the segmentation networks, at most.
const STAGES: usize = 3;

/// Decides what is done.
pub(super) struct PlanStage<'a> {
    pub(super) context: &'a Context<'a>,
}

impl Stage for PlanStage<'_> {
    fn name(&self) -> &str {
        PLAN
    }

    fn inputs(&self) -> Vec<String> {
        vec![COHORT.into()]
    }

    fn settings(&self) -> Result<Value> {
        let config = self.context.config;
        // What a file says, not where it lies.
        let scheme = config.scheme.as_deref().map(LabelScheme::open).transpose()?;
        let scheme = scheme.as_ref().map(LabelScheme::config);
        Ok(json!({ "scheme": scheme, "seed": config.seed, "effort": config.effort }))
    }

    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd> {
        let config = self.context.config;
        let cohort = self.context.cohort()?;
        let mut plan = Plan::new(&cohort, &config.effort, config.seed)?;
        let subjects = plan.subjects();
        let subjects: BTreeSet<&str> = subjects.iter().map(String::as_str).collect();
        let visits = StudySplit::visits(&cohort, &subjects, std::slice::from_ref(&plan.image));
        let seen: Vec<Seen> =
            visits.par_iter().map(|visit| Seen::of(visit, &plan.image)).collect::<Result<_>>()?;
        let (scans, masks): (Vec<Geometry>, Vec<BTreeSet<i32>>) =
            seen.into_iter().map(|seen| (seen.grid, seen.labels)).unzip();
        let choice = SchemeChoice::new(config.scheme.as_deref(), &masks)?;
        plan.notes.push(choice.reason);
        plan.scheme = choice.scheme;
        let grid = model_grid(&scans, config.effort.most_voxels);
        plan.thick = thick_axes(&grid);
        plan.notes.extend(told(&grid));

        let visits = Manifest::new("", visits);
        let generator = self.generator(&plan, grid)?;
        Conversion::new(&generator.data)?.check_masks(&visits)?;
        let segmentation = self.segmentation(&plan, grid, &visits)?;
        let folder = work.folder();
        let [generator_file, segmentation_file] =
            [Plan::generator_in(&folder), Plan::segmentation_in(&folder)];
        durable_file::write(&generator_file, generator.to_toml()?.as_bytes())?;
        durable_file::write(&segmentation_file, segmentation.to_toml()?.as_bytes())?;
        let file = Plan::file_in(&folder);
        work.write_json("plan.json", &json!(plan))?;
        let below = |path: &std::path::Path| path.file_name().map(std::path::PathBuf::from);
        let files = [&file, &generator_file, &segmentation_file];
        Ok(StageEnd::Done(files.into_iter().filter_map(|path| below(path)).collect()))
    }
}

impl PlanStage<'_> {
    /// The preset `quickstart` on these scans.
    fn generator(&self, plan: &Plan, grid: GridRequest) -> Result<Experiment> {
        let config = self.context.config;
        let Effort { generator_steps: steps, sampling_steps, .. } = config.effort;
        let mut experiment = Preset::Quickstart.experiment()?;
        experiment.data.images = vec![plan.image.clone()];
        experiment.data.grid = grid;
        experiment.data.label_scheme = Some(SchemeSource::Inline(plan.scheme.clone()));
        let channels = 1 + plan.scheme.channels.len();
        match &mut experiment.network {
            UnetConfig::DiffusionUnet(network) => network.in_channels = channels,
            UnetConfig::GuidedUnet(network) => network.in_channels = channels,
        }
        experiment.diffusion.seed = config.seed;
        let rate = &mut experiment.diffusion.learning_rate;
        rate.warm_up_steps = rate.warm_up_steps.min(steps / 4);
        experiment.sampling.seed = config.seed;
        experiment.sampling.steps = sampling_steps;
        experiment.training.held_out = 0.0;
        experiment.training.run =
            RunConfig { log_every: 1, ..run_of(steps, experiment.training.run) };
        if config.data.is_some() {
            // Few people, unlike each other: each is shown turned and scaled.
            let [x, y, z] = plan.thick;
            let rotated_about = [y && z, z && x, x && y];
            let affine =
                AffineJitter { rotation_deg: 5.0, rotated_about, ..AffineJitter::default() };
            experiment.training.augmentation =
                AugmentationConfig { affine: Some(affine), ..AugmentationConfig::default() };
            experiment.name = "quickstart-own".into();
            experiment.description = "A small network for a first try. Not for research.".into();
        }
        experiment.check()?;
        Ok(experiment)
    }

    /// A small network.
    fn segmentation(
        &self,
        plan: &Plan,
        grid: GridRequest,
        cohort: &Manifest,
    ) -> Result<SegmentationExperiment> {
        let config = self.context.config;
        let options = PlanOptions {
            base_channels: config.effort.study_channels,
            patch_voxels: (config.effort.most_voxels / PATCHES_PER_GRID).max(LEAST_PATCH),
            stages: STAGES,
            steps: config.effort.study_steps,
            spacing_mm: grid.spacing_mm,
            seed: config.seed,
        };
        let (images, scheme) = (vec![plan.image.clone()], plan.scheme.clone());
        let sides = mirrored_axes(&scheme);
        let scheme = SchemeSource::Inline(scheme);
        let mut experiment = SegmentationExperiment::plan(cohort, images, scheme, &options)?;
        experiment.resampling.antialias = true;
        experiment.held_out = 0.0;
        experiment.window.mirrored_axes = [false; 3];
        let recipe = &mut experiment.recipe;
        recipe.optimiser = OptimiserConfig::AdamW(AdamWSettings::default());
        recipe.learning_rate.peak = SEGMENTATION_RATE;
        recipe.learning_rate.decay =
            Decay::Polynomial { steps: config.effort.study_steps, power: 0.9, floor: 0.0 };
        recipe.patches.batch_size = 1;
        recipe.patches.foreground = 1.0;
        let swapped_classes = std::mem::take(&mut recipe.patches.augmentation.swapped_classes);
        recipe.patches.augmentation = mrisynth_segmentation::AugmentationConfig {
            mirrored_axes: sides,
            swapped_classes,
            ..mrisynth_segmentation::AugmentationConfig::none()
        };
        experiment.run = run_of(config.effort.study_steps, experiment.run);
        Ok(experiment)
    }
}

/// Left and right alone, and only where labels say which is which.
fn mirrored_axes(scheme: &LabelSchemeConfig) -> [bool; 3] {
    [scheme.ids == IdSpace::Freesurfer, false, false]
}

/// A run of so many steps that looks neither left nor right, but saves itself.
fn run_of(steps: u64, run: RunConfig) -> RunConfig {
    RunConfig {
        steps,
        log_every: 10,
        validate_every: 0,
        preview_every: 0,
        checkpoint_every: (steps / CHECKPOINTS).max(1),
        ..run
    }
}

fn told(grid: &GridRequest) -> Option<String> {
    let ([x, y, z], [dx, dy, dz]) = (grid.shape?, grid.spacing_mm?);
    Some(format!("Networks work on {x}×{y}×{z} voxels of {dx:.2}×{dy:.2}×{dz:.2} mm."))
}

/// What a plan must know of a visit.
struct Seen {
    grid: Geometry,
    labels: BTreeSet<i32>,
}

impl Seen {
    /// Of a visit that has the image and a mask.
    fn of(visit: &Visit, suffix: &str) -> Result<Self> {
        let lacks = || Error::argument("a scan", &visit.subject, format!("{suffix} and a mask"));
        let image = visit.images.get(suffix).ok_or_else(lacks)?;
        let mask = LabelMap::read(visit.mask.as_ref().ok_or_else(lacks)?)?;
        let labels = mask.counts().into_keys().collect();
        Ok(Self { grid: *Image::read(image)?.geometry(), labels })
    }
}
