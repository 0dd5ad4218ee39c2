use std::ops::ControlFlow;
use std::path::Path;

use mrisynth_volume::{
    Affine, Datatype, Geometry, HeaderNotes, Image, LabelMap, Orientation, Volume, WriteOptions,
};

use super::*;
use crate::visit::Visit;

fn geometry() -> Geometry {
    Geometry::new([8, 7, 6], Affine::from_spacing_mm([1.0, 1.5, 2.0], [0.0; 3]).unwrap()).unwrap()
}

fn scan(seed: usize) -> Volume {
    let value =
        |[x, y, z]: [usize; 3]| ((x * 31 + y * 17 + z * 101 + seed * 997) * 7919 % 1009) as f32;
    Volume::from_fn(geometry(), value)
}

fn write(folder: &Path, name: &str, image: impl Into<Image>) {
    image.into().write(folder.join(name), &WriteOptions::default()).unwrap();
}

fn visit(subject: &str, split: &str, file: &str) -> Visit {
    let images = [("T1w".to_owned(), file.into())].into();
    Visit { subject: subject.into(), images, split: Some(split.into()), ..Visit::default() }
}

fn check(folder: &Path, visits: Vec<Visit>) -> Leakage {
    let manifest = Manifest::new(folder, visits);
    let survey = Survey::of(&manifest, &|_, _| ControlFlow::Continue(())).unwrap();
    assert!(survey.faults.is_empty(), "{:?}", survey.faults);
    Leakage::of(&manifest, &survey)
}

#[test]
fn copies_under_other_names_and_headers_leak() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(path, "a.nii.gz", scan(1));
    write(path, "other.nii.gz", scan(2));
    write(path, "same.nii", scan(1));
    write(path, "turned.nii.gz", scan(1).reorient(Orientation::LPS).unwrap());
    let moved = Geometry::new([8, 7, 6], Affine::identity()).unwrap();
    let notes = HeaderNotes { description: "anonymised".into(), ..HeaderNotes::default() };
    let moved = scan(1).with_geometry(moved).unwrap();
    write(path, "moved.nii.gz", Image::from(moved).with_notes(notes));
    let as_i16 = WriteOptions { datatype: Some(Datatype::I16), ..WriteOptions::default() };
    scan(1).write(path.join("integers.nii.gz"), &as_i16).unwrap();
    for (name, kind) in [
        ("same.nii", CopyKind::Voxels),
        ("moved.nii.gz", CopyKind::Voxels),
        ("integers.nii.gz", CopyKind::Voxels),
        ("turned.nii.gz", CopyKind::Header),
    ] {
        let visits = vec![
            visit("sub-1", "train", "a.nii.gz"),
            visit("sub-2", "train", "other.nii.gz"),
            visit("sub-3", "test", name),
        ];
        let leakage = check(path, visits);
        assert_eq!(leakage.copies.len(), 1, "{name}");
        assert_eq!(leakage.copies[0].kind, kind, "{name}");
        let text = leakage.to_string();
        assert!(text.contains("a.nii.gz (train)") && text.contains(name), "{text}");
    }
    let clean = check(
        path,
        vec![visit("sub-1", "train", "a.nii.gz"), visit("sub-2", "test", "other.nii.gz")],
    );
    assert_eq!(clean, Leakage::default());
}

#[test]
fn the_same_image_twice_in_one_split_leaks_only_between_subjects() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.nii", scan(1));
    write(folder.path(), "b.nii", scan(1));
    let second =
        |subject: &str| Visit { session: Some("ses-2".into()), ..visit(subject, "train", "b.nii") };
    let repeated = check(folder.path(), vec![visit("sub-1", "train", "a.nii"), second("sub-1")]);
    assert!(repeated.is_clean() && repeated.repeats.len() == 1);
    let leaked = check(folder.path(), vec![visit("sub-1", "train", "a.nii"), second("sub-2")]);
    assert!(!leaked.is_clean() && leaked.repeats.is_empty());
}

#[test]
fn empty_masks_and_masks_of_equal_volume_are_no_copies() {
    let folder = tempfile::tempdir().unwrap();
    let visits = (0..4).map(|i| {
        write(folder.path(), &format!("{i}.nii"), scan(i));
        let mask = LabelMap::from_fn(geometry(), |[x, ..]| i32::from(i > 1 && x == i));
        write(folder.path(), &format!("m{i}.nii"), mask);
        let split = if i % 2 == 0 { "train" } else { "test" };
        let visit = visit(&format!("sub-{i}"), split, &format!("{i}.nii"));
        Visit { mask: Some(format!("m{i}.nii").into()), ..visit }
    });
    let mut visits: Vec<Visit> = visits.collect();
    assert!(check(folder.path(), visits.clone()).is_clean());
    write(folder.path(), "m3.nii", LabelMap::from_fn(geometry(), |[x, ..]| i32::from(x == 2)));
    assert_eq!(check(folder.path(), visits.clone()).copies.len(), 1);
    visits[3].subject = "sub-0".into();
    visits[3].session = Some("ses-2".into());
    let leakage = check(folder.path(), visits);
    assert_eq!(leakage.subjects[0].splits, [Some("test".into()), Some("train".into())]);
}

#[test]
fn visits_without_a_split_are_told_where_their_subject_has_one() {
    let mut visits = vec![visit("sub-1", "train", "a.nii"), visit("sub-1", "train", "b.nii")];
    visits[1].split = None;
    let leakage = Leakage::of_subjects(&Manifest::new("", visits.clone()));
    assert!(leakage.to_string().contains("no split, train"));
    visits[0].split = None;
    assert!(Leakage::of_subjects(&Manifest::new("", visits)).is_clean());
}

#[test]
fn a_survey_tells_every_file_that_cannot_be_read_and_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.nii.gz", scan(1));
    std::fs::write(folder.path().join("broken.nii"), b"no image").unwrap();
    let bytes = std::fs::read(folder.path().join("a.nii.gz")).unwrap();
    std::fs::write(folder.path().join("cut.nii.gz"), &bytes[..bytes.len() / 2]).unwrap();
    let halves = scan(1).map(|v| v + 0.5);
    write(folder.path(), "halves.nii", halves);
    let mut visits: Vec<Visit> = ["a.nii.gz", "broken.nii", "cut.nii.gz", "missing.nii"]
        .iter()
        .enumerate()
        .map(|(i, file)| visit(&format!("sub-{i}"), "train", file))
        .collect();
    visits[0].mask = Some("halves.nii".into());
    let manifest = Manifest::new(folder.path(), visits);
    let survey = Survey::of(&manifest, &|_, _| ControlFlow::Continue(())).unwrap();
    let told: Vec<String> = survey.faults.iter().map(ToString::to_string).collect();
    assert_eq!((survey.files.len(), told.len()), (1, 4), "{told:?}");
    for (text, name) in told.iter().zip(["halves.nii", "broken.nii", "cut.nii.gz", "missing.nii"]) {
        assert!(text.contains(name), "{text}");
    }
    let stopped = Survey::of(&manifest, &|_, _| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(crate::Error::Stopped { total: 5, .. })));
}
