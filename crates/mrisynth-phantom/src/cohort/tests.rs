use super::*;
use crate::label_imaging::Intensities;
use mrisynth_volume::{Affine, Geometry, Image, Volume, WriteOptions};
use std::collections::BTreeMap;

fn go(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn small() -> CohortConfig {
    CohortConfig { subjects: 2, shape: [20, 24, 20], seed: 5, ..CohortConfig::default() }
}

fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn a_cohort_is_a_bids_tree_marked_as_synthetic() {
    let out = tempfile::tempdir().unwrap();
    let modalities = Modality::ALL.to_vec();
    let config = CohortConfig { modalities, sessions: 2, ..small() };
    let report = write_cohort(&config, out.path(), &mut go).unwrap();
    assert_eq!((report.subjects, report.sessions, report.images), (2, 4, 20));
    let files = files(out.path());
    for suffix in ["T1w", "ce-gadolinium_T1w", "T2w", "FLAIR", "PDw"] {
        let stem = format!("sub-002/ses-02/anat/sub-002_ses-02_{suffix}");
        let image = Image::read(out.path().join(format!("{stem}.nii.gz"))).unwrap();
        let description = image.notes().description.clone();
        assert_eq!(description, "synthetic: mrisynth-phantom 0.1.0, seed 5");
        let sidecar: serde_json::Value =
            serde_json::from_slice(&files[&format!("{stem}.json")]).unwrap();
        assert_eq!(sidecar["Synthetic"], true);
        assert!(sidecar["EchoTime"].as_f64().unwrap() < 0.2);
    }
    let labels = "derivatives/phantom/sub-001/ses-01/anat/sub-001_ses-01_dseg.nii.gz";
    let labels = LabelMap::read(out.path().join(labels)).unwrap();
    assert!(labels.counts().keys().all(|&l| crate::Substance::of_label(l).is_some()));
    let table = String::from_utf8(files["participants.tsv"].clone()).unwrap();
    assert_eq!(table.lines().count(), 3);
    assert!(table.starts_with("participant_id\tage\tsex\tdiagnosis\tsite\nsub-001\t"));
    let sessions = String::from_utf8(files["sub-001/sub-001_sessions.tsv"].clone()).unwrap();
    let ages: Vec<f64> = sessions
        .lines()
        .skip(1)
        .map(|line| line.rsplit('\t').next().unwrap().parse().unwrap())
        .collect();
    assert!((ages[1] - ages[0] - 1.5).abs() < 1e-9);
    for file in ["dataset_description.json", "derivatives/phantom/dataset_description.json"] {
        let value: serde_json::Value = serde_json::from_slice(&files[file]).unwrap();
        assert_eq!(value["Synthetic"], true, "{file}");
    }
}

#[test]
fn the_same_seed_gives_the_same_files_for_any_number_of_threads() {
    let written = |threads: usize, config: &CohortConfig| {
        let out = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| write_cohort(config, out.path(), &mut go)).unwrap();
        files(out.path())
    };
    let (one, three) = (written(1, &small()), written(3, &small()));
    assert!(one == three);
    let other = written(2, &CohortConfig { seed: 6, ..small() });
    let image = "sub-001/anat/sub-001_T1w.nii.gz";
    assert_ne!(one[image], other[image]);
    // A subject does not depend on how many there are.
    let alone = written(2, &CohortConfig { subjects: 1, ..small() });
    assert_eq!(one[image], alone[image]);
}

#[test]
fn sessions_of_a_subject_are_one_person_who_moves_and_ages() {
    let subject = CohortConfig::default().subject(1);
    assert_eq!(subject.diagnosis, Diagnosis::Dementia);
    let later = Subject { years: 1.5, ..subject };
    let geometry = head_geometry([32; 3]).unwrap();
    let [first, second] = [subject, later].map(|s| Phantom::new(&s, geometry).unwrap());
    let same = first.labels().voxels().iter().zip(second.labels().voxels());
    let part = same.filter(|(a, b)| a == b).count() as f64 / (32.0 * 32.0 * 32.0);
    assert!((0.75..1.0).contains(&part), "{part}");
    assert_eq!(Phantom::new(&subject, geometry).unwrap().labels(), first.labels());
}

