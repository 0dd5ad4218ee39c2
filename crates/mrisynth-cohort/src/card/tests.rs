use std::ops::ControlFlow;

use mrisynth_volume::{Affine, Geometry, Image, LabelMap, Volume, WriteOptions};

use super::*;
use crate::visit::{Sex, Visit};
use crate::{SyntheticMark, mark_synthetic};

fn geometry() -> Geometry {
    let affine = Affine::from_spacing_mm([1.0, 2.0, 2.5], [0.0; 3]).unwrap();
    Geometry::new([10, 10, 4], affine).unwrap()
}

/// Two subjects with a mask each: 20 and 40 voxels of 5 mm³ are hippocampus.
fn cohort(folder: &Path) -> Manifest {
    let visit = |i: usize| {
        let (image, mask) = (format!("sub-{i}_T1w.nii.gz"), format!("sub-{i}_dseg.nii.gz"));
        let scan = Volume::from_fn(geometry(), |[x, y, z]| (x + y * i + z) as f32);
        Image::from(scan).write(folder.join(&image), &WriteOptions::default()).unwrap();
        let labels = |[x, y, z]: [usize; 3]| {
            if x < 5 * i && y < 4 && z == 0 { 17 } else { 41 * i32::from(z > 2) }
        };
        LabelMap::from_fn(geometry(), labels)
            .write(folder.join(&mask), &WriteOptions::default())
            .unwrap();
        Visit {
            subject: format!("sub-{i}"),
            images: [("T1w".to_owned(), image.into())].into(),
            mask: Some(mask.into()),
            age: Some(60.0 + 31.0 * (i - 1) as f64),
            sex: (i == 1).then_some(Sex::Female),
            diagnosis: Some("A|D".into()),
            ..Visit::default()
        }
    };
    Manifest::new(folder, (1..3).map(visit).collect())
}

fn card_of(manifest: &Manifest) -> Card {
    let survey = Survey::of(manifest, &|_, _| ControlFlow::Continue(())).unwrap();
    Card::of(manifest, &survey, &CardConfig { licence: "CC BY".into(), ..CardConfig::default() })
}

#[test]
fn a_card_counts_people_volumes_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let card = card_of(&cohort(folder.path()));
    assert_eq!((card.counts.subjects, card.counts.visits, card.files.len()), (2, 2, 4));
    assert_eq!(card.counts.age, [("60–69".into(), 1), ("90+".into(), 1)].into());
    assert_eq!(card.counts.sex, [("F".into(), 1), ("unknown".into(), 1)].into());
    assert_eq!(card.counts.voxel_size_mm, [("1.00 × 2.00 × 2.50".into(), 2)].into());
    let hippocampus = &card.label_volumes[0];
    assert_eq!(hippocampus.name.as_deref(), Some("Left-Hippocampus"));
    assert!((hippocampus.mean_ml - 0.15).abs() < 1e-12 && (hippocampus.max_ml - 0.2).abs() < 1e-12);
    assert!((hippocampus.std_ml - 0.1 / 2.0_f64.sqrt()).abs() < 1e-12);
    let digest = durable_file::sha256_of_file(folder.path().join("sub-1_T1w.nii.gz")).unwrap();
    assert_eq!(card.files[0].sha256, digest.to_string());
    let text = card.to_markdown();
    for part in ["Licence: CC BY", "A\\|D", "0.15 | 0.07 | 0.10 | 0.20", &digest.to_string()] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(card.limits.iter().any(|limit| limit == "1 visits are of unknown sex"));
    assert!(!card.is_synthetic() && !text.contains("synthetic"));
}

#[test]
fn synthetic_images_are_told_in_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = cohort(folder.path());
    let mark = SyntheticMark { generator: "phantom".into(), seed: None };
    mark_synthetic(folder.path().join("sub-1_T1w.nii.gz"), &mark).unwrap();
    let card = card_of(&manifest);
    assert!(
        !card.is_synthetic() && card.to_markdown().contains("**1 of its 2 images are synthetic")
    );
    mark_synthetic(folder.path().join("sub-2_T1w.nii.gz"), &mark).unwrap();
    std::fs::remove_file(folder.path().join("sub-2_T1w.json")).unwrap();
    let card = card_of(&manifest);
    assert!(card.is_synthetic() && card.to_markdown().contains("**This cohort is synthetic"));
    assert!(card.limits.iter().any(|limit| limit.contains("in one place")), "{:?}", card.limits);
}

#[test]
fn cards_read_back_and_newer_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let card = card_of(&cohort(folder.path()));
    let path = folder.path().join("card.md");
    card.write(&path).unwrap();
    let json = folder.path().join("card.json");
    assert_eq!(Card::read(&json).unwrap(), card);
    let text = std::fs::read_to_string(&json).unwrap();
    std::fs::write(&json, text.replace("\"version\": 1", "\"version\": 9")).unwrap();
    assert!(matches!(Card::read(&json), Err(Error::Newer { found: 9, .. })));
    assert!(matches!(Card::read(folder.path().join("none.json")), Err(Error::Io { .. })));
}
