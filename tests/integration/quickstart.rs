//! Everything in one go, on digital brains of a few voxels and on scans of somebody's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mrisynth_pipeline::StageEvent;
use mrisynth_pipeline::quickstart::{Effort, Quickstart, QuickstartConfig};
use mrisynth_pipeline::result_page::Part;
use mrisynth_training::Stop;
use mrisynth_volume::{Affine, Geometry, LabelMap, Volume, WriteOptions};

/// As little as possible of everything.
fn effort() -> Effort {
    Effort {
        phantoms: 5,
        phantom_shape: [20, 22, 18],
        most_held_out: 2,
        most_voxels: 16 * 16 * 16,
        generator_steps: 2,
        sampling_steps: 2,
        edited_masks: 1,
        study_steps: 1,
        study_channels: 2,
        resamples: 10,
        ..Effort::default()
    }
}

/// What became of a run: the stages that began, those that were skipped and why, and the page.
#[derive(Debug, Default, PartialEq)]
struct Told {
    begun: BTreeSet<String>,
    skipped: BTreeMap<String, String>,
    page: Option<PathBuf>,
}

/// Runs until so many stages have begun, those within the study included.
fn run(config: &QuickstartConfig, out: &Path, stages: usize) -> Result<Told, String> {
    fn hear(event: &StageEvent<'_>, told: &mut Told) {
        match event {
            StageEvent::Begun { stage, .. } => {
                told.begun.insert((*stage).to_owned());
            }
            StageEvent::Skipped { stage, reason } => {
                told.skipped.insert((*stage).to_owned(), (*reason).to_owned());
            }
            StageEvent::Within { event, .. } => hear(event, told),
            _ => {}
        }
    }
    let (stop, mut told) = (Stop::new(), Told::default());
    let mut observer = |event: &StageEvent<'_>| {
        hear(event, &mut told);
        if told.begun.len() >= stages {
            stop.request();
        }
    };
    let quickstart = Quickstart::new(config.clone()).map_err(|error| error.to_string())?;
    let page = quickstart.run(out, &stop, &mut observer).map_err(|error| error.to_string())?;
    Ok(Told { page, ..told })
}

/// What was measured, wherever it was.
fn measured(out: &Path) -> Vec<String> {
    let files = [
        "evaluation/metrics.json",
        "study/summary/results.json",
        "mask-following/mask-following.json",
        "edited/edits.json",
    ];
    files.map(|file| fs::read_to_string(out.join(file)).unwrap()).into()
}

#[test]
fn a_quick_start_fills_a_page_and_ends_alike_however_often_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let scheme = Some("tissues".to_owned());
    let config = QuickstartConfig { effort: effort(), scheme, ..QuickstartConfig::default() };
    let whole = folder.path().join("whole");
    let told = run(&config, &whole, usize::MAX).unwrap();
    assert_eq!(told.skipped, BTreeMap::new());
    let page = fs::read_to_string(told.page.unwrap()).unwrap();
    for part in Part::ALL {
        assert!(page.contains(part.title()), "{}", part.title());
    }
    assert!(!page.contains("Skipped:"), "every part has something to show");

    // All is done: nothing begins, and the page stays.
    let again = run(&config, &whole, usize::MAX).unwrap();
    assert_eq!(again.begun, BTreeSet::new());
    assert_eq!(fs::read_to_string(again.page.unwrap()).unwrap(), page);

    // Asked to stop as the plan, scans, and networks of the study begin.
    let parts = folder.path().join("parts");
    for stages in [2, 2, 2, 5] {
        assert_eq!(run(&config, &parts, stages).unwrap().page, None);
    }
    assert!(run(&config, &parts, usize::MAX).unwrap().page.is_some());
    assert!(measured(&whole) == measured(&parts));

    // No edited masks leave the generator and the study as they are.
    let effort = Effort { edited_masks: 0, ..config.effort.clone() };
    let told = run(&QuickstartConfig { effort, ..config }, &parts, usize::MAX).unwrap();
    assert_eq!(told.begun, ["plan", "edited", "report"].map(str::to_owned).into());
    assert_eq!(told.skipped.keys().collect::<Vec<_>>(), ["edited"]);
}

