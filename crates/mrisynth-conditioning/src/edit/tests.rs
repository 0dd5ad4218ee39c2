mod real_heads;

use keyed_random::Key;
use mrisynth_volume::{Affine, Geometry, LabelMap};

use super::*;
use crate::mask::ValidationOptions;

fn key() -> Key {
    Key::new(7).with("test")
}

fn scheme(name: &str) -> LabelScheme {
    LabelScheme::built_in(name).unwrap()
}

fn grid(shape: [usize; 3], columns: [[f64; 3]; 3]) -> Geometry {
    Geometry::new(shape, Affine::from_columns(columns, [40.0, -30.0, 20.0]).unwrap()).unwrap()
}

/// Stored as left, posterior, superior.
fn lps(shape: [usize; 3]) -> Geometry {
    grid(shape, [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
}

fn inside(voxel: [usize; 3], centre: [f64; 3], radii: [f64; 3]) -> bool {
    (0..3).map(|a| ((voxel[a] as f64 - centre[a]) / radii[a]).powi(2)).sum::<f64>() < 1.0
}

/// A head of ellipsoids, off the lattice so that volumes change by few voxels at a time: white matter in cortex in fluid, with ventricles, hippocampi and amygdalae
/// on either side and one of everything else that is required.
fn head(geometry: Geometry) -> LabelMap {
    let s = geometry.shape().map(|n| n as f64 / 80.0);
    LabelMap::from_fn(geometry, |voxel| {
        let at = |c: [f64; 3], r: [f64; 3]| {
            inside(voxel, [0, 1, 2].map(|a| c[a] * s[a]), [0, 1, 2].map(|a| r[a] * s[a]))
        };
        let right = (voxel[0] as f64) < 40.0 * s[0];
        let side = |left: i32, other: i32| if right { other } else { left };
        // Mirror images of each other about x = 40 − ½.
        let both =
            |c: [f64; 3], r: [f64; 3]| at(c, r) || at([80.0 - 1.0 / s[0] - c[0], c[1], c[2]], r);
        if !at([39.5, 39.5, 39.5], [38.0, 38.0, 36.0]) {
            511
        } else if both([48.0, 40.0, 46.0], [4.0, 14.0, 6.0]) {
            side(4, 43)
        } else if both([56.2, 36.3, 28.1], [4.1, 9.2, 4.2]) {
            side(17, 53)
        } else if both([56.2, 23.7, 28.4], [4.3, 3.7, 4.1]) {
            side(18, 54)
        } else if both([61.6, 36.3, 29.2], [1.8, 8.1, 3.1]) {
            side(5, 44)
        } else if both([46.0, 42.0, 36.0], [5.0, 7.0, 4.0]) {
            side(10, 49)
        } else if both([55.0, 34.0, 40.0], [3.0, 7.0, 5.0]) {
            side(12, 51)
        } else if at([39.5, 40.0, 30.0], [2.0, 6.0, 4.0]) {
            14
        } else if at([39.5, 48.0, 18.0], [5.0, 6.0, 10.0]) {
            16
        } else if at([39.5, 62.0, 20.0], [16.0, 8.0, 8.0]) {
            side(8, 47)
        } else if at([39.5, 39.5, 42.0], [29.0, 29.0, 27.0]) {
            side(2, 41)
        } else if at([39.5, 39.5, 42.0], [33.0, 33.0, 31.0]) {
            side(3, 42)
        } else {
            24
        }
    })
}

fn valid(scheme: &LabelScheme, labels: &LabelMap) {
    let options = ValidationOptions { volumes: false, ..ValidationOptions::default() };
    scheme.validate(labels, None, options).unwrap();
}

fn request(text: &str) -> VolumeRequest {
    text.parse().unwrap()
}

fn progress(requests: &[&str]) -> MaskEdit {
    MaskEdit::Progress { requests: requests.iter().map(|text| request(text)).collect() }
}

#[test]
fn requested_changes_of_volume_are_met_and_other_structures_kept() {
    let ad = scheme("ad-structures");
    let oblique = grid([80, 80, 80], [[-0.96, 0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]]);
    let cases: [(Geometry, &[&str]); 2] = [
        (lps([80, 80, 80]), &["hippocampus=-20%", "amygdala=-15%", "lateral ventricles=+30%"]),
        (oblique, &["hippocampus=-45%", "inferior lateral ventricles=+60%"]),
    ];
    for (geometry, requests) in cases {
        let labels = head(geometry);
        let edited = progress(requests).apply(&ad, &labels, &key()).unwrap();
        valid(&ad, &edited.labels);
        let wanted = |name: &str| {
            requests.iter().map(|r| request(r)).find(|r| r.channel == name).map(|r| r.percent)
        };
        for structure in &edited.report.structures {
            let (name, found) = (structure.channel.as_str(), structure.change_percent);
            let yielding = ["white matter", "CSF and vessels"];
            match wanted(name) {
                Some(percent) => assert!((found - percent).abs() < 2.0, "{name}: {found}"),
                None if yielding.contains(&name) => assert!(found.abs() < 4.0, "{name}: {found}"),
                None => assert!(found.abs() < 2.0, "{name}: {found}"),
            }
        }
        let summary = ad.summary(&edited.labels);
        assert_eq!(summary.channels[3].volume_ml, edited.report.structures[3].after_ml);
        // Far away nothing moves.
        assert_eq!(edited.labels.array()[[40, 2, 40]], labels.array()[[40, 2, 40]]);
    }
}

#[test]
fn a_change_of_volume_is_the_same_for_any_number_of_threads() {
    let (ad, labels) = (scheme("ad-structures"), head(lps([60, 60, 60])));
    let made = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let edit = progress(&["hippocampus=-20%", "lateral ventricles=+20%"]);
        pool.install(|| edit.apply(&ad, &labels, &key()).unwrap())
    };
    assert_eq!(made(1), made(3));
}

#[test]
fn a_change_of_volume_that_cannot_be_made_is_refused() {
    let (ad, labels) = (scheme("ad-structures"), head(lps([60, 60, 60])));
    let message =
        |requests: &[&str]| progress(requests).apply(&ad, &labels, &key()).unwrap_err().to_string();
    assert!(message(&["hippocampi=-20%"]).contains("a channel of ad-structures: lateral"));
    assert!(message(&["hippocampus=-95%"]).starts_with("percent of hippocampus is -95"));
    assert!(message(&["hippocampus=NaN%"]).starts_with("percent of hippocampus is NaN"));
    assert!(message(&["hippocampus=-5%", "hippocampus=-6%"]).contains("hippocampus twice"));
    assert!(message(&["entorhinal cortex=-5%"]).contains("of which the mask has no voxel"));
    assert!(message(&[]).starts_with("requests is empty"));
    let own = scheme("slab-tissues");
    let slab = LabelMap::from_fn(lps([8, 8, 8]), |[x, ..]| (x % 5) as i32);
    let error = progress(&["CSF=+5%"]).apply(&own, &slab, &key()).unwrap_err();
    assert!(error.to_string().starts_with("label scheme is slab-tissues"));
    // Six voxels have no volume 10 % smaller.
    let mut tiny = labels.clone();
    tiny.voxels_mut().iter_mut().for_each(|id| *id = if [17, 53].contains(id) { 2 } else { *id });
    for x in 40..46 {
        tiny.array_mut()[[x, 20, 40]] = 17;
    }
    let error = progress(&["hippocampus=-10%"]).apply(&ad, &tiny, &key()).unwrap_err();
    assert!(matches!(error, Error::VolumeMissed { requested_percent: -10.0, .. }), "{error}");
    // A head that is all hippocampus has nothing that could give way.
    let full = LabelMap::from_fn(lps([20, 20, 20]), |_| 17);
    let error = progress(&["hippocampus=-10%"]).apply(&ad, &full, &key()).unwrap_err();
    assert!(error.to_string().contains("nothing around it can give way"), "{error}");
}

#[test]
fn requests_are_read_as_they_are_written() {
    for text in ["hippocampus=-20%", "lateral ventricles=+30%", "amygdala=-7.5%"] {
        assert_eq!(request(text).to_string(), text);
    }
    assert_eq!(request(" cortex = 5 % "), VolumeRequest { channel: "cortex".into(), percent: 5.0 });
    for wrong in ["hippocampus", "hippocampus=", "hippocampus=-20", "=5%", "hippocampus=x%", ""] {
        let message = wrong.parse::<VolumeRequest>().unwrap_err().to_string();
        assert!(message.contains("such as hippocampus=-20%"), "{message}");
    }
}

#[test]
fn a_random_deformation_is_valid_and_follows_from_its_key() {
    let (ad, labels) = (scheme("ad-structures"), head(lps([70, 60, 64])));
    let edit = MaskEdit::Deform { amplitude_mm: 2.0, smoothness_mm: 10.0, along: [true; 3] };
    let first = edit.apply(&ad, &labels, &key()).unwrap();
    assert_eq!(first, edit.apply(&ad, &labels, &key()).unwrap());
    assert_ne!(first.labels, edit.apply(&ad, &labels, &Key::new(8)).unwrap().labels);
    assert_ne!(first.labels, labels);
    assert_eq!(first.labels.geometry(), labels.geometry());
    valid(&ad, &first.labels);
    let moved = |s: &StructureChange| s.change_percent != 0.0;
    assert!(first.report.structures.iter().filter(|s| moved(s)).count() > 8);
    let still = MaskEdit::Deform { amplitude_mm: 0.0, smoothness_mm: 10.0, along: [true; 3] };
    assert_eq!(still.apply(&ad, &labels, &key()).unwrap().labels, labels);
    let wrong = MaskEdit::Deform { amplitude_mm: -1.0, smoothness_mm: 10.0, along: [true; 3] };
    assert!(wrong.apply(&ad, &labels, &key()).unwrap_err().to_string().starts_with("amplitude_mm"));
}

/// Tissue of a thin slab must not move through its faces: layers stay layers, however they are stored.
#[test]
fn a_deformation_along_chosen_axes_moves_nothing_along_the_others() {
    let tissues = scheme("slab-tissues");
    let layers = LabelMap::from_fn(lps([30, 34, 20]), |[_, _, z]| 1 + (z / 5) as i32);
    let edit = |along| MaskEdit::Deform { amplitude_mm: 2.0, smoothness_mm: 10.0, along };
    let after = |along| edit(along).apply(&tissues, &layers, &key()).unwrap().labels;
    assert_eq!(after([true, true, false]), layers);
    assert_ne!(after([false, false, true]), layers);
    assert_eq!(edit([true, true, false]).to_string().split(", ").last(), Some("not down-up"));
    let columns = LabelMap::from_fn(lps([30, 34, 20]), |[x, _, _]| 1 + (x / 8) as i32);
    let moved = edit([true, true, false]).apply(&tissues, &columns, &key()).unwrap().labels;
    assert_ne!(moved, columns);
}

#[test]
fn flipping_exchanges_sides_and_twice_is_nothing() {
    let ad = scheme("ad-structures-lr");
    for columns in [
        [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.0, 0.0, 1.0], [1.1, 0.0, 0.0], [0.0, 1.2, 0.0]],
        [[0.0, 1.0, 0.0], [0.0, 0.1, 1.0], [1.0, 0.0, 0.0]],
    ] {
        let geometry = grid([9, 10, 11], columns);
        let (axis, _) = geometry.orientation().voxel_axis_along(0);
        let ids = [0, 17, 54, 14, 1006, 3, 511];
        let labels = LabelMap::from_fn(geometry, |[x, y, z]| ids[(x * 5 + y * 3 + z * z) % 7]);
        let swapped = [0, 53, 18, 14, 2006, 42, 511];
        let flipped = MaskEdit::Flip.apply(&ad, &labels, &key()).unwrap().labels;
        for ((x, y, z), id) in flipped.array().indexed_iter() {
            let mut from = [x, y, z];
            from[axis] = geometry.shape()[axis] - 1 - from[axis];
            let was = ids.iter().position(|i| *i == labels.array()[from]).unwrap();
            assert_eq!(*id, swapped[was]);
        }
        assert_eq!(MaskEdit::Flip.apply(&ad, &flipped, &key()).unwrap().labels, labels);
    }
    // A symmetric head is its own mirror image, and the ids of a scheme of its own have no sides.
    let labels = head(lps([80, 80, 80]));
    assert_eq!(MaskEdit::Flip.apply(&ad, &labels, &key()).unwrap().labels, labels);
    let slab = LabelMap::new(vec![4, 3, 0], lps([3, 1, 1])).unwrap();
    let flipped = MaskEdit::Flip.apply(&scheme("slab-tissues"), &slab, &key()).unwrap();
    assert_eq!(flipped.labels.voxels(), [0, 3, 4]);
    // Unless the scheme says which are partners.
    let mut config = scheme("slab-tissues").config().clone();
    config.partners = vec![[3, 4]];
    let flipped = MaskEdit::Flip.apply(&LabelScheme::new(&config).unwrap(), &slab, &key()).unwrap();
    assert_eq!(flipped.labels.voxels(), [0, 4, 3]);
}