#[test]
fn refused_configurations_name_their_field() {
    let out = tempfile::tempdir().unwrap();
    let refused = |config: CohortConfig| {
        write_cohort(&config, &out.path().join("new"), &mut go).unwrap_err().to_string()
    };
    for (config, field) in [
        (CohortConfig { subjects: 0, ..small() }, "subjects"),
        (CohortConfig { sessions: 0, ..small() }, "sessions"),
        (CohortConfig { sites: 0, ..small() }, "sites"),
        (CohortConfig { modalities: vec![], ..small() }, "modalities"),
        (CohortConfig { diagnoses: vec![], ..small() }, "diagnoses"),
        (CohortConfig { shape: [64, 7, 64], ..small() }, "shape"),
        (CohortConfig { shape: [usize::MAX; 3], ..small() }, "shape"),
        (CohortConfig { age_years: [70.0, 60.0], ..small() }, "age_years"),
        (CohortConfig { age_years: [f64::NAN, 60.0], ..small() }, "age_years"),
        (CohortConfig { session_interval_years: 0.0, ..small() }, "session_interval_years"),
        (
            CohortConfig { sessions: 30, session_interval_years: 2.0, ..small() },
            "session_interval_years",
        ),
    ] {
        let message = refused(config);
        assert!(message.starts_with(field), "{field}: {message}");
    }
    assert!(!out.path().join("new").exists());
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let out = tempfile::tempdir().unwrap();
    std::fs::write(out.path().join("thesis.txt"), "all of it").unwrap();
    let message = write_cohort(&small(), out.path(), &mut go).unwrap_err().to_string();
    assert!(message.contains("is not empty"), "{message}");
    assert_eq!(files(out.path()).len(), 1);
}

