//! A whole augmentation study, on phantoms of a few voxels and networks of a few channels.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow::Continue;
use std::path::Path;

use mrisynth_phantom::{CohortConfig, Diagnosis, write_cohort};
use mrisynth_pipeline::segmentation::{PlanOptions, SegmentationExperiment};
use mrisynth_pipeline::study::AugmentationStudy;
use mrisynth_pipeline::{Experiment, StageEvent, open_cohort};
use mrisynth_training::{Checkpoints, Stop};
use serde_json::Value;

const STUDY: &str = r#"
format = "mrisynth-augmentation-study"
version = 1
name = "micro"
cohort = "phantoms"
segmentation = "segmentation.toml"
generator = { experiment = "generator.toml" }
seeds = [1, 2, 3]

[split]
training = 2
validation = 1
seed = 1

[[syntheses]]
name = "same"

[[syntheses]]
name = "edited"
edits = [[{ edit = "flip" }]]

[[arms]]
name = "real"
real = "training"

[[arms]]
name = "hybrid"
real = "training"
synthetic = ["same", "edited"]
"#;

/// The generator of the other tests, trained for less and with nobody held out.
fn generator() -> Experiment {
    let mut experiment = crate::generator::tiny();
    experiment.training.held_out = 0.0;
    experiment.training.run.steps = 2;
    experiment.training.run.preview_every = 0;
    experiment.sampling.steps = 2;
    experiment
}

/// Writes everything that the study is made of.
fn write_study(folder: &Path) {
    let diagnoses = vec![Diagnosis::Healthy, Diagnosis::Dementia];
    let shape = [20, 22, 18];
    let config = CohortConfig { subjects: 5, shape, diagnoses, ..CohortConfig::default() };
    write_cohort(&config, &folder.join("phantoms"), &mut |_| Continue(())).unwrap();
    let generator = generator();
    fs::write(folder.join("generator.toml"), generator.to_toml().unwrap()).unwrap();
    let cohort = open_cohort(folder.join("phantoms")).unwrap();
    let options = PlanOptions {
        base_channels: 4,
        patch_voxels: 16 * 16 * 16,
        stages: 2,
        steps: 2,
        ..PlanOptions::default()
    };
    let scheme = generator.data.label_scheme.unwrap();
    let segmentation =
        SegmentationExperiment::plan(&cohort, vec!["T1w".into()], scheme, &options).unwrap();
    fs::write(folder.join("segmentation.toml"), segmentation.to_toml().unwrap()).unwrap();
    fs::write(folder.join("study.toml"), STUDY).unwrap();
}

/// Runs the study until `stages` stages have begun; gives those that did, and whether all is done.
fn run(folder: &Path, stages: usize) -> (BTreeSet<String>, bool) {
    let study = AugmentationStudy::read(folder.join("study.toml"), None).unwrap();
    let (stop, mut begun) = (Stop::new(), BTreeSet::new());
    let mut observer = |event: &StageEvent<'_>| {
        if let StageEvent::Begun { stage, .. } = event {
            begun.insert((*stage).to_owned());
            if begun.len() >= stages {
                stop.request();
            }
        }
    };
    let results = study.run(&folder.join("out"), &stop, &mut observer).unwrap();
    (begun, results.is_some())
}

#[test]
fn a_study_goes_on_where_it_was_stopped_and_does_again_what_a_change_reaches() {
    let folder = tempfile::tempdir().unwrap();
    write_study(folder.path());
    // Asked to stop as the generator, the synthesis and a training begin.
    for stages in [2, 2, 4] {
        assert!(!run(folder.path(), stages).1);
    }
    assert!(run(folder.path(), usize::MAX).1);
    assert_eq!(run(folder.path(), usize::MAX), (BTreeSet::new(), true));

    let page = fs::read_to_string(folder.path().join("out/summary/results.md")).unwrap();
    for part in ["| real |", "| hybrid |", "| hybrid − real |", "| same |", "0.7244"] {
        assert!(page.contains(part), "{part} in\n{page}");
    }
    check_that_nothing_leaks(&folder.path().join("out"));
    check_that_steps_are_equal(&folder.path().join("out"));

    // Another arm needs no other generator and no other scans.
    fs::write(
        folder.path().join("study.toml"),
        STUDY.replace(
            "real = \"training\"\nsynthetic",
            "real = \"training\"\nreal_repeats = 2\nsynthetic",
        ),
    )
    .unwrap();
    let (begun, done) = run(folder.path(), usize::MAX);
    let again =
        |stage: &str| (1..=3).map(|seed| format!("{stage}-hybrid-{seed}")).collect::<Vec<_>>();
    let mut expected: BTreeSet<String> = ["summary".to_owned()].into();
    expected.extend(["training", "prediction", "evaluation"].iter().flat_map(|stage| again(stage)));
    assert_eq!((begun, done), (expected, true));
}

fn json_of(path: std::path::PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The subjects of a list of visits, or of a list of names.
fn subjects(list: &Value) -> BTreeSet<String> {
    let name = |entry: &Value| entry.get("subject").unwrap_or(entry).as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

/// The generator and every arm have seen training subjects alone; synthetic scans are theirs.
fn check_that_nothing_leaks(out: &Path) {
    let training = subjects(&json_of(out.join("split/split.json"))["training"]);
    assert_eq!(training.len(), 2);
    let settings = |stage: &str| json_of(out.join(stage).join("stage.json"))["settings"].clone();
    assert_eq!(subjects(&settings("generator")["training"]), training);
    for stage in ["training-real-1", "training-hybrid-3"] {
        assert_eq!(subjects(&settings(stage)["real"]), training);
    }
    for set in ["same", "edited"] {
        let scans = open_cohort(out.join(format!("synthesis-{set}/scans"))).unwrap();
        assert_eq!(scans.visits.len(), 2);
        assert!(scans.visits.iter().all(|visit| training.contains(&visit.subject)));
    }
    let measured = subjects(&settings("prediction-real-1")["scans"]);
    assert_eq!(measured.len(), 2);
    assert!(measured.is_disjoint(&training));
}

/// Arms differ in their scans, in nothing else.
fn check_that_steps_are_equal(out: &Path) {
    for seed in 1..=3 {
        let [real, hybrid] =
            ["real", "hybrid"].map(|arm| out.join(format!("training-{arm}-{seed}")));
        let experiment =
            |of: &Path| json_of(of.join("stage.json"))["settings"]["experiment"].clone();
        assert_eq!(experiment(&real), experiment(&hybrid));
        let steps = |of: &Path| Checkpoints::of_run(of.join("run")).steps().unwrap();
        assert_eq!((steps(&real).last(), steps(&hybrid).last()), (Some(&2), Some(&2)));
    }
}