/// A brain of radius 26 with a tumour of radius `radius` at `centre`.
fn patient(radius: f64, centre: [f64; 3]) -> LabelMap {
    LabelMap::from_fn(lps([64, 64, 64]), |voxel| {
        if inside(voxel, centre, [radius; 3]) {
            2
        } else {
            i32::from(inside(voxel, [31.5; 3], [26.0; 3]))
        }
    })
}

fn tumour_size(labels: &LabelMap) -> u64 {
    labels.counts().get(&2).copied().unwrap_or(0)
}

#[test]
fn a_tumour_grows_and_shrinks_by_its_scale_to_half_a_voxel() {
    let (head, labels) = (scheme("med-ddpm-whole-head"), patient(8.0, [30.0, 33.0, 31.0]));
    let radius =
        |labels: &LabelMap| (tumour_size(labels) as f64 * 0.75 / std::f64::consts::PI).cbrt();
    for factor in tumour_scales() {
        let edited = MaskEdit::ScaleTumour { factor }.apply(&head, &labels, &key()).unwrap();
        // The surface of a map of voxels is known to half a voxel.
        let (found, expected) = (radius(&edited.labels), factor * radius(&labels));
        assert!((found - expected).abs() < 0.5, "{factor}: {found}, expected {expected}");
        // What was head stays head.
        let foreground = |labels: &LabelMap| labels.voxels().iter().filter(|&&l| l > 0).count();
        assert_eq!(foreground(&edited.labels), foreground(&labels));
        valid(&head, &edited.labels);
    }
    let same = MaskEdit::ScaleTumour { factor: 1.0 }.apply(&head, &labels, &key()).unwrap();
    assert_eq!(same.labels, labels);
    assert_eq!((tumour_scales()[0], tumour_scales()[19]), (2.0, 0.5));
}

