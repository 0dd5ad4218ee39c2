//! Pages of what lies in folders: every part is there, nothing else is needed.

use std::path::Path;

use mrisynth_conditioning::{ChannelConfig, Coding, IdSpace, LabelScheme, LabelSchemeConfig};
use mrisynth_metrics::{Record, Results, Settings};
use mrisynth_volume::{Affine, Geometry, LabelMap, Volume, WriteOptions};

use super::*;
use crate::segmentation::{MEAN, METRICS};
use crate::study::AugmentationStudy;

fn scheme() -> LabelScheme {
    let channel = |name: &str, id: i32, colour| ChannelConfig {
        name: name.into(),
        ids: vec![id.into()],
        colour,
        ..ChannelConfig::default()
    };
    LabelScheme::new(&LabelSchemeConfig {
        format: "mrisynth-label-scheme".into(),
        version: 1,
        name: "tissues of our own".into(),
        ids: IdSpace::Own,
        coding: Coding::Signed,
        background: vec![0.into()],
        channels: vec![channel("marrow", 7, [250, 1, 2]), channel("bark", 9, [3, 4, 250])],
    })
    .unwrap()
}

fn record(name: &str, value: f64, groups: &[(&str, &str)]) -> Record {
    let settings = Settings::new().with("seed", 7);
    let record =
        Record::new(name, value, 5, settings).with_interval(value - 0.1, value + 0.1, 0.95);
    groups.iter().fold(record, |record, (key, group)| record.in_group(key, group))
}

fn results(records: Vec<Record>, warnings: &[&str]) -> Results {
    let mut results = Results::new(records);
    results.warnings = warnings.iter().map(|warning| (*warning).to_owned()).collect();
    results
}

