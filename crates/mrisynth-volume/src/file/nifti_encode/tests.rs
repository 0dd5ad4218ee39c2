use nifti::NiftiHeader;

use super::super::storage::{Values, Wanted};
use super::*;
use crate::image::Scaling;

fn storage(version: NiftiVersion) -> Storage {
    let scaling = Scaling { slope: 0.5, inter: -1.0 };
    let values = Values { stored: &[1_i16, 2], scaling, shape: [2, 1, 1], are_labels: false };
    Storage::choose(&values, Wanted::AsStored, version.capacity()).unwrap()
}

/// Oblique, anisotropic, the third axis reversed.
fn oblique() -> Affine {
    let rotation = nalgebra::Rotation3::from_euler_angles(0.3, -0.2, 1.1);
    let spacing_mm = [0.9, 1.1, -2.5];
    let columns = [0, 1, 2].map(|c| rotation.matrix().column(c).map(|x| x * spacing_mm[c]).into());
    Affine::from_columns(columns, [-88.25, 120.5, -63.75]).unwrap()
}

fn header(shape: [usize; 3], n_frames: usize, notes: &HeaderNotes) -> Vec<u8> {
    let geometry = Geometry::new(shape, oblique()).unwrap();
    let storage = storage(NiftiVersion::for_image(&geometry, n_frames));
    nifti_header(&geometry, n_frames, notes, &storage).unwrap()
}

fn read_1(bytes: &[u8]) -> NiftiHeader {
    NiftiHeader::from_reader(bytes).unwrap()
}

#[test]
fn the_header_says_what_the_nifti_crate_reads() {
    let notes = HeaderNotes {
        description: "a test".into(),
        intent_code: 1002,
        frame_step: 2.5,
        units: 0b1_0001, // metres and milliseconds
    };
    let bytes = header([5, 6, 7], 3, &notes);
    assert_eq!(bytes.len(), 352);
    let header = read_1(&bytes);
    assert_eq!(header.dim, [4, 5, 6, 7, 3, 1, 1, 1]);
    assert_eq!((header.datatype, header.bitpix, header.vox_offset), (4, 16, 352.0));
    assert_eq!((header.scl_slope, header.scl_inter), (0.5, -1.0));
    assert_eq!(header.intent_code, 1002);
    assert_eq!(header.xyzt_units, 0b1_0010); // millimetres and milliseconds
    assert_eq!(&header.descrip[..7], b"a test\0");
    assert_eq!(header.magic, *b"n+1\0");
    for (found, expected) in header.pixdim.into_iter().zip([-1.0, 0.9, 1.1, 2.5, 2.5, 0.0]) {
        assert!((found - expected).abs() < 1e-6, "{:?}", header.pixdim);
    }
}

#[test]
fn sform_and_qform_say_the_same() {
    let header = read_1(&header([5, 6, 7], 1, &HeaderNotes::default()));
    assert_eq!((header.qform_code, header.sform_code), (2, 2));
    assert_eq!(header.dim, [3, 5, 6, 7, 1, 1, 1, 1]);
    let rows = oblique().rows();
    for (found, expected) in [header.srow_x, header.srow_y, header.srow_z].iter().zip(rows) {
        assert_eq!(*found, expected.map(|value| value as f32));
    }
    let quaternion = [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from);
    let [b, c, d] = quaternion;
    let a = (1.0 - b * b - c * c - d * d).sqrt();
    let rotation = nalgebra::UnitQuaternion::from_quaternion(nalgebra::Quaternion::new(a, b, c, d));
    let scale = [header.pixdim[1], header.pixdim[2], header.pixdim[3] * header.pixdim[0]];
    let columns = [0, 1, 2].map(|axis| {
        let rotation = rotation.to_rotation_matrix();
        rotation.matrix().column(axis).map(|x| x * f64::from(scale[axis])).into()
    });
    let offset = [header.quatern_x, header.quatern_y, header.quatern_z].map(f64::from);
    let qform = Affine::from_columns(columns, offset).unwrap();
    assert!(qform.max_abs_difference(&oblique()) < 1e-6, "{qform:?}");
}

#[test]
fn a_shear_leaves_the_sform_alone() {
    let columns = [[1.0, 0.0, 0.0], [0.2, 1.0, 0.0], [0.0, 0.1, 2.0]];
    let affine = Affine::from_columns(columns, [1.0, 2.0, 3.0]).unwrap();
    let geometry = Geometry::new([2, 2, 2], affine).unwrap();
    let storage = storage(NiftiVersion::One);
    let bytes = nifti_header(&geometry, 1, &HeaderNotes::default(), &storage).unwrap();
    let header = read_1(&bytes);
    assert_eq!((header.qform_code, header.sform_code), (0, 2));
    assert_eq!(header.srow_x, [1.0, 0.2, 0.0, 1.0]);
    assert_eq!(header.pixdim[..4], [1.0, 1.0, 1.04_f32.sqrt(), 4.01_f32.sqrt()]);
}