#[test]
fn a_tumour_shifts_with_its_parts_and_leaves_brain_behind() {
    let brats = scheme("med-ddpm-brats");
    let labels = LabelMap::from_fn(lps([64, 64, 64]), |voxel| {
        match [4.0, 6.0, 9.0].map(|r| inside(voxel, [24.0, 31.0, 31.0], [r; 3])) {
            [true, ..] => 1,
            [_, true, _] => 3,
            [.., true] => 2,
            _ if inside(voxel, [31.5; 3], [28.0; 3]) => 4,
            _ => 0,
        }
    });
    let edit = MaskEdit::ShiftTumour { voxels: [10, 0, 0] };
    let edited = edit.apply(&brats, &labels, &key()).unwrap().labels;
    assert_eq!(edited.counts(), labels.counts());
    for ((x, y, z), &label) in edited.array().indexed_iter() {
        let from = if x >= 10 { labels.array()[[x - 10, y, z]] } else { 0 };
        let was = labels.array()[[x, y, z]];
        let expected = if (1..=3).contains(&from) {
            from
        } else if was > 0 {
            4
        } else {
            0
        };
        assert_eq!(label, expected);
    }
}

#[test]
fn tumours_outside_the_brain_or_too_small_are_discarded() {
    let (head, labels) = (scheme("med-ddpm-whole-head"), patient(8.0, [30.0, 33.0, 31.0]));
    let shifted =
        |labels: &LabelMap, voxels| MaskEdit::ShiftTumour { voxels }.apply(&head, labels, &key());
    // By 20 voxels about half of it reaches out: whatever stays lies in the brain.
    let kept = shifted(&labels, [0, 20, 0]).unwrap();
    let rest = tumour_size(&kept.labels);
    assert!(2 * rest >= tumour_size(&labels) && rest < tumour_size(&labels));
    let error = shifted(&labels, [0, 30, 0]).unwrap_err();
    let Error::TumourOutside { inside, total } = error else { panic!("{error}") };
    assert!(2 * inside < total && total == tumour_size(&labels));
    assert!(matches!(shifted(&labels, [0, 400, 0]), Err(Error::TumourOutside { inside: 0, .. })));
    let small = patient(2.5, [31.0; 3]);
    let error = MaskEdit::ScaleTumour { factor: 0.5 }.apply(&head, &small, &key()).unwrap_err();
    assert!(matches!(error, Error::TumourTooSmall { expected: 30, .. }), "{error}");
    // Scaled beyond the field of view counts as outside.
    let huge = MaskEdit::ScaleTumour { factor: 6.0 }.apply(&head, &labels, &key()).unwrap_err();
    assert!(matches!(huge, Error::TumourOutside { .. }), "{huge}");
}