fn write_text(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn write_run(run: &Path) {
    let line = |kind: &str, step: usize, scalars: &str| {
        format!(
            "{{\"kind\":\"{kind}\",\"step\":{step},\"wall_s\":{step}.0,\"scalars\":{{{scalars}}}}}\n"
        )
    };
    let mut log = "{\"format\":\"mrisynth-training-log\",\"version\":1}\n".to_owned();
    for step in 1..=250 {
        log += &line("training", step, &format!("\"loss\":{}", 1.0 / step as f64));
    }
    log += &line("validation", 250, "\"loss\":0.25,\"loss_at_0.25\":0.1,\"loss_at_0.75\":0.4");
    write_text(&run.join("log.jsonl"), &log);
    write_text(&run.join("model-card.md"), "# tiny\n\n- See https://example.org for more.\n");
    write_text(&run.join("config.toml"), "name = \"tiny\"\n");
}

fn write_scans(folder: &Path) -> PageCase {
    let affine = Affine::from_spacing_mm([1.0, 1.0, 2.0], [0.0; 3]).unwrap();
    let geometry = Geometry::new([12, 14, 8], affine).unwrap();
    let volume = Volume::from_fn(geometry, |[x, y, z]| (x * y + z) as f32);
    let mask = LabelMap::from_fn(geometry, |[x, y, _]| [0, 7, 9][(x / 4 + y / 7) % 3]);
    let options = WriteOptions::default();
    let paths = ["mask", "synthetic", "real"].map(|name| folder.join(format!("{name}.nii.gz")));
    mask.write(&paths[0], &options).unwrap();
    volume.write(&paths[1], &options).unwrap();
    volume.write(&paths[2], &options).unwrap();
    for steps in [0, 5, 20] {
        volume.write(folder.join(format!("step-{steps:04}_T1w.nii.gz")), &options).unwrap();
    }
    let [mask, synthetic, real] = paths;
    PageCase { name: "sub-01, held out".into(), mask, synthetic, real: Some(real) }
}

fn write_evaluation(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let records = vec![
        record("PSNR", 21.0, &[]),
        record("MS-SSIM", 0.7, &[("set", "real")]),
        record("FID", 3.0, &[]),
        record("Near copies", 0.0, &[]),
        record("Difference of mean volumes", 0.5, &[("structure", "marrow")]),
    ];
    let warnings = ["fewer scans than features", "a.nii is a near copy of b.nii"];
    results(records, &warnings).write(folder.join("metrics.json")).unwrap();
}

fn write_study(folder: &Path) {
    let arm = |arm: &str, value| record(METRICS[0], value, &[("arm", arm), ("structure", MEAN)]);
    let groups = [("arm", "both"), ("against", "real"), ("structure", MEAN)];
    let records = vec![arm("real", 0.7), arm("both", 0.8), record("Dice difference", 0.1, &groups)];
    let path = AugmentationStudy::results_in(folder);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    results(records, &[]).write(path).unwrap();
}

/// A page with everything, of files below a folder.
fn full(root: &Path) -> ResultPage {
    let case = write_scans(root);
    let (run, evaluation, study) = (root.join("run"), root.join("evaluation"), root.join("study"));
    write_run(&run);
    write_evaluation(&evaluation);
    write_study(&study);
    let following = results(
        vec![
            record("regional correlation", 0.8, &[]),
            record("regional correlation, own minus shuffled", 0.3, &[]),
        ],
        &[],
    );
    let volumes = LabelMapSets {
        what: "The masks themselves.".into(),
        real: vec![case.mask.clone()],
        synthetic: vec![case.mask.clone()],
    };
    let edited = PageCase { name: "sub-02, edited".into(), real: None, ..case.clone() };
    ResultPage {
        title: "Tiny".into(),
        reference: Reference::Phantom,
        settings: vec![("subjects".into(), "5".into())],
        scheme: Some(scheme()),
        run: Some(run),
        cases: vec![case, edited],
        trajectory: Some(root.to_owned()),
        following: Some(following),
        evaluation: Some(evaluation),
        volumes: Some(volumes),
        study: Some(study),
        provenance: vec![("seed of the study".into(), "11".into())],
        montage: MontageOptions { longest_side_px: 40, ..MontageOptions::default() },
        ..ResultPage::default()
    }
}

/// What stands in the section of a part.
fn section(html: &str, part: Part) -> &str {
    let number = Part::ALL.iter().position(|p| *p == part).unwrap() + 1;
    let start = html.find(&format!("<section id=\"section-{number}\"")).unwrap();
    html[start..].split("</section>").next().unwrap()
}

#[test]
fn every_part_shows_what_its_folder_holds() {
    let root = tempfile::tempdir().unwrap();
    let html = full(root.path()).compose().unwrap().to_html().unwrap();
    for (part, expected) in [
        (Part::About, vec![">subjects</th>"]),
        (Part::Scans, vec!["sub-01, held out", "sub-02, edited", "marrow", "bark"]),
        (Part::Denoising, vec!["after 0 to 20 steps"]),
        (Part::Training, vec!["250 steps", "means of 3 steps", "at time 0.75 from 0.400"]),
        (Part::MaskFollowing, vec!["by 0.300 [0.200, 0.400]: scans follow their masks", "0.800"]),
        (Part::Metrics, vec!["PSNR", "set real", "FID", "fewer scans than features"]),
        (Part::StructureVolumes, vec!["The masks themselves.", "structure marrow", "0.5000"]),
        (Part::Privacy, vec!["Near copies", "near copy of b.nii"]),
        (Part::Study, vec!["both − real", "Published numbers", "arXiv 2606.18354", "0.651"]),
        (Part::Cards, vec!["Model card", "https://example.org"]),
        (Part::Provenance, vec!["mrisynth 0.1", "name = &quot;tiny&quot;", "seed of the study"]),
    ] {
        let shown = section(&html, part);
        for text in expected {
            assert!(shown.contains(text), "{part:?}: {text}");
        }
        assert!(shown.contains(part.title()) && !shown.contains("Skipped"), "{part:?}");
    }
}

#[test]
fn a_record_stands_in_one_part_alone() {
    let root = tempfile::tempdir().unwrap();
    let html = full(root.path()).compose().unwrap().to_html().unwrap();
    let metrics = section(&html, Part::Metrics);
    for other in ["Near copies", "marrow", "near copy of"] {
        assert!(!metrics.contains(other), "{other}");
    }
}

#[test]
fn own_schemes_lend_their_names_and_colours() {
    let root = tempfile::tempdir().unwrap();
    let html = full(root.path()).compose().unwrap().to_html().unwrap();
    let scans = section(&html, Part::Scans);
    assert!(scans.contains("background:rgb(250,1,2)") && scans.contains("background:rgb(3,4,250)"));
    assert!(!scans.contains("label 7"));
}

#[test]
fn the_page_needs_nothing_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let html = full(root.path()).compose().unwrap().to_html().unwrap();
    for attribute in ["src=\"", "href=\""] {
        for target in html.split(attribute).skip(1) {
            assert!(target.starts_with("data:image/png;base64,") || target.starts_with('#'));
        }
    }
    assert!(!html.contains("<script") && !html.contains("url("));
}

#[test]
fn the_same_folders_make_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let page = full(root.path());
    let paths = ["a.html", "b.html"].map(|name| root.path().join(name));
    paths.iter().for_each(|path| page.write(path).unwrap());
    let [a, b] = paths.map(|path| std::fs::read(path).unwrap());
    assert!(a == b && a.len() < 1 << 20);
}

#[test]
fn parts_that_are_not_there_say_why() {
    let nowhere = Some(PathBuf::from("nowhere"));
    let page = ResultPage {
        run: nowhere.clone(),
        trajectory: nowhere.clone(),
        evaluation: nowhere.clone(),
        study: nowhere,
        skipped: [(Part::Study, "2 subjects, and 6 are needed".to_owned())].into(),
        ..ResultPage::default()
    };
    let html = page.compose().unwrap().to_html().unwrap();
    for part in Part::ALL {
        let always = [Part::About, Part::Provenance].contains(&part);
        assert_eq!(
            section(&html, part).matches("Skipped: ").count(),
            usize::from(!always),
            "{part:?}"
        );
    }
    assert!(section(&html, Part::Study).contains("Skipped: 2 subjects, and 6 are needed"));
}

#[test]
fn what_is_damaged_is_an_error_and_not_left_out() {
    let root = tempfile::tempdir().unwrap();
    let page = full(root.path());
    std::fs::write(root.path().join("evaluation/metrics.json"), "{}").unwrap();
    assert!(matches!(page.compose(), Err(crate::Error::Metrics(_))));
}
