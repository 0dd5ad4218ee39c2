//! From a cohort to a generator to a folder of synthetic scans, on phantoms of a few voxels.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow::{Break, Continue};
use std::path::{Path, PathBuf};

use mrisynth_cohort::{Cache, Card, CardConfig, Manifest, Marks, ScanOptions, Survey, scan};
use mrisynth_diffusion::Precision;
use mrisynth_phantom::{CohortConfig, Diagnosis, write_cohort};
use mrisynth_pipeline::{
    Checkpoint, Error, Experiment, FineTuning, JobEvent, JobOptions, JobSummary, MaskFile, Preset,
    SamplingJob, SchemeSource, Subjects, TrainingRun, memory_of_training, open_cohort, verify,
};
use mrisynth_training::{Event, Outcome, RunFolder, Stop, read_log};
use mrisynth_unet::{PerLevel, UnetConfig};
use mrisynth_volume::{
    Geometry, Image, LabelInterpolation, LabelMap, Regrid, Volume, WriteOptions,
};

/// The preset `quickstart`, smaller still: 16³ voxels, 16 channels at most.
pub(crate) fn tiny() -> Experiment {
    let mut experiment = Preset::Quickstart.experiment().unwrap();
    experiment.data.grid.shape = Some([16; 3]);
    // Voxels of more than a centimetre lose small structures.
    let mut scheme = experiment.data.scheme().unwrap().unwrap().config().clone();
    scheme.channels.iter_mut().for_each(|channel| channel.required = channel.name == "cortex");
    experiment.data.label_scheme = Some(SchemeSource::Inline(scheme));
    let UnetConfig::DiffusionUnet(network) = &mut experiment.network else { unreachable!() };
    network.channels = vec![8, 16];
    network.attention_levels = vec![false, false];
    network.num_head_channels = PerLevel::All(16);
    experiment.diffusion.validation.levels = 2;
    experiment.training.held_out = 0.3;
    experiment.training.preview_steps = 2;
    experiment.training.run.steps = 4;
    experiment.training.run.validate_every = 2;
    experiment.training.run.preview_every = 4;
    experiment.training.run.checkpoint_every = 2;
    experiment.sampling.steps = 3;
    experiment
}

fn phantoms(root: &Path) -> Manifest {
    let diagnoses = vec![Diagnosis::Healthy, Diagnosis::Dementia];
    let shape = [20, 22, 18];
    let config = CohortConfig { subjects: 3, shape, diagnoses, ..CohortConfig::default() };
    write_cohort(&config, root, &mut |_| Continue(())).unwrap();
    open_cohort(root).unwrap()
}

fn train(experiment: &Experiment, cohort: &Manifest, run: &Path) -> Outcome {
    let cache = Cache::open(run.with_file_name("cache")).unwrap();
    let resumes = run.exists();
    let mut training = TrainingRun::new(experiment, cohort, &cache, resumes).unwrap();
    let folder = match resumes {
        true => RunFolder::open(run).unwrap(),
        false => RunFolder::create(run, &experiment.to_toml().unwrap()).unwrap(),
    };
    training.train(&folder, None, &Stop::new(), &mut |_: &Event<'_>| {}).unwrap()
}

fn masks(cohort: &Path, replicas: u64) -> Subjects {
    Subjects::Masks { files: MaskFile::find(cohort).unwrap(), replicas }
}

fn job(run: &Path, subjects: &Subjects, out: &Path, options: JobOptions) -> SamplingJob {
    let checkpoint = Checkpoint::find(run).unwrap();
    let experiment = checkpoint.experiment().unwrap().clone();
    SamplingJob::new(&experiment, &checkpoint, subjects, out, options).unwrap()
}

fn sample(run: &Path, subjects: &Subjects, out: &Path, options: JobOptions) -> JobSummary {
    job(run, subjects, out, options).run(&mut |_| Continue(())).unwrap()
}

/// Every file below a folder with its content, those aside that say where the weights lay.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let bytes = fs::read(&path).unwrap();
                    found.insert(path.strip_prefix(folder).unwrap().to_owned(), bytes);
                }
            }
        }
    }
    found
}

fn first_loss(run: &Path) -> f64 {
    read_log(run.join("log.jsonl")).unwrap()[0].scalars["loss"]
}