/// Scans as they come from elsewhere: thin, turned, with numbers for labels and a range of their own.
fn write_own_scans(folder: &Path, subjects: usize) {
    fs::create_dir_all(folder).unwrap();
    let affine = Affine::from_spacing_mm([-2.0, 3.0, 2.5], [40.0, -50.0, 10.0]).unwrap();
    let grid = Geometry::new([24, 8, 28], affine).unwrap();
    let grid = grid.reoriented("PSR".parse().unwrap());
    for subject in 1..=subjects {
        let label = |[x, y, z]: [usize; 3]| match x.min(y.min(z)) {
            0 => 0,
            near => 1 + i32::from(near > 2) + i32::from(z > 8 + subject),
        };
        let mask = LabelMap::from_fn(grid, label);
        let scan = Volume::from_fn(grid, |at| 900.0 * label(at) as f32 + (at[0] * at[2]) as f32);
        let at = |suffix| folder.join(format!("sub-{subject:02}_{suffix}.nii.gz"));
        mask.write(at("dseg"), &WriteOptions::default()).unwrap();
        scan.write(at("T2w"), &WriteOptions::default()).unwrap();
    }
}

#[test]
fn own_scans_of_few_people_are_learnt_from_and_what_they_are_too_few_for_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("scans");
    write_own_scans(&data, 2);
    let config =
        QuickstartConfig { data: Some(data), effort: effort(), ..QuickstartConfig::default() };
    let out = folder.path().join("out");
    let told = run(&config, &out, usize::MAX).unwrap();
    let skipped: Vec<&str> = told.skipped.keys().map(String::as_str).collect();
    assert_eq!(skipped, ["evaluation", "mask-following", "study"]);
    let reason = "1 subjects to learn from and 1 held out; 2 and 2 are needed";
    assert_eq!(told.skipped["study"], reason);
    let page = fs::read_to_string(told.page.unwrap()).unwrap();
    assert!(page.contains(reason) && page.contains("label 2"));
    // A scan in the grid of its mask, for the one who is held out and for the edited mask.
    for stage in ["held-out", "edited"] {
        let scans = mrisynth_pipeline::open_cohort(out.join(stage).join("scans")).unwrap();
        assert_eq!(scans.visits.len(), 1, "{stage}");
        let scan: Volume = Volume::read(scans.resolve(&scans.visits[0].images["T2w"])).unwrap();
        assert_eq!(scan.geometry().orientation().to_string(), "PSR");
    }
    let again = run(&config, &out, usize::MAX).unwrap();
    assert_eq!((again.begun.len(), again.skipped.len()), (0, 3), "told each time");
}

#[test]
fn scans_that_cannot_be_used_are_named_before_anything_is_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("scans");
    write_own_scans(&data, 2);
    let config = |scheme: Option<&str>| QuickstartConfig {
        data: Some(data.clone()),
        scheme: scheme.map(str::to_owned),
        effort: effort(),
        ..QuickstartConfig::default()
    };
    let told = |config: &QuickstartConfig| {
        run(config, &folder.path().join("out"), usize::MAX).unwrap_err()
    };
    // A scheme that knows no label 3.
    let unknown = told(&config(Some("med-ddpm-whole-head")));
    assert!(unknown.contains("sub-01_dseg.nii.gz") && unknown.contains('3'), "{unknown}");
    assert!(told(&config(Some("no-such"))).contains("no-such"));
    fs::remove_file(data.join("sub-01_dseg.nii.gz")).unwrap();
    fs::remove_file(data.join("sub-02_dseg.nii.gz")).unwrap();
    let maskless = told(&config(None));
    assert!(maskless.contains("none of whom has T2w and a mask"), "{maskless}");
    assert!(!folder.path().join("out/generator").exists());
}
