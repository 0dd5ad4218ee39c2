//! Moves from voxel to voxel: reorient, crop, pad and their undoing.

use super::*;
use crate::geometry::VoxelBox;

/// Values whose bits a computation would change: NaN with a payload, −0, subnormals.
fn delicate(geometry: Geometry) -> Volume {
    let mut volume = noise_volume(geometry);
    let odd = [f32::from_bits(0x7fc1_2345), -0.0, f32::from_bits(3), f32::INFINITY, f32::MAX];
    volume.voxels_mut()[7..12].copy_from_slice(&odd);
    volume
}

#[test]
fn reorienting_to_any_of_48_and_back_changes_no_bit() {
    let volume = delicate(oblique([35, 4, 21]));
    for orientation in all_orientations() {
        let target = volume.geometry().reoriented(orientation);
        let regrid = Regrid::new(*volume.geometry(), target).unwrap();
        assert!(regrid.is_exact());
        for interpolation in INTERPOLATIONS {
            let how = Resampling { interpolation, antialias: true, outside: 5.0 };
            let there = regrid.apply(&volume, &how).unwrap();
            assert_eq!(*there.geometry(), target);
            let back = regrid.undo(&there, &how).unwrap();
            assert_eq!(*back.geometry(), *volume.geometry());
            assert!(bits(&back) == bits(&volume), "{orientation}");
        }
    }
}

#[test]
fn a_reoriented_voxel_keeps_its_place_in_the_world() {
    let volume = noise_volume(oblique([5, 6, 7]));
    for orientation in all_orientations() {
        let there = volume.reorient(orientation).unwrap();
        assert_eq!(there.geometry().orientation(), orientation);
        for voxel in [[0, 0, 0], [1, 3, 2], [4, 1, 3]] {
            let world = volume.geometry().voxel_to_world().apply(voxel.map(|v| v as f64));
            let index = there.geometry().world_to_voxel().apply(world).map(|v| v.round() as usize);
            assert_eq!(there.array()[index], volume.array()[voxel], "{orientation}");
        }
    }
}

#[test]
fn regridding_onto_itself_changes_no_bit() {
    let volume = delicate(turned(&oblique([9, 8, 7])));
    for interpolation in INTERPOLATIONS {
        let same = regridded(&volume, *volume.geometry(), interpolation);
        assert!(bits(&same) == bits(&volume));
    }
}

#[test]
fn a_crop_that_reaches_outside_is_an_array_shift_with_fill() {
    let volume = noise_volume(oblique([6, 7, 8]));
    let region = VoxelBox { start: [2, -3, 1], shape: [3, 12, 9] };
    let target = volume.geometry().cropped(region).unwrap();
    for interpolation in INTERPOLATIONS {
        let how = Resampling { interpolation, outside: -7.0, ..Resampling::default() };
        let cropped = regridded(&volume, target, how);
        for (index, &value) in cropped.array().indexed_iter() {
            let (x, y, z) = (index.0 + 2, index.1.wrapping_sub(3), index.2 + 1);
            let expected = volume.array().get([x, y, z]).copied().unwrap_or(-7.0);
            assert_eq!(value, expected, "{index:?}");
        }
    }
}

#[test]
fn undoing_a_crop_restores_the_inside_and_fills_the_outside() {
    let volume = noise_volume(oblique([9, 10, 11]));
    let target = volume.geometry().reoriented(Orientation::LPS).centre_cropped([5, 20, 6]).unwrap();
    let regrid = Regrid::new(*volume.geometry(), target).unwrap();
    let how = Resampling { outside: -7.0, ..Resampling::default() };
    let back = regrid.undo(&regrid.apply(&volume, &how).unwrap(), &how).unwrap();
    let mut kept = 0;
    for (voxel, &value) in back.array().indexed_iter() {
        if value == -7.0 {
            continue;
        }
        assert_eq!(value, volume.array()[voxel]);
        kept += 1;
    }
    assert_eq!(kept, 5 * 10 * 6);
    let padded = regridded(&volume, volume.geometry().centre_cropped([19, 22, 21]).unwrap(), how);
    let cut = padded.centre_crop([9, 10, 11]).unwrap();
    assert!(bits(&cut) == bits(&volume));
}

#[test]
fn a_mask_of_any_datatype_is_cropped_and_padded_with_zeros() {
    let mask = noise_volume(straight([3, 4, 5])).map(|&v| (v as u16).max(1));
    let region = VoxelBox { start: [-1, 0, 0], shape: [2, 4, 5] };
    let cropped = mask.crop(region).unwrap();
    assert!(
        cropped
            .array()
            .indexed_iter()
            .all(|((x, y, z), &v)| { if x == 0 { v == 0 } else { v == mask.array()[[0, y, z]] } })
    );
}

#[test]
fn grids_apart_are_all_outside() {
    let volume = noise_volume(oblique([6, 7, 8]));
    let far = |target: Geometry| {
        let moved = target.voxel_to_world().with_origin_at_voxel([100.0, 1e12, 0.0]);
        Geometry::new(target.shape(), moved).unwrap()
    };
    let coarse = volume.geometry().with_spacing_mm([1.5; 3]).unwrap();
    for target in [*volume.geometry(), coarse, turned(volume.geometry())].map(far) {
        for interpolation in INTERPOLATIONS {
            let how = Resampling { interpolation, outside: -7.0, ..Resampling::default() };
            assert!(regridded(&volume, target, how).voxels().iter().all(|&v| v == -7.0));
        }
        let labels = volume.map(|&v| v as i32);
        let how = LabelResampling { outside: 9, ..LabelResampling::default() };
        assert!(labels.resample_to(&target, how).unwrap().voxels().iter().all(|&v| v == 9));
    }
}
