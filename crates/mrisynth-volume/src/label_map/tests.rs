use std::collections::BTreeMap;

use super::*;
use crate::{Affine, Geometry, Image, Scaling, StoredVoxels, VoxelBox};

fn grid(shape: [usize; 3]) -> Geometry {
    Geometry::new(shape, Affine::from_spacing_mm([1.0, 1.0, 1.5], [0.0; 3]).unwrap()).unwrap()
}

/// A repeatable pattern of numbers below `n`, the same in numpy:
/// `h = ((x*73856093) ^ (y*19349663) ^ (z*83492791)) * 2654435761 & 0xffffffff; (h >> 16) % n`.
fn noise([x, y, z]: [usize; 3], n: u32) -> u32 {
    let [x, y, z] = [x, y, z].map(|i| i as u32);
    let h = x.wrapping_mul(73_856_093) ^ y.wrapping_mul(19_349_663) ^ z.wrapping_mul(83_492_791);
    (h.wrapping_mul(2_654_435_761) >> 16) % n
}

fn noise_labels(shape: [usize; 3]) -> LabelMap {
    Volume::from_fn(grid(shape), |voxel| [0, 0, 2, 41, 2035, 9000, -7][noise(voxel, 7) as usize])
}

#[test]
fn counts_add_up_over_all_labels() {
    let labels = noise_labels([70, 50, 40]);
    let mut expected = BTreeMap::new();
    labels.voxels().iter().for_each(|label| *expected.entry(*label).or_default() += 1_u64);
    assert_eq!(labels.counts(), expected);
    assert_eq!(expected.len(), 6);
    assert_eq!(labels.volumes_mm3()[&41], 1.5 * expected[&41] as f64);
}

#[test]
fn only_whole_numbers_in_small_variety_count_as_labels() {
    let counts = |stored: StoredVoxels, slope: f64, max| {
        let scaling = Scaling { slope, inter: 0.0 };
        Image::new(grid([stored.len(), 1, 1]), 1, stored, scaling).unwrap().label_counts(max)
    };
    let whole = StoredVoxels::F32(vec![17.0, -0.0, 53.0, 0.0]);
    assert_eq!(counts(whole.clone(), 1.0, 3), Some([(0, 2), (17, 1), (53, 1)].into()));
    assert_eq!(counts(whole.clone(), 1.0, 2), None);
    assert_eq!(counts(whole, 0.5, 9), None);
    for bad in [f64::NAN, f64::INFINITY, 0.5, 1e16] {
        assert_eq!(counts(StoredVoxels::F64(vec![1.0, bad]), 1.0, 9), None);
    }
    assert_eq!(counts(StoredVoxels::U64(vec![u64::MAX]), 1.0, 9), None);
    assert_eq!(counts(StoredVoxels::I16(vec![-2, 4]), 0.5, 9), Some([(-1, 1), (2, 1)].into()));
    // The limit holds over the whole image, not only within a part of it.
    let many = (0..4 * CHUNK).map(|i| (i / CHUNK) as i32).collect();
    assert_eq!(counts(StoredVoxels::I32(many), 1.0, 3), None);
}

#[test]
fn unlisted_labels_are_kept_cleared_or_refused() {
    let labels = noise_labels([9, 8, 7]);
    let table = BTreeMap::from([(2, 1), (41, 1), (-7, 5)]);
    let kept = labels.remap(&table, Unlisted::Keep).unwrap();
    let cleared = labels.remap(&table, Unlisted::Background).unwrap();
    for ((old, kept), cleared) in labels.voxels().iter().zip(kept.voxels()).zip(cleared.voxels()) {
        let expected = match old {
            2 | 41 => (1, 1),
            -7 => (5, 5),
            other => (*other, 0),
        };
        assert_eq!((*kept, *cleared), expected);
    }
    let error = labels.remap(&table, Unlisted::Refuse).unwrap_err();
    let all = labels.counts();
    let message = error.to_string();
    assert!(message.contains(&format!("2035: {}", all[&2035])), "{message}");
    assert!(matches!(error, Error::UnlistedLabels { counts } if counts.keys().eq(&[2035, 9000])));
    let full: BTreeMap<i32, i32> = [2, 41, 2035, 9000, -7].map(|label| (label, label)).into();
    assert_eq!(labels.remap(&full, Unlisted::Refuse).unwrap(), labels);
}

#[test]
fn one_hot_channels_are_a_partition_and_come_back() {
    let labels = noise_labels([9, 8, 7]);
    let kept = [2, 41, 2035, 9000, -7];
    let channels = labels.one_hot(&kept.map(|label| vec![label])).unwrap();
    for i in 0..labels.voxels().len() {
        let sum: f32 = channels.iter().map(|channel| channel.voxels()[i]).sum();
        assert_eq!(sum, f32::from(u8::from(labels.voxels()[i] != 0)));
    }
    assert_eq!(LabelMap::from_one_hot(&channels, &kept).unwrap(), labels);
    // So do channels coded −1 and 1.
    let signed: Vec<Volume> = channels.iter().map(|c| c.map(|&v| 2.0 * v - 1.0)).collect();
    assert_eq!(LabelMap::from_one_hot(&signed, &kept).unwrap(), labels);
}