#[test]
fn a_training_on_patches_sees_nothing_else_and_leaves_a_network_for_whole_scans() {
    let folder = tempfile::tempdir().unwrap();
    let cohort = phantoms(&folder.path().join("phantoms"));
    let mut experiment = tiny();
    experiment.training.patch = Some([8, 12, 16]);
    experiment.training.held_out = 0.0;
    let run = folder.path().join("run");
    assert!(matches!(train(&experiment, &cohort, &run), Outcome::Finished(_)));
    let mut whole = tiny();
    whole.training.held_out = 0.0;
    let other = folder.path().join("whole");
    assert!(matches!(train(&whole, &cohort, &other), Outcome::Finished(_)));
    assert_ne!(first_loss(&run), first_loss(&other));
    let needs = |experiment| memory_of_training(experiment).unwrap().activations_mib;
    experiment.training.run.preview_every = 0;
    assert!(needs(&experiment) < needs(&whole));
    // Shown and sampled whole.
    let previews = |run: &Path| fs::read_dir(run.join("previews")).unwrap().count();
    assert!(previews(&run) > 0 && previews(&run) == previews(&other));
    let out = folder.path().join("out");
    let masks = masks(&folder.path().join("phantoms"), 1);
    assert_eq!(sample(&run, &masks, &out, JobOptions::default()).made, 3);
}

#[test]
fn a_training_that_is_resumed_ends_in_the_bits_of_one_that_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let cohort = phantoms(&at("phantoms"));
    let whole = tiny();
    assert!(matches!(train(&whole, &cohort, &at("whole")), Outcome::Finished(_)));
    let mut half = tiny();
    half.training.run.steps = 2;
    let _ = train(&half, &cohort, &at("parts"));
    let outcome = train(&whole, &cohort, &at("parts"));
    assert_eq!(outcome.summary().step, 4);

    let parts = |run: &str| {
        let mut parts = contents(&at(run).join("checkpoints/step-000000004"));
        // One has the configuration of the shorter run and other times.
        parts.retain(|path, _| path.extension().is_some_and(|ending| ending == "safetensors"));
        parts
    };
    assert_eq!(parts("whole").len(), 3, "weights, average, optimiser");
    assert!(parts("whole") == parts("parts"));
    let curves = |run: &str| -> Vec<_> {
        let log = read_log(at(run).join("log.jsonl")).unwrap();
        log.into_iter().map(|line| (line.kind, line.step, line.scalars)).collect()
    };
    assert_eq!(curves("whole"), curves("parts"));

    let picture = fs::read(at("whole/previews/step-000000004/T1w.png")).unwrap();
    assert_eq!(&picture[1..4], b"PNG");
    let card = fs::read_to_string(at("whole/model-card.md")).unwrap();
    for said in ["ad-structures", "validation/loss", "2 subjects", "mrisynth-experiment"] {
        assert!(card.contains(said), "{said}");
    }
}

#[test]
fn volumes_depend_on_mask_seed_and_replica_and_on_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let cohort = phantoms(&at("phantoms"));
    let _ = train(&tiny(), &cohort, &at("run"));
    let subjects = masks(&at("phantoms"), 2);

    let together = JobOptions { batch_size: Some(4), ..JobOptions::default() };
    assert_eq!(sample(&at("run"), &subjects, &at("together"), together).made, 6);
    for part in ["2/2", "1/2"] {
        let shard = part.parse().unwrap();
        let alone = JobOptions { shard, batch_size: Some(1), ..JobOptions::default() };
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let made = one_thread.install(|| sample(&at("run"), &subjects, &at("parts"), alone).made);
        assert_eq!(made, 3);
    }
    let (together, parts) = (contents(&at("together")), contents(&at("parts")));
    assert!(together.keys().eq(parts.keys()), "{:?} {:?}", together.keys(), parts.keys());
    let differing: Vec<_> = together.iter().filter(|(path, b)| parts[*path] != **b).collect();
    assert!(
        differing.is_empty(),
        "{:?}",
        differing.iter().map(|(path, _)| path).collect::<Vec<_>>()
    );

    // Replicas differ, and so do masks.
    let images: Vec<_> = together
        .iter()
        .filter(|(path, _)| path.to_string_lossy().ends_with("T1w.nii.gz"))
        .collect();
    assert_eq!(images.len(), 6);
    assert!(images.windows(2).all(|pair| pair[0].1 != pair[1].1));
}