#[test]
fn without_a_tumour_there_is_nothing_to_edit() {
    let edit = MaskEdit::ScaleTumour { factor: 1.5 };
    let healthy = LabelMap::from_fn(lps([8, 8, 8]), |_| 1);
    let message = |scheme: &LabelScheme, edit: &MaskEdit| {
        edit.apply(scheme, &healthy, &key()).unwrap_err().to_string()
    };
    assert!(
        message(&scheme("med-ddpm-whole-head"), &edit).contains("the mask has no voxel of one")
    );
    assert!(message(&scheme("slab-tissues"), &edit).contains("no channel with the role of one"));
    for factor in [0.0, -1.0, f64::NAN, 11.0] {
        let wrong = MaskEdit::ScaleTumour { factor };
        assert!(message(&scheme("med-ddpm-whole-head"), &wrong).starts_with("factor"));
    }
}

#[test]
fn random_tumour_edits_are_those_of_the_table_and_leave_valid_masks() {
    let (head, labels) = (scheme("med-ddpm-whole-head"), patient(7.0, [30.0, 33.0, 31.0]));
    let (mut scales, mut shifts, mut kept) = (0, 0, 0);
    for index in 0..60 {
        let key = key().with_index(index);
        let edit = MaskEdit::random_tumour(&key);
        assert_eq!(edit, MaskEdit::random_tumour(&key));
        match &edit {
            MaskEdit::ScaleTumour { factor } => {
                scales += 1;
                assert!(tumour_scales().contains(factor));
            }
            MaskEdit::ShiftTumour { voxels } => {
                shifts += 1;
                assert!(voxels.iter().all(|v| TUMOUR_SHIFTS.contains(v)));
            }
            other => panic!("{other:?}"),
        }
        match edit.apply(&head, &labels, &key) {
            Ok(edited) => {
                kept += 1;
                valid(&head, &edited.labels);
                assert!(tumour_size(&edited.labels) >= 30);
            }
            Err(Error::TumourOutside { .. } | Error::TumourTooSmall { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(scales > 15 && shifts > 15 && kept > 20, "{scales} {shifts} {kept}");
}

#[test]
fn unknown_labels_and_lost_structures_are_refused() {
    let (ad, mut labels) = (scheme("ad-structures"), head(lps([60, 60, 60])));
    labels.voxels_mut()[0] = 6001;
    let error = MaskEdit::Flip.apply(&ad, &labels, &key()).unwrap_err();
    assert!(error.to_string().contains("6001 (unknown, 1 voxels)"));
    // One voxel of amygdala, which moving between voxels can lose.
    labels.voxels_mut().iter_mut().for_each(|id| {
        *id = match *id {
            6001 => 0,
            18 | 54 => 2,
            other => other,
        }
    });
    labels.array_mut()[[42, 20, 22]] = 18;
    let edit = MaskEdit::Deform { amplitude_mm: 2.0, smoothness_mm: 8.0, along: [true; 3] };
    let lost = (0..40).filter_map(|i| edit.apply(&ad, &labels, &Key::new(i)).err()).next().unwrap();
    assert_eq!(lost.to_string(), "the edit leaves nothing of amygdala");
}

#[test]
fn a_report_says_what_was_done_and_what_became_of_it() {
    let (head, labels) = (scheme("med-ddpm-whole-head"), patient(8.0, [30.0, 33.0, 31.0]));
    let edited =
        MaskEdit::ShiftTumour { voxels: [1, 0, -2] }.apply(&head, &labels, &key()).unwrap();
    let text = edited.report.to_string();
    assert!(text.starts_with("tumour shifted by [1, 0, -2] voxels\n"), "{text}");
    assert!(text.ends_with(" ml    +0.0 %  tumour\n"), "{text}");
    let request = progress(&["hippocampus=-20%", "amygdala=+5%"]);
    assert_eq!(request.to_string(), "volumes changed: hippocampus=-20%, amygdala=+5%");
}

#[test]
fn edits_are_data() {
    let edits = [
        MaskEdit::Flip,
        MaskEdit::Deform { amplitude_mm: 1.5, smoothness_mm: 12.0, along: [true; 3] },
        MaskEdit::ShiftTumour { voxels: [0, -10, 20] },
        progress(&["hippocampus=-20%"]),
    ];
    for edit in edits {
        let text = serde_json::to_string(&edit).unwrap();
        assert_eq!(serde_json::from_str::<MaskEdit>(&text).unwrap(), edit);
    }
    assert_eq!(serde_json::to_string(&MaskEdit::Flip).unwrap(), r#"{"edit":"flip"}"#);
    assert!(serde_json::from_str::<MaskEdit>(r#"{"edit":"shrink"}"#).is_err());
}
