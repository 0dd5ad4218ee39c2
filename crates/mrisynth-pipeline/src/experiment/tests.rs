use candle_nn3d::OptimiserConfig;
use mrisynth_diffusion::{Averaging, Clipping, Loss};
use mrisynth_schedulers::SamplingPreset;
use mrisynth_unet::{GuidedUnetConfig, presets};

use super::*;

fn of(preset: Preset) -> Experiment {
    preset.experiment().unwrap()
}

#[test]
fn every_preset_is_an_experiment_of_its_name_that_survives_being_resolved() {
    for preset in Preset::ALL {
        let experiment = of(preset);
        assert_eq!(experiment.name, preset.name());
        assert_eq!(preset.name().parse::<Preset>().unwrap(), preset);
        let resolved = experiment.to_toml().unwrap();
        assert_eq!(Experiment::from_toml(&resolved, "resolved").unwrap(), experiment);
    }
    let refused = "ddpm".parse::<Preset>().unwrap_err().to_string();
    assert!(refused.contains("quickstart"), "{refused}");
}

#[test]
fn presets_sample_as_the_published_systems_do() {
    for (preset, published) in [
        (Preset::MedDdpm, SamplingPreset::MedDdpm),
        (Preset::MedDdpmBrats, SamplingPreset::MedDdpm),
        (Preset::AdMaskDdpm, SamplingPreset::MedDdpm),
        (Preset::BariDdpm, SamplingPreset::BariDdpm),
    ] {
        let (ours, published) = (of(preset).sampling_config(), published.config());
        // With all steps every spacing visits every level.
        assert_eq!(ours.levels().unwrap(), published.levels().unwrap(), "{preset}");
        assert_eq!(
            (ours.prediction, ours.timesteps, ours.threshold, ours.sampler, ours.steps),
            (
                published.prediction,
                published.timesteps,
                published.threshold,
                published.sampler,
                published.steps
            ),
            "{preset}"
        );
    }
}

#[test]
fn presets_are_of_the_published_networks() {
    let guided = UnetConfig::GuidedUnet;
    assert_eq!(of(Preset::MedDdpm).network, guided(GuidedUnetConfig::whole_head_128()));
    assert_eq!(of(Preset::MedDdpmBrats).network, guided(GuidedUnetConfig::brats_192x192x144()));
    let extended = GuidedUnetConfig { in_channels: 14, ..GuidedUnetConfig::whole_head_128() };
    assert_eq!(of(Preset::AdMaskDdpm).network, guided(extended));
    assert_eq!(of(Preset::BariDdpm).network, presets::bari_84x128x84().into());
}

#[test]
fn presets_learn_as_published() {
    for preset in [Preset::MedDdpm, Preset::MedDdpmBrats, Preset::AdMaskDdpm] {
        let DiffusionConfig { loss, accumulation, clipping, learning_rate, averaging, .. } =
            of(preset).diffusion;
        let ema = candle_nn3d::EmaSettings::MED_DDPM;
        assert_eq!((loss, accumulation, clipping), (Loss::L1, 2, Clipping::None));
        assert_eq!(learning_rate, candle_nn3d::LearningRate::constant(1e-5));
        assert_eq!(averaging, Averaging::Exponential(ema));
        assert_eq!(of(preset).training.run.steps, 100_000);
    }
    let bari = of(Preset::BariDdpm);
    assert_eq!((bari.diffusion.loss, bari.diffusion.averaging), (Loss::L2, Averaging::None));
    assert_eq!(bari.diffusion.learning_rate, candle_nn3d::LearningRate::constant(5e-5));
    assert_eq!(bari.training.run.steps, 400 * 814);
    for preset in Preset::ALL {
        assert_eq!(of(preset).diffusion.optimiser, OptimiserConfig::default());
    }
}

#[test]
fn brats_scans_of_the_published_grid_are_cropped_and_not_interpolated() {
    let experiment = of(Preset::MedDdpmBrats);
    let conversion = crate::Conversion::new(&experiment.data).unwrap();
    let regrid = conversion.regrid(&experiment.data.file_grid().unwrap()).unwrap();
    assert!(regrid.is_exact());
    assert_eq!(regrid.target().shape(), [192, 192, 144]);
    assert_eq!(experiment.data.tensor_shape().unwrap(), [144, 192, 192]);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let refused = |from: &str, to: &str| {
        let text = Preset::Quickstart.toml();
        assert!(text.contains(from), "{from}");
        Experiment::from_toml(&text.replace(from, to), "mine.toml").unwrap_err().to_string()
    };
    for (from, to, named) in [
        ("in_channels = 14", "in_channels = 3", "network.in_channels is 3, expected 14"),
        ("out_channels = 1", "out_channels = 2", "network.out_channels"),
        ("shape = [48, 48, 48]", "shape = [48, 50, 48]", "data.grid.shape is 50"),
        ("shape = [48, 48, 48]", "", "data.grid.shape is absent"),
        ("version = 1", "version = 2", "mine.toml: is mrisynth-experiment version 2"),
        ("format = \"mrisynth-experiment\"", "", "format"),
        ("held_out = 0.1", "held_out = 1.5", "training.held_out"),
        ("steps = 20", "steps = 2000", "2000"),
        ("steps = 20", "steps = 20\nguidance = 2.0", "sampling.guidance is 2, expected 1"),
        ("label_scheme = \"ad-structures\"", "label_scheme = \"none\"", "label scheme"),
        ("axes = \"xyz\"", "axes = \"xyy\"", "axes"),
        ("batch_size = 1", "batches = 1", "batches"),
        (
            "batch_size = 1",
            "batch_size = 1\npatch = [16, 18, 16]",
            "training.patch is [16, 18, 16]",
        ),
        (
            "batch_size = 1",
            "batch_size = 1\npatch = [16, 16, 52]",
            "training.patch is [16, 16, 52]",
        ),
    ] {
        let message = refused(from, to);
        assert!(message.contains(named), "{message}");
    }
}

#[test]
fn guidance_leaves_out_what_training_left_out() {
    let mut experiment = of(Preset::Quickstart);
    experiment.diffusion.condition_dropout.probability = 0.1;
    experiment.diffusion.condition_dropout.unconditional.fill = 0.5;
    experiment.sampling.guidance = 3.0;
    experiment.check().unwrap();
    let guidance = experiment.generator_config().guidance;
    assert_eq!((guidance.scale, guidance.unconditional.fill), (3.0, 0.5));
}

#[test]
fn a_scheme_beside_the_file_becomes_part_of_the_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let scheme = mrisynth_conditioning::LabelScheme::built_in("ad-structures").unwrap();
    let text = toml::to_string(scheme.config()).unwrap();
    std::fs::write(folder.path().join("own.toml"), text).unwrap();
    let text = Preset::Quickstart.toml().replace("\"ad-structures\"", "\"own.toml\"");
    let path = folder.path().join("experiment.toml");
    std::fs::write(&path, text).unwrap();
    let experiment = Experiment::read(&path).unwrap();
    drop(folder);
    let again = Experiment::from_toml(&experiment.to_toml().unwrap(), "again").unwrap();
    assert_eq!(again.data.scheme().unwrap(), Some(scheme));
}