#[test]
fn every_volume_lies_where_its_mask_does_and_says_that_it_is_synthetic() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let cohort = phantoms(&at("phantoms"));
    let _ = train(&tiny(), &cohort, &at("run"));
    let Subjects::Masks { mut files, .. } = masks(&at("phantoms"), 1) else { unreachable!() };
    // One mask is stored in another orientation than the network's, cropped, with other voxels.
    let stored = LabelMap::read(&files[0].path).unwrap();
    let turned = stored.geometry().reoriented("SPL".parse().unwrap());
    let turned = turned.with_spacing_mm([9.0, 8.0, 11.0]).unwrap();
    let regrid = Regrid::new(*stored.geometry(), turned).unwrap();
    let odd = regrid.apply_labels(&stored, LabelInterpolation::Nearest).unwrap();
    files[0].path = at("odd.nii");
    odd.write(&files[0].path, &WriteOptions::default()).unwrap();
    files.truncate(2);
    let subjects = Subjects::Masks { files: files.clone(), replicas: 1 };
    sample(&at("run"), &subjects, &at("out"), JobOptions::default());

    for file in &files {
        let stem = format!("out/{0}/anat/{0}", file.subject);
        let path = at(&format!("{stem}_T1w.nii.gz"));
        let (image, mask) = (Image::read(&path).unwrap(), Image::read(&file.path).unwrap());
        assert_eq!(image.geometry().shape(), mask.geometry().shape());
        assert!(image.geometry().matches(mask.geometry(), 1e-3));
        let marks = Marks::of(&path, &image).unwrap();
        assert!(marks.header && marks.sidecar);
        let beside = LabelMap::read(at(&format!("{stem}_dseg.nii.gz"))).unwrap();
        assert_eq!(beside.voxels(), LabelMap::read(&file.path).unwrap().voxels());
    }
    let scanned = scan(at("out"), &ScanOptions::default()).unwrap();
    let survey = Survey::of(&scanned.manifest, &|_, _| Continue(())).unwrap();
    let card = Card::of(&scanned.manifest, &survey, &CardConfig::default());
    assert!(card.is_synthetic());
    assert_eq!(card.synthetic_images, [2, 2]);
}

#[test]
fn an_interrupted_job_goes_on_and_mends_what_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let cohort = phantoms(&at("phantoms"));
    let _ = train(&tiny(), &cohort, &at("run"));
    let subjects = masks(&at("phantoms"), 1);
    let options = JobOptions { batch_size: Some(2), ..JobOptions::default() };
    let interrupted = job(&at("run"), &subjects, &at("out"), options);
    let first = interrupted.run(&mut |event| match event {
        JobEvent::Written { .. } => Break(()),
        _ => Continue(()),
    });
    assert_eq!(first.unwrap(), JobSummary { made: 1, found: 0, left: 2 });
    let second = sample(&at("run"), &subjects, &at("out"), options);
    assert_eq!(second, JobSummary { made: 2, found: 1, left: 0 });
    let before = contents(&at("out"));

    let image = before.keys().find(|path| path.to_string_lossy().ends_with("T1w.nii.gz")).unwrap();
    fs::write(at("out").join(image), &before[image][..100]).unwrap();
    let third = sample(&at("run"), &subjects, &at("out"), options);
    assert_eq!(third, JobSummary { made: 1, found: 2, left: 0 });
    assert!(contents(&at("out")) == before);

    // Another mask under the same name is no reason to keep the volume, nor to overwrite it.
    let Subjects::Masks { files, .. } = &subjects else { unreachable!() };
    let mut other = LabelMap::read(&files[0].path).unwrap();
    other.voxels_mut()[0] = 2;
    let own = fs::read(&files[0].path).unwrap();
    other.write(&files[0].path, &WriteOptions::default()).unwrap();
    let again = job(&at("run"), &subjects, &at("out"), options).run(&mut |_| Continue(()));
    assert!(again.unwrap_err().to_string().contains("of another mask_sha256"));
    fs::write(&files[0].path, own).unwrap();

    // The same folder is not taken for another job.
    let checkpoint = Checkpoint::find(at("run")).unwrap();
    let mut other = checkpoint.experiment().unwrap().clone();
    other.sampling.seed += 1;
    let refused = SamplingJob::new(&other, &checkpoint, &subjects, at("out"), options).unwrap_err();
    assert!(matches!(refused, Error::Format { .. }), "{refused}");
}

