use mrisynth_volume::{Affine, Geometry};
use proptest::prelude::*;

use super::*;

fn grid(shape: [usize; 3]) -> Geometry {
    Geometry::new(shape, Affine::from_spacing_mm([-1.0, 2.0, 1.5], [9.0, -4.0, 2.0]).unwrap())
        .unwrap()
}

fn scheme(name: &str) -> LabelScheme {
    LabelScheme::built_in(name).unwrap()
}

/// A map with one voxel of each of the ids.
fn row(ids: &[i32]) -> LabelMap {
    LabelMap::new(ids.to_vec(), grid([ids.len(), 1, 1])).unwrap()
}

const WHOLE: [i32; 13] = [4, 5, 14, 17, 18, 3, 2, 10, 11, 16, 7, 24, 0];

fn lax() -> ValidationOptions {
    ValidationOptions { volumes: false, ..ValidationOptions::default() }
}

fn faults(error: Error) -> Vec<MaskFault> {
    match error {
        Error::Mask { faults, .. } => faults,
        other => panic!("{other}"),
    }
}

#[test]
fn channels_are_coded_as_the_network_expects() {
    let labels = row(&[0, 1, 2, 3, 4]);
    let channels = scheme("med-ddpm-brats").channels(&labels).unwrap();
    for (number, channel) in channels.iter().enumerate() {
        let expected: Vec<f32> = (0..5).map(|i| f32::from(u8::from(i == number + 1))).collect();
        assert_eq!(channel.voxels(), expected);
        assert_eq!(channel.geometry(), labels.geometry());
    }
    let head = scheme("med-ddpm-whole-head").channels(&row(&[2, 0, 1])).unwrap();
    assert_eq!(head[0].voxels(), [-1.0, -1.0, 1.0]);
    assert_eq!(head[1].voxels(), [1.0, -1.0, -1.0]);
}

#[test]
fn an_array_has_channels_first_and_z_fastest() {
    let labels = LabelMap::from_fn(grid([2, 3, 4]), |[x, y, z]| i32::from([x, y, z] == [1, 2, 0]));
    let array = scheme("slab-tissues").channel_array(&labels).unwrap();
    assert_eq!(array.dim(), (4, 2, 3, 4));
    assert!(array.is_standard_layout());
    assert_eq!(array[[0, 1, 2, 0]], 1.0);
    assert_eq!(array.as_slice().unwrap()[20], 1.0); // (1 · 3 + 2) · 4 + 0
    assert_eq!(array.iter().filter(|&&v| v == 1.0).count(), 1);
}

#[test]
fn soft_channels_become_the_largest_of_them_or_background() {
    let volumes =
        |values: [[f32; 4]; 2]| values.map(|v| Volume::new(v.to_vec(), grid([4, 1, 1])).unwrap());
    let head = scheme("med-ddpm-whole-head");
    let soft = volumes([[0.3, -0.2, 0.1, f32::NAN], [0.2, -0.1, 0.1, 0.9]]);
    assert_eq!(head.labels_from_channels(&soft).unwrap().voxels(), [1, 0, 1, 2]);
    let brats = scheme("med-ddpm-brats");
    let one = |value: f32| Volume::new(vec![value], grid([1, 1, 1])).unwrap();
    let label = |v: [f32; 4]| brats.labels_from_channels(&v.map(one)).unwrap().voxels()[0];
    assert_eq!(label([0.1, 0.6, 0.3, 0.0]), 2);
    assert_eq!(label([0.4, 0.3, 0.3, 0.0]), 0); // none above a half
    let wrong = brats.labels_from_channels(&soft).unwrap_err().to_string();
    assert_eq!(wrong, "channels is 2 volumes, expected 4, as med-ddpm-brats has");
}

#[test]
fn unknown_ids_are_listed_with_names_and_counts() {
    let labels = row(&[17, 6001, 99, 99, 4, 511]);
    let ad = scheme("ad-structures");
    let error = ad.channels(&labels).unwrap_err();
    let message = error.to_string();
    assert_eq!(
        message,
        "the mask does not fit the scheme ad-structures: \
         unknown labels 99 (Lesion, 2 voxels), 6001 (unknown, 1 voxels)"
    );
    let count = |id, name: &str, n_voxels| LabelCount { id, name: name.into(), n_voxels };
    let expected = vec![count(99, "Lesion", 2), count(6001, "unknown", 1)];
    assert_eq!(faults(error), [MaskFault::UnknownLabels(expected)]);
    assert!(ad.channel_array(&labels).is_err() && ad.resize(&labels, [2, 1, 1]).is_err());
}

