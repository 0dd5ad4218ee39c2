use std::collections::BTreeSet;

use super::*;

#[test]
fn partners_mirror_each_other() {
    let mut n = 0;
    for label in all() {
        let sided = matches!(label.side, Side::Left | Side::Right);
        assert_eq!(label.partner.is_some(), sided, "{}", label.name);
        let Some(partner) = label.partner.map(|id| super::label(id).unwrap()) else { continue };
        n += 1;
        assert_eq!(partner.partner, Some(label.id));
        assert_eq!(partner.tissue, label.tissue);
        assert_eq!(partner.extracerebral, label.extracerebral);
        assert_ne!(partner.side, label.side);
        let swapped = match label.side {
            Side::Left => label.name.replace("Left-", "Right-").replace("-lh-", "-rh-"),
            _ => label.name.replace("Right-", "Left-").replace("-rh-", "-lh-"),
        };
        assert_eq!(partner.name, swapped);
    }
    assert_eq!(n, 2 * (table::PAIRS.len() + 2 * 36));
}

#[test]
fn numbers_and_names_are_unique() {
    let ids: BTreeSet<i32> = all().iter().map(|label| label.id).collect();
    let names: BTreeSet<&str> = all().iter().map(|label| label.name).collect();
    assert_eq!(ids.len(), all().len());
    assert_eq!(names.len(), all().len());
    for label in all() {
        assert_eq!(super::label(label.id), Some(label));
        assert_eq!(by_name(label.name), Some(label));
    }
    assert!(label(6000).is_none() && label(-1).is_none() && by_name("left-hippocampus").is_none());
}

/// Facts from FreeSurferColorLUT.txt.
#[test]
fn names_and_colours_are_those_of_freesurfer() {
    for (id, name, colour) in [
        (10, "Left-Thalamus", [0, 118, 14]),
        (17, "Left-Hippocampus", [220, 216, 20]),
        (28, "Left-VentralDC", [165, 42, 42]),
        (42, "Right-Cerebral-Cortex", [205, 62, 78]),
        (63, "Right-choroid-plexus", [0, 200, 221]),
        (78, "Left-WM-hypointensities", [255, 148, 10]),
        (85, "Optic-Chiasm", [234, 169, 30]),
        (252, "CC_Mid_Posterior", [0, 0, 112]),
        (915, "Bone-Cortical", [0, 85, 0]),
        (1006, "ctx-lh-entorhinal", [220, 20, 10]),
        (2035, "ctx-rh-insula", [255, 192, 32]),
        (3006, "wm-lh-entorhinal", [35, 235, 245]),
        (4001, "wm-rh-bankssts", [230, 155, 215]),
        (4035, "wm-rh-insula", [20, 220, 160]),
        (5002, "Right-UnsegmentedWhiteMatter", [20, 30, 40]),
    ] {
        let label = label(id).unwrap();
        assert_eq!((label.name, label.colour), (name, colour));
    }
}

#[test]
fn what_segmentation_tools_write_is_known() {
    // SynthSeg 2.0; the maps it was trained on; FastSurfer's deep parcellation (DKT atlas).
    let synthseg = [
        0, 2, 3, 4, 5, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 24, 26, 28, 41, 42, 43, 44, 46,
        47, 49, 50, 51, 52, 53, 54, 58, 60,
    ];
    let training = [
        25, 30, 57, 62, 72, 85, 136, 137, 163, 164, 502, 506, 507, 508, 509, 511, 512, 514, 515,
        516, 530,
    ];
    let fastsurfer = [31, 63, 77, 251, 252, 253, 254, 255].into_iter().chain(1002..=1035);
    for id in synthseg.into_iter().chain(training).chain(fastsurfer).chain(2002..=2035) {
        let label = label(id).unwrap_or_else(|| panic!("{id} is not in the table"));
        assert_eq!(label.extracerebral, (501..=530).contains(&id), "{}", label.name);
    }
}
