use mrisynth_cohort::{Manifest, Visit};
use mrisynth_metrics::Record;
use mrisynth_volume::{Affine, Geometry, LabelMap, Volume, WriteOptions};

use super::*;
use crate::error::Error;

const GRID: usize = 16;

fn grid(spacing_mm: f64) -> Geometry {
    let affine = Affine::from_spacing_mm([spacing_mm; 3], [0.0; 3]).unwrap();
    Geometry::new([GRID; 3], affine).unwrap()
}

/// A head of two tissues, as large as the subject's number says, with a texture of its own.
fn write_scan(folder: &Path, name: &str, subject: usize, spacing_mm: f64) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let texture = |[x, y, z]: [usize; 3]| ((x * 7 + y * (subject + 3) + z * z) % 11) as f32;
    let image = Volume::from_fn(grid(spacing_mm), |at| {
        10.0 * label(at, subject) as f32 + texture(at) * 0.8
    });
    let path = folder.join(name);
    image.write(&path, &WriteOptions::default()).unwrap();
    path
}

fn label(at: [usize; 3], subject: usize) -> i32 {
    let from_centre = at.map(|i| i.abs_diff(GRID / 2)).into_iter().max().unwrap();
    2 * i32::from(from_centre < 4 + subject % 3) + i32::from(from_centre < 2 + subject % 2)
}

fn write_mask(folder: &Path, name: &str, subject: usize) -> PathBuf {
    let path = folder.join(name);
    let mask = LabelMap::from_fn(grid(1.0), |at| label(at, subject));
    mask.write(&path, &WriteOptions::default()).unwrap();
    path
}

/// Subjects with a scan whose texture is `shift` subjects off, their masks, sites and sessions.
fn cohort(folder: &Path, n: usize, shift: usize) -> Vec<Visit> {
    let visit = |subject: usize| {
        let stem = format!("sub-{subject}");
        let image = write_scan(folder, &format!("{stem}_T1w.nii.gz"), subject + shift * 6, 1.0);
        Visit {
            mask: Some(write_mask(folder, &format!("{stem}_dseg.nii.gz"), subject)),
            images: [("T1w".to_owned(), image)].into(),
            site: Some(if subject.is_multiple_of(2) { "A" } else { "B" }.into()),
            subject: stem,
            ..Visit::default()
        }
    };
    (0..n).map(visit).collect()
}

fn set(visits: &[Visit]) -> ScanSet {
    ScanSet::of_manifest(&Manifest::new("", visits.to_vec()), None).unwrap()
}

fn config() -> EvaluationConfig {
    EvaluationConfig { bootstrap: 20, min_group: 3, ..EvaluationConfig::default() }
}

fn evaluated(real: &ScanSet, synthetic: &ScanSet) -> Evaluation {
    evaluate(real, synthetic, None, &config(), &mut |_| {}).unwrap()
}

/// The records of everybody.
fn of_everybody<'a>(found: &'a Evaluation, name: &str) -> Vec<&'a Record> {
    let is_of_everybody = |r: &&Record| r.name == name && !r.group.contains_key("site");
    found.results.records.iter().filter(is_of_everybody).collect()
}

fn value(found: &Evaluation, name: &str) -> f64 {
    of_everybody(found, name).first().unwrap_or_else(|| panic!("no {name}")).value
}

