//! From a cohort of digital brains to batches: what the phantom writes the cohort reads.

use std::ops::ControlFlow;

use mrisynth_cohort::{
    AugmentationConfig, Cache, Card, CardConfig, Inspection, Loader, LoaderConfig, Observer,
    Preparation, ScanOptions, SplitConfig, Splitter, Stratum, Survey, scan,
};
use mrisynth_phantom::{CohortConfig, Modality, write_cohort};
use mrisynth_volume::GridRequest;

const ON: Observer<'static> = &|_, _| ControlFlow::Continue(());

#[test]
fn a_longitudinal_cohort_of_phantoms_is_scanned_split_described_and_streamed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("cohort");
    let modalities = Modality::ALL.to_vec();
    let config =
        CohortConfig { subjects: 5, shape: [20; 3], modalities, sessions: 2, ..Default::default() };
    write_cohort(&config, &root, &mut |_| ControlFlow::Continue(())).unwrap();

    let scanned = scan(&root, &ScanOptions::default()).unwrap();
    assert_eq!(scanned.findings, []);
    let mut manifest = scanned.manifest;
    let columns: Vec<&str> = manifest.visits[0].files().map(|(column, _)| column).collect();
    assert_eq!(columns, ["T1w", "T1ce", "T2w", "FLAIR", "PD", "mask"]);
    assert!(manifest.visits.iter().all(|v| {
        v.session.is_some() && v.age.is_some() && v.sex.is_some() && v.site.is_some()
    }));
    let first_ages = manifest.visits[1].age.unwrap() - manifest.visits[0].age.unwrap();
    assert!((first_ages - config.session_interval_years).abs() < 0.051);

    let stratify_by = vec![Stratum::Diagnosis];
    let split = SplitConfig { stratify_by, ..SplitConfig::default() };
    let counts = Splitter::new(&split).unwrap().assign(&mut manifest).unwrap();
    assert_eq!((counts["train"], counts["test"]), (4, 1));

    let survey = Survey::of(&manifest, ON).unwrap();
    let inspection = Inspection::of(&manifest, &survey);
    assert!(inspection.fit, "{inspection}");
    let card = Card::of(&manifest, &survey, &CardConfig::default());
    assert!(card.is_synthetic());
    assert_eq!((card.files.len(), card.synthetic_images), (60, [50, 50]));

    let grid = GridRequest { shape: Some([16; 3]), ..GridRequest::default() };
    let images = vec!["T1w".into(), "FLAIR".into()];
    let preparation = Preparation { images, grid, ..Preparation::default() };
    let augmentation = AugmentationConfig::all();
    let config = LoaderConfig { preparation, augmentation, patch: None, batch_size: 2, seed: 1 };
    let cache = Cache::open(folder.path().join("cache")).unwrap();
    let loader = Loader::new(&manifest.of_split("train"), &config, &cache, ON).unwrap();
    assert_eq!(loader.n_visits(), 8);
    let batch = loader.stream(3, 2).next().unwrap().unwrap();
    assert_eq!((batch.step, batch.shape), (3, [2, 2, 16, 16, 16]));
    assert!(batch.images.iter().all(|v| (0.0..=1.0).contains(v)));
    assert!(batch.masks.unwrap().contains(&2), "white matter is in the mask");
    assert!(batch.samples.iter().all(|sample| sample.visit.split.as_deref() == Some("train")));
}