#[test]
fn a_mask_without_a_required_structure_is_refused_and_an_optional_one_may_be_missing() {
    let ad = scheme("ad-structures");
    let summary = ad.validate(&row(&WHOLE), None, lax()).unwrap();
    assert_eq!(summary.channels[5].n_voxels, 0); // entorhinal
    assert_eq!((summary.channels[3].n_voxels, summary.n_background), (1, 1));
    assert!((summary.channels[3].volume_ml - 0.003).abs() < 1e-12);
    let without: Vec<i32> = WHOLE.into_iter().filter(|id| ![17, 16].contains(id)).collect();
    let error = ad.validate(&row(&without), None, lax()).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("missing hippocampus (0 voxels of 17, 53), brainstem"), "{message}");
    let [MaskFault::MissingChannels(missing)] = &faults(error)[..] else { panic!() };
    assert_eq!(missing[0].ids, [17.into(), 53.into()]);
}

#[test]
fn implausible_volumes_are_told_in_millilitres() {
    let ad = scheme("ad-structures");
    let error = ad.validate(&row(&WHOLE), None, ValidationOptions::default()).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("hippocampus of 0.00 ml (1 voxels), expected 2 to 14"), "{message}");
    let [MaskFault::ImplausibleVolumes(list)] = &faults(error)[..] else { panic!() };
    assert_eq!(list.len(), 12); // all but the missing entorhinal cortex
    assert_eq!((list[3].plausible_ml, list[3].n_voxels), ([2.0, 14.0], 1));
}

#[test]
fn a_mask_must_lie_on_its_image() {
    let ad = scheme("ad-structures");
    let labels = row(&WHOLE);
    let moved = |mm: f64| {
        let affine = labels.geometry().voxel_to_world().with_origin_at_voxel([mm, 0.0, 0.0]);
        Geometry::new(labels.geometry().shape(), affine).unwrap()
    };
    assert!(ad.validate(&labels, Some(&moved(0.04)), lax()).is_ok());
    let error = ad.validate(&labels, Some(&moved(0.06)), lax()).unwrap_err();
    assert!(error.to_string().contains("more than 0.05 mm apart"));
    assert!(matches!(faults(error)[..], [MaskFault::OtherPlace { .. }]));
    let loose = ValidationOptions { tolerance_mm: 0.1, ..lax() };
    assert!(ad.validate(&labels, Some(&moved(0.06)), loose).is_ok());
    let error = ad.validate(&labels, Some(&grid([1, 1, 13])), lax()).unwrap_err();
    assert_eq!(faults(error), [MaskFault::OtherShape { found: [13, 1, 1], expected: [1, 1, 13] }]);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let error = scheme("ad-structures")
        .validate(&row(&[17, 99]), Some(&grid([3, 1, 1])), ValidationOptions::default())
        .unwrap_err();
    assert_eq!(faults(error).len(), 4);
}

proptest! {
    #[test]
    fn hard_channels_survive_the_way_to_labels_and_back(
        name in prop::sample::select(crate::BUILT_IN.to_vec()),
        picks in prop::collection::vec(0_usize..10_000, 24),
    ) {
        let scheme = scheme(name);
        let known: Vec<i32> = (-5..2100).filter(|&id| scheme.channel_number(id).is_some()).collect();
        let ids = picks.iter().map(|pick| known[pick % known.len()]).collect();
        let labels = LabelMap::new(ids, grid([2, 3, 4])).unwrap();
        let channels = scheme.channels(&labels).unwrap();
        let back = scheme.labels_from_channels(&channels).unwrap();
        prop_assert_eq!(&scheme.channels(&back).unwrap(), &channels);
        prop_assert_eq!(scheme.channel_numbers(&back).unwrap(), scheme.channel_numbers(&labels).unwrap());
        let array = scheme.channel_array(&labels).unwrap();
        for (c, channel) in channels.iter().enumerate() {
            prop_assert_eq!(array.index_axis(ndarray::Axis(0), c), channel.array());
        }
        // A partition: at most one channel is present at a voxel.
        for voxel in 0..24 {
            let present = channels.iter().filter(|c| c.voxels()[voxel] == 1.0).count();
            prop_assert!(present <= 1);
        }
    }
}