#[test]
fn the_first_of_equal_channels_wins_and_nan_never_does() {
    let geometry = grid([4, 1, 1]);
    let a = Volume::new(vec![0.5, 0.0, f32::NAN, 0.2], geometry).unwrap();
    let b = Volume::new(vec![0.5, 0.0, 0.1, f32::NAN], geometry).unwrap();
    let channels = [a, b];
    assert_eq!(LabelMap::from_one_hot(&channels, &[17, 53]).unwrap().voxels(), [17, 0, 53, 17]);
    assert!(LabelMap::from_one_hot(&channels, &[17]).is_err());
    assert!(LabelMap::from_one_hot(&[], &[]).is_err());
    let other = Volume::from_fn(grid([5, 1, 1]), |_| 1.0);
    assert!(LabelMap::from_one_hot(&[channels[0].clone(), other], &[1, 2]).is_err());
}

#[test]
fn a_label_in_two_channels_is_refused() {
    let labels = noise_labels([3, 3, 3]);
    let message = labels.one_hot(&[vec![2, 41], vec![41]]).unwrap_err().to_string();
    assert!(message.contains("label 41"), "{message}");
}

#[test]
fn components_are_those_of_scipy() {
    // scipy 1.17: l, n = ndimage.label(mask.transpose(2, 1, 0), generate_binary_structure(3, c));
    // s = bincount(l.ravel())[1:]; n, s.max(), (arange(1, n + 1) * s).sum(), on (noise % 100) < 30
    // and < 12. The last number depends on the order of the components.
    let expected = [
        (30, [(38, 51, 2381), (3, 150, 159), (1, 154, 154)]),
        (12, [(36, 6, 1024), (20, 19, 628), (12, 29, 368)]),
    ];
    for (percent, expected) in expected {
        let mask = Volume::from_fn(grid([9, 8, 7]), |voxel| noise(voxel, 100) < percent);
        for (connectivity, expected) in ALL.into_iter().zip(expected) {
            let found = mask.connected_components(connectivity).unwrap();
            let sizes: Vec<u64> = found.components.iter().map(|c| c.n_voxels).collect();
            let weighted: u64 = (1..).zip(&sizes).map(|(k, n)| k * n).sum();
            let largest = sizes.iter().max().copied().unwrap();
            assert_eq!((sizes.len(), largest, weighted), expected, "{connectivity:?}");
        }
    }
}

const ALL: [Connectivity; 3] = [Connectivity::Faces, Connectivity::Edges, Connectivity::Corners];

/// Numbers components by walking from every voxel to its neighbours.
fn flood(labels: &LabelMap, connectivity: Connectivity) -> Vec<i32> {
    let shape = labels.geometry().shape();
    let [nx, ny, _] = shape;
    let reach = 1 + ALL.iter().position(|c| *c == connectivity).unwrap();
    let mut numbers = vec![0; labels.voxels().len()];
    let mut n = 0;
    for seed in 0..numbers.len() {
        if labels.voxels()[seed] == 0 || numbers[seed] != 0 {
            continue;
        }
        n += 1;
        numbers[seed] = n;
        let mut open = vec![seed];
        while let Some(i) = open.pop() {
            let voxel = [i % nx, i / nx % ny, i / nx / ny];
            for step in 0..27 {
                let step = [step % 3, step / 3 % 3, step / 9];
                let next: [usize; 3] =
                    std::array::from_fn(|a| (voxel[a] + step[a]).wrapping_sub(1));
                let n_axes = step.iter().filter(|s| **s != 1).count();
                if n_axes > reach || next.iter().zip(shape).any(|(i, n)| *i >= n) {
                    continue;
                }
                let j = next[0] + nx * (next[1] + ny * next[2]);
                if numbers[j] == 0 && labels.voxels()[j] == labels.voxels()[i] {
                    numbers[j] = n;
                    open.push(j);
                }
            }
        }
    }
    numbers
}

#[test]
fn components_agree_with_flooding() {
    for (shape, n_labels) in [
        ([9, 8, 7], 2),
        ([13, 1, 11], 3),
        ([1, 9, 10], 2),
        ([2, 1, 1], 2),
        ([24, 17, 12], 4),
        ([24, 17, 12], 6),
        ([40, 3, 30], 3),
    ] {
        let labels = Volume::from_fn(grid(shape), |voxel| noise(voxel, n_labels) as i32);
        for connectivity in ALL {
            let found = labels.connected_components(connectivity).unwrap();
            assert_eq!(found.numbers.voxels(), flood(&labels, connectivity), "{shape:?}");
            for (k, component) in (1..).zip(&found.components) {
                let is_k = found.numbers.mask(&[k]);
                assert_eq!(is_k.bounding_box(), Some(component.bounds));
                assert_eq!(found.numbers.counts()[&k], component.n_voxels);
                let at = found.numbers.voxels().iter().position(|n| *n == k).unwrap();
                assert_eq!(labels.voxels()[at], component.label);
            }
        }
    }
}

#[test]
fn the_largest_component_remains_and_the_first_of_equals() {
    let geometry = grid([9, 1, 1]);
    let labels = LabelMap::new(vec![2, 0, 2, 2, 0, 3, 2, 2, 3], geometry).unwrap();
    let connectivity = Connectivity::Faces;
    assert_eq!(
        labels.largest_components(connectivity).unwrap().voxels(),
        [0, 0, 2, 2, 0, 3, 0, 0, 0]
    );
    let largest = labels.foreground().largest_component(connectivity).unwrap();
    assert_eq!(largest.bounding_box(), Some(VoxelBox { start: [5, 0, 0], shape: [4, 1, 1] }));
    let twos = labels.mask(&[2]).largest_component(connectivity).unwrap();
    assert_eq!(twos.bounding_box(), Some(VoxelBox { start: [2, 0, 0], shape: [2, 1, 1] }));
    let nothing = labels.mask(&[]);
    assert_eq!(nothing.connected_components(connectivity).unwrap().largest(), None);
    assert_eq!(nothing.largest_component(connectivity).unwrap(), nothing);
}
