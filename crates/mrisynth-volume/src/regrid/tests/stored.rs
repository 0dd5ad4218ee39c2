//! Images as stored: datatype, scaling, frames.

use super::*;
use crate::datatype::Datatype;
use crate::image::{HeaderNotes, Scaling, StoredVoxels};

fn grid() -> Geometry {
    oblique([5, 6, 7])
}

/// Two frames of every datatype, with bits that a conversion would change.
fn images() -> Vec<Image> {
    let n = 2 * grid().n_voxels();
    let raw: Vec<u64> =
        (0..n).map(|i| (u64::from(noise(i)) << 54) ^ u64::from(noise(i + n)) << 20).collect();
    let floats = raw.iter().map(|&r| f32::from_bits((r >> 32) as u32)).collect();
    let doubles = raw.iter().map(|&r| f64::from_bits(r)).collect();
    let all = [
        StoredVoxels::U8(raw.iter().map(|&r| (r >> 56) as u8).collect()),
        StoredVoxels::I8(raw.iter().map(|&r| (r >> 56) as i8).collect()),
        StoredVoxels::U16(raw.iter().map(|&r| (r >> 48) as u16).collect()),
        StoredVoxels::I16(raw.iter().map(|&r| (r >> 48) as i16).collect()),
        StoredVoxels::U32(raw.iter().map(|&r| (r >> 32) as u32).collect()),
        StoredVoxels::I32(raw.iter().map(|&r| (r >> 32) as i32).collect()),
        StoredVoxels::U64(raw.clone()),
        StoredVoxels::I64(raw.iter().map(|&r| r as i64).collect()),
        StoredVoxels::F32(floats),
        StoredVoxels::F64(doubles),
    ];
    let notes = HeaderNotes { description: "two echoes".into(), ..HeaderNotes::default() };
    let scaling = Scaling { slope: 0.5, inter: -10.0 };
    let image = |stored| Image::new(grid(), 2, stored, scaling).unwrap().with_notes(notes.clone());
    all.into_iter().map(image).collect()
}

/// The stored voxels as bits, so that NaN equals itself.
fn stored_bits(image: &Image) -> String {
    match image.stored() {
        StoredVoxels::F32(voxels) => {
            format!("{:x?}", voxels.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
        }
        StoredVoxels::F64(voxels) => {
            format!("{:x?}", voxels.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
        }
        integers => format!("{integers:?}"),
    }
}

#[test]
fn every_datatype_is_reoriented_and_back_without_changing_a_bit() {
    for image in images() {
        let there = image.reorient("SRP".parse().unwrap()).unwrap();
        assert_eq!(there.geometry().orientation().to_string(), "SRP");
        assert_eq!(there.datatype(), image.datatype());
        let back = there.reorient(grid().orientation()).unwrap();
        assert!(stored_bits(&back) == stored_bits(&image), "{}", image.datatype());
        assert_eq!((back.scaling(), back.notes()), (image.scaling(), image.notes()));
    }
}

#[test]
fn outside_takes_the_stored_value_nearest_to_the_one_asked_for() {
    // stored = (value + 10) / 0.5
    let padded = grid().centre_cropped([7, 6, 7]).unwrap();
    let regrid = Regrid::new(grid(), padded).unwrap();
    for (outside, expected) in [(0.0, 20), (-9.8, 0), (-50.0, 0), (1e9, 255)] {
        let how = Resampling { outside, ..Resampling::default() };
        let StoredVoxels::U8(voxels) =
            regrid.apply_image(&images()[0], &how).unwrap().stored().clone()
        else {
            panic!("not u8")
        };
        assert_eq!(voxels[0], expected);
    }
}

#[test]
fn interpolated_images_hold_the_values_of_each_frame() {
    let image = &images()[3];
    let target = grid().with_spacing_mm([1.3; 3]).unwrap();
    for interpolation in [Interpolation::Linear, Interpolation::CubicBSpline] {
        let how = Resampling::from(interpolation);
        let result = image.resample_to(&target, &how).unwrap();
        assert_eq!((result.datatype(), result.scaling()), (Datatype::F32, Scaling::IDENTITY));
        assert_eq!((result.n_frames(), result.notes()), (2, image.notes()));
        for frame in 0..2 {
            let expected = image.volume(frame).unwrap().resample_to(&target, &how).unwrap();
            assert!(result.volume(frame).unwrap() == expected);
        }
    }
    let nearest = image.resample_to(&target, &Interpolation::Nearest.into()).unwrap();
    assert_eq!((nearest.datatype(), nearest.scaling()), (Datatype::I16, image.scaling()));
    let how = Resampling { interpolation: Interpolation::Nearest, antialias: true, outside: 0.0 };
    assert_eq!(image.resample_to(&target, &how).unwrap().datatype(), Datatype::F32);
}

#[test]
fn an_image_put_back_lies_on_its_own_grid() {
    let image = &images()[5];
    let regrid = Regrid::new(grid(), grid().centre_cropped([9, 9, 9]).unwrap()).unwrap();
    let how = Resampling::default();
    let back = regrid.undo_image(&regrid.apply_image(image, &how).unwrap(), &how).unwrap();
    assert!(back == *image);
}