#[test]
fn an_observer_that_stops_leaves_a_whole_cohort_of_what_is_done() {
    let out = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    let config = CohortConfig { subjects: 3, ..small() };
    let report = write_cohort(&config, out.path(), &mut |progress| {
        seen.push(progress.clone());
        if progress.done == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let report = report.unwrap();
    assert!(report.stopped);
    assert_eq!((report.subjects, seen.len(), seen[1].total), (2, 2, 3));
    let table = std::fs::read_to_string(out.path().join("participants.tsv")).unwrap();
    assert_eq!(table.lines().count(), 3);
}

/// A ball of white matter in a ball of cortex, 2 mm, with thalami.
fn ball(folder: &Path, name: &str, extra: i32) {
    let affine = Affine::from_spacing_mm([2.0; 3], [-40.0, -40.0, -40.0]).unwrap();
    let geometry = Geometry::new([40; 3], affine).unwrap();
    let map = Volume::from_fn(geometry, |index| {
        let r2: f64 = index.iter().map(|&i| (i as f64 - 19.5).powi(2)).sum();
        match r2 {
            r if r < 4.0 && index[0] < 20 => 10,
            r if r < 4.0 => 49,
            r if r < 120.0 => 41,
            r if r < 220.0 => 42,
            _ if index == [0, 0, 0] => extra,
            _ => 0,
        }
    });
    map.write(folder.join(name), &WriteOptions::default()).unwrap();
}

#[test]
fn label_maps_become_heads_with_the_contrast_of_their_tissues() {
    let (maps, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    ball(maps.path(), "one_dseg.nii.gz", 0);
    let labels = Some(maps.path().to_owned());
    let config = CohortConfig { subjects: 2, shape: [40; 3], labels, ..small() };
    write_cohort(&config, out.path(), &mut go).unwrap();
    let table = std::fs::read_to_string(out.path().join("participants.tsv")).unwrap();
    assert!(table.contains("sub-001\tn/a\tn/a\tn/a\tsite-01"), "{table}");
    let read = |subject: &str| {
        let labels = format!("derivatives/phantom/{subject}/anat/{subject}_dseg.nii.gz");
        let labels = LabelMap::read(out.path().join(labels)).unwrap();
        let image = format!("{subject}/anat/{subject}_T1w.nii.gz");
        (labels, Volume::<f32>::read(out.path().join(image)).unwrap())
    };
    let (labels, image) = read("sub-001");
    let mean = |label| {
        let of = image.voxels().iter().zip(labels.voxels()).filter(|&(_, &l)| l == label);
        let values: Vec<f32> = of.map(|(&v, _)| v).collect();
        values.iter().sum::<f32>() / values.len() as f32
    };
    assert!(mean(41) > 1.1 * mean(42) && mean(42) > 3.0 * mean(0));
    assert_ne!(labels, read("sub-002").0);
}

#[test]
fn random_intensities_change_from_image_to_image_and_labels_do_not() {
    let folder = tempfile::tempdir().unwrap();
    ball(folder.path(), "a.nii", 0);
    let labels = LabelMap::read(folder.path().join("a.nii")).unwrap();
    let config = LabelImaging { intensities: Intensities::Random, ..LabelImaging::default() };
    let phantom = |seed| Phantom::from_labels(&labels, [24; 3], &config, seed).unwrap();
    let scanner = Scanner::default();
    let image = |seed| phantom(seed).image(Modality::T1w, &scanner).unwrap();
    assert_eq!(image(1), image(1));
    assert_ne!(image(1), image(2));
    let t2w = phantom(1).image(Modality::T2w, &scanner).unwrap();
    assert_ne!(image(1).voxels(), t2w.voxels());
}

#[test]
fn without_deformation_a_label_map_is_reproduced() {
    let folder = tempfile::tempdir().unwrap();
    ball(folder.path(), "a.nii", 0);
    let labels = LabelMap::read(folder.path().join("a.nii")).unwrap();
    let still = LabelImaging {
        deformation_mm: 0.0,
        scaling: 0.0,
        rotation_degrees: 0.0,
        ..LabelImaging::default()
    };
    let phantom = Phantom::from_labels(&labels, [64; 3], &still, 1).unwrap();
    let millilitres = |map: &LabelMap, label| {
        map.counts()[&label] as f64 * map.geometry().spacing_mm().iter().product::<f64>() / 1e3
    };
    for label in [41, 42] {
        let (was, is) = (millilitres(&labels, label), millilitres(phantom.labels(), label));
        assert!((is / was - 1.0).abs() < 0.03, "{label}: {was} ml, {is} ml");
    }
}

#[test]
fn faults_of_label_maps_name_the_file_and_the_labels() {
    let (maps, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = CohortConfig { labels: Some(maps.path().to_owned()), ..small() };
    let refused = |name: &str, config: &CohortConfig| {
        write_cohort(config, &out.path().join(name), &mut go).unwrap_err().to_string()
    };
    assert!(refused("a", &config).contains("found no file"));
    ball(maps.path(), "odd_dseg.nii.gz", 31_999);
    let message = refused("b", &config);
    assert!(message.contains("odd_dseg.nii.gz") && message.contains("31999"), "{message}");
    let absent = CohortConfig { labels: Some(maps.path().join("absent")), ..small() };
    assert!(matches!(
        write_cohort(&absent, &out.path().join("c"), &mut go),
        Err(Error::Folder { .. })
    ));
    let wild = LabelImaging { scaling: f64::NAN, ..LabelImaging::default() };
    let message = refused("d", &CohortConfig { label_imaging: wild, ..config });
    assert!(message.contains("scaling"), "{message}");
}

#[test]
fn a_configuration_survives_json_and_unknown_fields_do_not() {
    let config = CohortConfig { modalities: Modality::ALL.to_vec(), ..small() };
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<CohortConfig>(&text).unwrap(), config);
    assert!(serde_json::from_str::<CohortConfig>(r#"{"subject": 3}"#).is_err());
}

#[test]
fn ages_out_of_range_are_refused() {
    let geometry = head_geometry([8; 3]).unwrap();
    for subject in [
        Subject { age_years: 3.0, ..Subject::default() },
        Subject { age_years: f64::NAN, ..Subject::default() },
        Subject { years: -1.0, ..Subject::default() },
    ] {
        assert!(Phantom::new(&subject, geometry).is_err());
    }
}