#[test]
fn a_volume_is_made_again_from_its_record_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let cohort = phantoms(&at("phantoms"));
    let _ = train(&tiny(), &cohort, &at("run"));
    let options = JobOptions { trajectory_frames: 2, ..JobOptions::default() };
    sample(&at("run"), &masks(&at("phantoms"), 2), &at("out"), options);
    fs::remove_dir_all(at("phantoms")).unwrap();
    for number in 0..6 {
        let verdict = verify(at("out"), None, number).unwrap();
        assert!(verdict.holds() && verdict.same_tier, "{verdict:?}");
        assert_eq!(verdict.largest_difference, 0.0);
    }
    assert!(verify(at("out"), None, 6).is_err());
    // Weights may have moved; a file of them alone will do.
    let moved = at("moved.safetensors");
    fs::rename(Checkpoint::find(at("run")).unwrap().path(), &moved).unwrap();
    assert!(verify(at("out"), None, 1).is_err());
    assert!(verify(at("out"), Some(&moved), 1).unwrap().holds());
    let strips = contents(&at("out/trajectories"));
    assert_eq!(strips.keys().filter(|path| path.ends_with("strip.png")).count(), 6);

    // Another volume under the same name does not pass.
    let verdict = verify(at("out"), Some(&moved), 0).unwrap();
    let mut altered: Volume = Volume::read(&verdict.path).unwrap();
    altered.voxels_mut()[0] += 0.5;
    altered.write(&verdict.path, &WriteOptions::default()).unwrap();
    assert!(!verify(at("out"), Some(&moved), 0).unwrap().holds());
}

#[test]
fn a_network_without_masks_needs_a_count_and_a_grid() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let cohort = phantoms(&at("phantoms"));
    let mut experiment = tiny();
    experiment.data.label_scheme = None;
    let UnetConfig::DiffusionUnet(network) = &mut experiment.network else { unreachable!() };
    network.in_channels = 1;
    let _ = train(&experiment, &cohort, &at("run"));
    let grid: Geometry = experiment.data.file_grid().unwrap();
    let subjects = Subjects::Count { count: 2, grid };
    assert_eq!(sample(&at("run"), &subjects, &at("out"), JobOptions::default()).made, 2);
    let image = Image::read(at("out/sub-synthetic0002/anat/sub-synthetic0002_T1w.nii.gz")).unwrap();
    assert!(image.geometry().matches(&grid, 1e-4));
    for number in 0..2 {
        assert!(verify(at("out"), None, number).unwrap().holds());
    }
    let checkpoint = Checkpoint::find(at("run")).unwrap();
    let refused = SamplingJob::new(
        &experiment,
        &checkpoint,
        &masks(&at("phantoms"), 1),
        at("other"),
        JobOptions::default(),
    );
    assert!(refused.unwrap_err().to_string().contains("takes no masks"));
}

#[test]
fn fine_tuning_begins_at_weights_of_fewer_mask_channels() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let cohort = phantoms(&at("phantoms"));
    let mut narrow = tiny();
    let folded = narrow.data.scheme().unwrap().unwrap().folded().unwrap();
    narrow.data.label_scheme = Some(SchemeSource::Inline(folded.config().clone()));
    let UnetConfig::DiffusionUnet(network) = &mut narrow.network else { unreachable!() };
    network.in_channels = 13;
    let _ = train(&narrow, &cohort, &at("narrow"));

    let mut wide = tiny();
    wide.training.fine_tuning = Some(FineTuning { from: at("narrow"), in_channels: Some(13) });
    wide.diffusion.frozen = vec!["down_blocks.*".parse().unwrap()];
    // In passing: halves of numbers, and activations computed twice.
    wide.diffusion.precision = Precision::Bf16;
    wide.training.recompute = true;
    assert_eq!(train(&wide, &cohort, &at("wide")).summary().step, 4);
    // A run that goes on does not need them any more.
    fs::remove_dir_all(at("narrow")).unwrap();
    wide.training.run.steps = 5;
    assert_eq!(train(&wide, &cohort, &at("wide")).summary().step, 5);
}

#[test]
fn masks_that_do_not_fit_the_scheme_are_told_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let cohort = phantoms(folder.path());
    for visit in &cohort.visits[..2] {
        let path = cohort.resolve(visit.mask.as_ref().unwrap());
        let mut mask = LabelMap::read(&path).unwrap();
        mask.voxels_mut()[0] = 30_002;
        mask.write(&path, &WriteOptions::default()).unwrap();
    }
    let cache = Cache::open(folder.path().join("cache")).unwrap();
    let refused = TrainingRun::new(&tiny(), &cohort, &cache, false).unwrap_err();
    assert!(matches!(refused, Error::Masks { .. }) && refused.to_string().contains("30002"));
}