#[test]
fn a_set_beside_itself_is_at_no_distance() {
    let folder = tempfile::tempdir().unwrap();
    let scans = set(&cohort(folder.path(), 6, 0));
    let found = evaluated(&scans, &scans);
    assert_eq!(value(&found, "MAE, paired"), 0.0);
    assert_eq!(value(&found, "PSNR, paired"), f64::INFINITY);
    assert_eq!(value(&found, "SSIM, paired"), 1.0);
    assert_eq!(value(&found, "MS-SSIM, paired"), 1.0);
    assert_eq!(value(&found, "Near copies"), 1.0);
    assert_eq!(value(&found, "NNDR"), 0.0);
    assert_eq!([value(&found, "Precision"), value(&found, "Recall")], [1.0; 2]);
    assert_eq!([value(&found, "Kolmogorov-Smirnov"), value(&found, "Wasserstein")], [0.0; 2]);
    assert_eq!(value(&found, "Difference of mean volumes"), 0.0);
    assert!(value(&found, "FID").abs() < 1e-3 * value(&found, "MMD, linear kernel").abs().max(1.0));
    // Unbiased: below 0 by what the pairs of copies add, at most 2/n of a kernel that is at most 1.
    let mmd = value(&found, "MMD");
    assert!((-2.0 / 6.0..=0.0).contains(&mmd), "{mmd}");
    let copies = found.results.warnings.iter().filter(|w| w.contains("is a near copy of"));
    assert_eq!(copies.count(), 6);
    let [real, synthetic] = of_everybody(&found, "MS-SSIM").try_into().unwrap();
    assert_eq!((real.value, real.lower), (synthetic.value, synthetic.lower));
}

#[test]
fn groups_that_both_sets_know_have_records_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let [real, synthetic] = [("real", 0), ("synthetic", 1)]
        .map(|(name, k)| set(&cohort(&folder.path().join(name), 6, k)));
    let found = evaluated(&real, &synthetic);
    for name in ["FID", "MS-SSIM", "NNDR", "Near copies", "PSNR, paired", "Wasserstein"] {
        let sites = found.results.records.iter().filter(|r| r.name == name);
        let sites: Vec<_> = sites.filter_map(|r| r.group.get("site")).collect();
        assert!(sites.iter().any(|s| *s == "A") && sites.iter().any(|s| *s == "B"), "{name}");
    }
    let paired = of_everybody(&found, "PSNR, paired")[0];
    assert_eq!((paired.n, paired.settings.value("n_pairs").unwrap().as_u64()), (6, Some(6)));
    assert!(paired.lower.unwrap() <= paired.value && paired.value <= paired.upper.unwrap());
}

#[test]
fn neither_the_order_of_rows_nor_the_number_of_threads_changes_a_bit() {
    let folder = tempfile::tempdir().unwrap();
    let [real, mut synthetic] =
        [("real", 0), ("synthetic", 1)].map(|(name, k)| cohort(&folder.path().join(name), 5, k));
    let in_order = evaluated(&set(&real), &set(&synthetic));
    synthetic.reverse();
    synthetic.swap(1, 3);
    assert_eq!(evaluated(&set(&real), &set(&synthetic)), in_order);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again = pool.install(|| evaluated(&set(&real), &set(&synthetic)));
        assert_eq!(again, in_order, "{threads} threads");
    }
}

#[test]
fn rows_of_features_are_those_of_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let mut real = cohort(&folder.path().join("real"), 4, 0);
    let synthetic = cohort(&folder.path().join("synthetic"), 4, 1);
    let files = ["real", "synthetic"].map(|name| folder.path().join(format!("{name}.csv")));
    let of = |real: &[Visit], rows: [&str; 4]| {
        std::fs::write(&files[0], rows.join("\n")).unwrap();
        std::fs::write(&files[1], "0,0\n9,1\n2,8\n3,3").unwrap();
        let [real_file, synthetic_file] = files.clone();
        let features =
            FeatureSource::Files { real: real_file, synthetic: synthetic_file, held_out: None };
        let config = EvaluationConfig { features, ..config() };
        let found = evaluate(&set(real), &set(&synthetic), None, &config, &mut |_| {}).unwrap();
        ["FID", "NNDR", "KID"].map(|name| {
            let record = of_everybody(&found, name)[0];
            (record.value, record.lower)
        })
    };
    let in_order = of(&real, ["0,1", "8,2", "5,5", "1,9"]);
    real.reverse();
    assert_eq!(of(&real, ["1,9", "5,5", "8,2", "0,1"]), in_order);
    assert_ne!(of(&real, ["0,1", "8,2", "5,5", "1,9"])[0].1, in_order[0].1);

    std::fs::write(&files[0], "1,2\n3,4").unwrap();
    let [real_file, synthetic] = files.clone();
    let features = FeatureSource::Files { real: real_file, synthetic, held_out: None };
    let config = EvaluationConfig { features, ..config() };
    let real = set(&real);
    let refused = evaluate(&real, &real, None, &config, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("real.csv: the number of rows is 2, expected 4"), "{refused}");
}

