use super::super::storage::{Values, Wanted};
use super::*;
use crate::affine::Affine;
use crate::image::Scaling;

fn storage() -> Storage {
    let scaling = Scaling::IDENTITY;
    let values = Values { stored: &[1_i16], scaling, shape: [1, 1, 1], are_labels: false };
    Storage::choose(&values, Wanted::AsStored, MGH_CAPACITY).unwrap()
}

fn f32_at(bytes: &[u8], at: usize) -> f64 {
    f32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()).into()
}

/// The affine by the formula of FreeSurfer's documentation: `M = Mdc · diag(delta)`,
/// `origin = c_ras − M · shape / 2`.
fn read_affine(bytes: &[u8], shape: [usize; 3]) -> Affine {
    let columns = [0, 1, 2].map(|axis| {
        let delta = f32_at(bytes, 30 + 4 * axis);
        [0, 1, 2].map(|r| delta * f32_at(bytes, 42 + 12 * axis + 4 * r))
    });
    let origin = [0, 1, 2].map(|r| {
        let half: f64 = (0..3).map(|axis| columns[axis][r] * shape[axis] as f64 / 2.0).sum();
        f32_at(bytes, 78 + 4 * r) - half
    });
    Affine::from_columns(columns, origin).unwrap()
}

#[test]
fn freesurfers_own_geometry_has_the_known_fields() {
    // The conformed space of every FreeSurfer subject: 256³ voxels of 1 mm, LIA, centred on 0.
    let columns = [[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]];
    let affine = Affine::from_columns(columns, [128.0, -128.0, 128.0]).unwrap();
    let geometry = Geometry::new([256; 3], affine).unwrap();
    let bytes = mgh_header(&geometry, 1, &storage()).unwrap();
    assert_eq!(bytes.len(), 284);
    let i32_at = |at: usize| i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!([0, 4, 8, 12, 16, 20, 24].map(i32_at), [1, 256, 256, 256, 1, 4, 0]);
    assert_eq!(bytes[28..30], [0, 1]);
    let expected = [1.0, 1.0, 1.0, -1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    for (i, expected) in expected.into_iter().enumerate() {
        assert_eq!(f32_at(&bytes, 30 + 4 * i), expected, "number {i}");
    }
    assert!(bytes[90..].iter().all(|&b| b == 0));
}

#[test]
fn any_affine_comes_back_to_single_precision() {
    for (i, shape) in [[181, 217, 181], [7, 256, 3], [1, 1, 1]].into_iter().enumerate() {
        let rotation = nalgebra::Rotation3::from_euler_angles(0.4 + i as f64, -1.2, 2.0);
        let mut columns: [[f64; 3]; 3] =
            [0, 1, 2].map(|c| rotation.matrix().column(c).map(|x| x * [0.7, -1.3, 2.4][c]).into());
        columns[1][0] += 0.1; // MGH holds a shear
        let affine = Affine::from_columns(columns, [-91.3, 126.7, -71.9]).unwrap();
        let geometry = Geometry::new(shape, affine).unwrap();
        let bytes = mgh_header(&geometry, 1, &storage()).unwrap();
        let found = read_affine(&bytes, shape);
        assert!(found.max_abs_difference(&affine) < 1e-5, "{shape:?}: {found:?}");
        let linear = (found.linear() - affine.linear()).abs().max();
        assert!(linear < 3e-7, "{shape:?}: {linear:e}");
    }
}

#[test]
fn what_mgh_cannot_say_is_refused() {
    let geometry = |shape, affine| Geometry::new(shape, affine).unwrap();
    let long = geometry([1 << 31, 1, 1], Affine::identity());
    let fault = mgh_header(&long, 1, &storage()).unwrap_err();
    assert!(fault.to_string().starts_with("width is 2147483648"), "{fault}");
    let huge = geometry([1; 3], Affine::from_spacing_mm([1e39; 3], [0.0; 3]).unwrap());
    assert!(matches!(
        mgh_header(&huge, 1, &storage()),
        Err(FileFault::Affine { field: "Mdc", .. })
    ));
    let wide = geometry([1000, 1, 1], Affine::from_spacing_mm([1e36; 3], [0.0; 3]).unwrap());
    let fault = mgh_header(&wide, 1, &storage()).unwrap_err();
    assert!(fault.to_string().contains("c_ras"), "{fault}");
}