#[test]
fn an_axis_too_long_for_nifti_1_makes_nifti_2() {
    assert_eq!(header([32767, 1, 1], 1, &HeaderNotes::default())[..4], 348_i32.to_le_bytes());
    for (shape, n_frames) in [([32768, 1, 1], 1), ([1, 1, 1], 32768)] {
        let notes = HeaderNotes { description: "long".into(), ..HeaderNotes::default() };
        let bytes = header(shape, n_frames, &notes);
        let i16_at = |at: usize| i16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
        let i32_at = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let i64_at = |at: usize| i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let f64_at = |at: usize| f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        // Offsets as in nifti2.h.
        assert_eq!((bytes.len(), i32_at(0)), (544, 540));
        assert_eq!(bytes[4..12], *b"n+2\0\r\n\x1a\n");
        assert_eq!((i16_at(12), i16_at(14)), (4, 16));
        assert_eq!(
            [24, 32, 40, 48].map(i64_at),
            [shape[0], shape[1], shape[2], n_frames].map(|n| n as i64)
        );
        assert_eq!(i64_at(16), if n_frames > 1 { 4 } else { 3 });
        assert_eq!(i64_at(168), 544);
        assert_eq!((f64_at(176), f64_at(184)), (0.5, -1.0));
        assert_eq!(bytes[240..245], *b"long\0");
        assert_eq!((i32_at(344), i32_at(348)), (2, 2));
        assert!((f64_at(112) - 0.9).abs() < 1e-15 && f64_at(104) == -1.0);
        let rows = oblique().rows();
        for (i, &expected) in rows[..3].iter().flatten().enumerate() {
            assert_eq!(f64_at(400 + 8 * i), expected);
        }
        assert_eq!([376, 384, 392].map(f64_at), oblique().translation());
        assert_eq!(i32_at(500), 2);
    }
}

#[test]
fn affines_beyond_single_precision_are_refused() {
    let huge = Affine::from_spacing_mm([1e60; 3], [0.0; 3]).unwrap();
    let tiny = Affine::from_spacing_mm([1e-60; 3], [0.0; 3]).unwrap();
    let far = Affine::from_spacing_mm([1.0; 3], [1e39, 0.0, 0.0]).unwrap();
    for affine in [huge, tiny, far] {
        let geometry = Geometry::new([2, 1, 1], affine).unwrap();
        let storage = storage(NiftiVersion::One);
        let fault = nifti_header(&geometry, 1, &HeaderNotes::default(), &storage).unwrap_err();
        assert!(matches!(fault, FileFault::Affine { field: "sform", .. }), "{fault}");
    }
    // NIfTI-2 holds them.
    let geometry = Geometry::new([40_000, 1, 1], huge).unwrap();
    assert!(
        nifti_header(&geometry, 1, &HeaderNotes::default(), &storage(NiftiVersion::Two)).is_ok()
    );
}

#[test]
fn an_intent_too_large_for_nifti_1_is_refused() {
    let geometry = Geometry::new([2, 1, 1], Affine::identity()).unwrap();
    let notes = HeaderNotes { intent_code: 40_000, ..HeaderNotes::default() };
    let fault = nifti_header(&geometry, 1, &notes, &storage(NiftiVersion::One)).unwrap_err();
    assert!(fault.to_string().contains("intent_code is 40000"), "{fault}");
}

#[test]
fn inherited_descriptions_are_cut_between_characters() {
    let notes = HeaderNotes { description: "é".repeat(60), ..HeaderNotes::default() };
    let header = read_1(&header([2, 1, 1], 1, &notes));
    assert_eq!(header.descrip[..78], *"é".repeat(39).as_bytes());
    assert_eq!(header.descrip[78..80], [0, 0]);
}

#[test]
fn frames_have_a_step_other_than_0() {
    let step = |n_frames, frame_step| {
        let notes = HeaderNotes { frame_step, ..HeaderNotes::default() };
        read_1(&header([2, 1, 1], n_frames, &notes)).pixdim[4]
    };
    assert_eq!(
        (step(1, 0.0), step(2, 0.0), step(2, f64::NAN), step(2, 1e-60)),
        (0.0, 1.0, 1.0, 1.0)
    );
    assert_eq!((step(1, 2.5), step(2, 2.5)), (2.5, 2.5));
}