#[test]
fn a_scan_that_cannot_be_compared_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let scans = folder.path().join("scans");
    for subject in 0..3 {
        write_scan(&scans, &format!("{subject}.nii"), subject, 1.0);
    }
    let odd = scans.join("3.nii");
    let refused = |write: &dyn Fn()| {
        write();
        let found = ScanSet::find(&scans).unwrap();
        assert_eq!(found.len(), 4);
        evaluate(&found, &found, None, &config(), &mut |_| {}).unwrap_err()
    };
    let other_grid = refused(&|| drop(write_scan(&scans, "3.nii", 3, 1.5)));
    assert!(matches!(&other_grid, Error::Format { path, .. } if *path == odd), "{other_grid}");
    assert!(other_grid.to_string().contains("0.nii; bring all scans to one grid first"));
    let write = |value: f32| {
        let image = Volume::from_fn(grid(1.0), |[x, ..]| if x == 3 { value } else { 1.0 });
        image.write(&odd, &WriteOptions::default()).unwrap();
    };
    let not_finite = refused(&|| write(f32::NAN));
    assert!(matches!(&not_finite, Error::Format { path, .. } if *path == odd), "{not_finite}");
    let constant = refused(&|| write(1.0));
    assert!(matches!(&constant, Error::Scan { path, .. } if *path == odd), "{constant}");
    assert!(ScanSet::find(folder.path().join("nothing")).is_err());
    assert!(matches!(ScanSet::find(folder.path()), Err(Error::Argument { .. })));
}

#[test]
fn few_scans_give_warnings_and_values_without_intervals() {
    let folder = tempfile::tempdir().unwrap();
    let [real, synthetic] =
        [("real", 0), ("synthetic", 1)].map(|(name, k)| cohort(&folder.path().join(name), 3, k));
    for (n, m) in [(3, 3), (2, 3), (2, 2), (3, 1), (1, 3), (1, 1)] {
        let (real, synthetic) = (set(&real[..n]), set(&synthetic[..m]));
        let held_out = Some(&synthetic);
        let found = evaluate(&real, &synthetic, held_out, &config(), &mut |_| {}).unwrap();
        assert_eq!(of_everybody(&found, "MAE, paired")[0].n, n.min(m), "{n} and {m}");
        assert_eq!(of_everybody(&found, "FID").is_empty(), n.min(m) < 2, "{n} and {m}");
        let warned = found.results.warnings.iter().any(|w| w.starts_with("left out, FID"));
        assert_eq!(warned, n.min(m) < 2, "{n} and {m}: {:?}", found.results.warnings);
        found.write(folder.path().join(format!("out-{n}-{m}"))).unwrap();
    }
    let one = evaluated(&set(&real[..1]), &set(&synthetic[..1]));
    let paired = of_everybody(&one, "SSIM, paired")[0];
    assert_eq!((paired.lower, paired.n), (None, 1));
    assert!(paired.settings.value("interval").is_some());
}

#[test]
fn pairs_share_subject_and_mask() {
    let folder = tempfile::tempdir().unwrap();
    let real = cohort(&folder.path().join("real"), 4, 0);
    let synthetic = folder.path().join("synthetic");
    let mut visits = cohort(&synthetic, 4, 1);
    // The second has an edited mask; the third, of another name, was made of nobody's; the fourth
    // has a replica.
    visits[1].mask = Some(write_mask(&synthetic, "edited_dseg.nii.gz", 2));
    visits[2].subject = "sub-synthetic0001".into();
    let session = Some("ses-rep2".into());
    visits.push(Visit { session, ..visits[3].clone() });
    let found = evaluated(&set(&real), &set(&visits));
    let paired = of_everybody(&found, "MAE, paired")[0];
    assert_eq!((paired.n, paired.settings.value("n_pairs").unwrap().as_u64()), (2, Some(3)));

    let strangers = evaluated(&set(&real), &set(&visits[1..3]));
    assert!(of_everybody(&strangers, "MAE, paired").is_empty());
    let warned = |w: &String| w.starts_with("paired image metrics are left out: no synthetic scan");
    assert!(strangers.results.warnings.iter().any(warned), "{:?}", strangers.results.warnings);
}

#[test]
fn paired_values_are_those_of_the_rescaled_scans() {
    let folder = tempfile::tempdir().unwrap();
    // Two levels; the synthetic scan has the brighter one in a quarter of the voxels, the real one in half.
    let half = |name: &str, bright: usize| {
        let image = Volume::from_fn(grid(1.0), |[x, y, ..]| {
            3.0 + 5.0 * f32::from(u8::from(x < GRID / 2 && y < bright))
        });
        let path = folder.path().join(name);
        image.write(&path, &WriteOptions::default()).unwrap();
        let mask = Some(write_mask(folder.path(), "dseg.nii.gz", 0));
        Visit {
            images: [("T1w".to_owned(), path)].into(),
            subject: "sub-1".into(),
            mask,
            ..Visit::default()
        }
    };
    let [real, synthetic] = [half("real.nii", GRID), half("synthetic.nii", GRID / 2)];
    let found = evaluated(&set(&[real]), &set(&[synthetic]));
    assert_eq!(value(&found, "MAE, paired"), 0.25);
    assert!((value(&found, "PSNR, paired") - 10.0 * 4.0_f64.log10()).abs() < 1e-12);
}

#[test]
fn what_is_written_can_be_read_and_every_part_tells_its_progress() {
    let folder = tempfile::tempdir().unwrap();
    let [real, synthetic] = [("real", 0), ("synthetic", 1)]
        .map(|(name, k)| set(&cohort(&folder.path().join(name), 4, k)));
    let mut told = Vec::new();
    let mut observer = |event: &EvaluationEvent| told.push(*event);
    let found = evaluate(&real, &synthetic, None, &config(), &mut observer).unwrap();
    let out = folder.path().join("out");
    let written = found.write(&out).unwrap();
    assert!(written.iter().all(|path| path.is_file()));
    assert_eq!(Results::read(out.join("metrics.json")).unwrap(), found.results);
    for name in ["metrics.md", "volumes.svg", "FID.svg", "MS-SSIM.svg", "MMD-linear-kernel.svg"] {
        assert!(written.contains(&out.join(name)), "{name}");
    }
    for part in ["reading", "features, real", "distances", "near copies", "volumes", "pairs"] {
        let is_end = |event: &&EvaluationEvent| matches!(event, EvaluationEvent::Progress { what, done, of } if *what == part && done == of);
        assert!(told.iter().any(|event| is_end(&event)), "{part}");
    }
}

#[test]
fn settings_outside_their_domain_are_refused_and_defaults_fill_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let scans = set(&cohort(folder.path(), 2, 0));
    for config in [
        EvaluationConfig { bootstrap: 9, ..EvaluationConfig::default() },
        EvaluationConfig { pairs: 0, ..EvaluationConfig::default() },
    ] {
        let refused = evaluate(&scans, &scans, None, &config, &mut |_| {});
        assert!(matches!(refused, Err(Error::Argument { .. })));
    }
    let json = r#"{"seed": 3, "features": {"kind": "random"}}"#;
    let read: EvaluationConfig = serde_json::from_str(json).unwrap();
    assert_eq!(read, EvaluationConfig { seed: 3, ..EvaluationConfig::default() });
    assert!(serde_json::from_str::<EvaluationConfig>(r#"{"sed": 3}"#).is_err());
}
