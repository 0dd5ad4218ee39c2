use super::*;
use crate::affine::Affine;
use crate::datatype::Datatype;
use crate::image::{Scaling, StoredVoxels, Warning};
use crate::volume::{LabelMap, Volume};
use sample_file::{SampleMgh, gzip};

/// The NIfTI codes of the ten datatypes, and the bytes of −3 (253 when unsigned) and 7, the lowest
/// first.
fn two_voxels() -> [(Datatype, i16, Vec<u8>, StoredVoxels); 10] {
    macro_rules! row {
        ($type:ident, $variant:ident, $code:expr, $first:expr) => {{
            let voxels: Vec<$type> = vec![$first, 7 as $type];
            let bytes = voxels.iter().flat_map(|v| v.to_le_bytes()).collect();
            (Datatype::$variant, $code, bytes, StoredVoxels::$variant(voxels))
        }};
    }
    [
        row!(u8, U8, 2, 253),
        row!(i8, I8, 256, -3),
        row!(u16, U16, 512, 65_533),
        row!(i16, I16, 4, -3),
        row!(u32, U32, 768, 4_294_967_293),
        row!(i32, I32, 8, -3),
        row!(u64, U64, 1280, 18_446_744_073_709_551_613),
        row!(i64, I64, 1024, -3),
        row!(f32, F32, 16, -3.25),
        row!(f64, F64, 64, -3.25),
    ]
}

#[test]
fn every_datatype_is_read_in_both_byte_orders_and_versions() {
    for (datatype, code, bytes, stored) in two_voxels() {
        for (format, big_endian) in [
            (Format::Nifti1, false),
            (Format::Nifti1, true),
            (Format::Nifti2, false),
            (Format::Nifti2, true),
        ] {
            let mut header = SampleHeader::new(format);
            header.dim = [3, 2, 1, 1, 1, 1, 1, 1];
            (header.datatype, header.bitpix) = (code, 8 * datatype.size() as i16);
            header.big_endian = big_endian;
            let mut voxels = bytes.clone();
            if big_endian {
                voxels.chunks_mut(datatype.size()).for_each(<[u8]>::reverse);
            }
            let file = header.file(&voxels);
            for file in [gzip(&file), file] {
                let image = read(&file).unwrap();
                assert_eq!(image.stored(), &stored, "{format:?}, big-endian: {big_endian}");
                assert_eq!(image.datatype(), datatype);
                assert_eq!(image.geometry().voxel_to_world().rows()[1], [0.0, 3.0, 0.0, -126.0]);
                assert_eq!(image.warnings(), []);
                let name = Path::new("scan.nii");
                let volume = Volume::from_bytes(name, &file, &ReadOptions::default()).unwrap();
                assert_eq!(volume, image.volume(0).unwrap());
            }
        }
    }
}

#[test]
fn frames_and_missing_axes_follow_dim_0() {
    let shape = |dim: [i64; 8]| {
        let image = read(&sample(Format::Nifti1, |h| h.dim = dim)).unwrap();
        (image.geometry().shape(), image.n_frames())
    };
    assert_eq!(shape([4, 2, 3, 2, 2, 1, 1, 1]), ([2, 3, 2], 2));
    assert_eq!(shape([7, 2, 3, 4, 1, 1, 1, 1]), ([2, 3, 4], 1));
    assert_eq!(shape([5, 2, 3, 2, 2, 1, 9, 9]), ([2, 3, 2], 2));
    assert_eq!(shape([2, 4, 6, 0, -1, 0, 0, 0]), ([4, 6, 1], 1));
    assert_eq!(shape([1, 24, 7, 7, 7, 7, 7, 7]), ([24, 1, 1], 1));
}

#[test]
fn scaling_follows_nibabel() {
    let scaling = |slope, inter| {
        let file = sample(Format::Nifti1, |h| (h.scl_slope, h.scl_inter) = (slope, inter));
        read(&file).unwrap().scaling()
    };
    assert_eq!(scaling(2.5, -3.0), Scaling { slope: 2.5, inter: -3.0 });
    for slope in [0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(scaling(slope, 5.0), Scaling::IDENTITY);
        assert_eq!(scaling(slope, f64::NAN), Scaling::IDENTITY);
    }
}

#[test]
fn values_are_scaled_while_being_read() {
    let file = sample(Format::Nifti1, |h| (h.scl_slope, h.scl_inter) = (0.5, -1.0));
    let volume: Volume =
        Volume::from_bytes(Path::new("a"), &file, &ReadOptions::default()).unwrap();
    let expected: Vec<f32> = (0..24_u8).map(|i| f32::from(i) / 2.0 - 1.0).collect();
    assert_eq!(volume.voxels(), expected);
    let error = LabelMap::from_bytes(Path::new("a"), &file, &ReadOptions::default())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "a: label is -0.5 at voxel [1, 0, 0], expected a whole number between -2147483648 and 2147483647"
    );
    let file = sample(Format::Nifti1, |h| (h.scl_slope, h.scl_inter) = (2.0, -1.0));
    let labels = LabelMap::from_bytes(Path::new("a"), &file, &ReadOptions::default()).unwrap();
    assert_eq!(labels.voxels()[..3], [-1, 1, 3]);
}

#[test]
fn a_volume_has_one_frame() {
    let file = sample(Format::Nifti1, |h| h.dim = [4, 2, 3, 2, 2, 1, 1, 1]);
    let error = Volume::<f32>::from_bytes(Path::new("a.nii"), &file, &ReadOptions::default());
    let message = error.unwrap_err().to_string();
    assert_eq!(message, "a.nii: dim[4] is 2, expected 1 frame; read an Image to get at several");
}

/// Entries of a matrix printed by nibabel 5.4.2.
fn assert_affine(file: &[u8], expected: [[f64; 4]; 3]) {
    let rows = read(file).unwrap().geometry().voxel_to_world().rows();
    for (row, expected) in rows.iter().zip(expected) {
        for (a, b) in row.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{rows:?}");
        }
    }
}

#[test]
fn the_qform_is_that_of_nibabel() {
    for qfac in [1.0, -1.0] {
        let file = sample(Format::Nifti1, |h| {
            (h.sform_code, h.qform_code) = (0, 1);
            h.pixdim[..4].copy_from_slice(&[qfac, 0.9, 1.1, 1.3]);
            (h.quatern, h.qoffset) = ([0.1, -0.2, 0.3], [10.0, 20.0, 30.0]);
        });
        assert_affine(
            &file,
            [
                [0.665999967, -0.656058857, qfac * -0.404228147, 10.0],
                [0.464775403, 0.880000003, qfac * -0.397114077, 20.0],
                [0.387850262, 0.072019603, qfac * 1.169999953, 30.0],
            ],
        );
    }
}

#[test]
fn without_qform_and_sform_the_image_is_centred_and_x_runs_left() {
    let file = sample(Format::Nifti1, |h| h.sform_code = 0);
    assert_affine(&file, [[-2.0, 0.0, 0.0, 1.0], [0.0, 3.0, 0.0, -3.0], [0.0, 0.0, 4.0, -6.0]]);
    // The third spacing belongs to an axis that a 2-D image does not have.
    let flat = sample(Format::Nifti1, |h| {
        h.sform_code = 0;
        (h.dim, h.pixdim[3]) = ([2, 4, 6, 0, 0, 0, 0, 0], f64::NAN);
    });
    assert_affine(&flat, [[-2.0, 0.0, 0.0, 3.0], [0.0, 3.0, 0.0, -7.5], [0.0, 0.0, 1.0, 0.0]]);
}

#[test]
fn a_half_turn_survives_rounding() {
    // b² + c² + d² is a little above 1 in f32.
    let c = f64::from(0.5_f32.sqrt());
    let file = sample(Format::Nifti1, |h| {
        (h.sform_code, h.qform_code) = (0, 1);
        (h.pixdim, h.quatern) = ([1.0; 8], [c, f64::from((c as f32).next_up()), 0.0]);
    });
    assert_affine(&file, [[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0]]);
}

#[test]
fn customary_oddities_are_read_with_a_warning() {
    let field_of = |change: fn(&mut SampleHeader)| match read(&sample(Format::Nifti1, change))
        .unwrap()
        .warnings()
    {
        [Warning::Substituted { field, .. }] => *field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field_of(|h| h.sizeof_hdr = 0), "sizeof_hdr");
    assert_eq!(field_of(|h| (h.sform_code, h.qform_code) = (77, 1)), "sform_code");
    assert_eq!(field_of(|h| h.qform_code = -1), "qform_code");
    let no_qfac = |h: &mut SampleHeader| {
        (h.sform_code, h.qform_code, h.pixdim[0]) = (0, 1, 0.0);
    };
    assert_eq!(field_of(no_qfac), "pixdim[0] (qfac)");
    // Where the sform decides, nobody asks for the rest.
    let sform_only = |h: &mut SampleHeader| (h.pixdim, h.quatern) = ([f64::NAN; 8], [9.0; 3]);
    assert_eq!(read(&sample(Format::Nifti1, sform_only)).unwrap().warnings(), []);

    let metres = read(&sample(Format::Nifti1, |h| h.xyzt_units = 9)).unwrap();
    assert_eq!(metres.warnings(), [Warning::Units { unit: "metres" }]);
}

#[test]
fn a_vox_offset_that_was_never_set_means_after_the_header() {
    let mut header = SampleHeader::new(Format::Nifti1);
    let mut file = header.file(&ramp());
    header.vox_offset = 0.0;
    file[..348].copy_from_slice(&header.bytes());
    let image = read(&file).unwrap();
    assert_eq!(image.volume(0).unwrap().voxels()[23], 23.0);
    assert!(matches!(image.warnings(), [Warning::Substituted { field: "vox_offset", .. }]));
}

#[test]
fn notes_are_carried_along() {
    for format in [Format::Nifti1, Format::Nifti2] {
        let file = sample(format, |h| (h.intent_code, h.xyzt_units, h.pixdim[4]) = (1002, 10, 2.5));
        let image = read(&file).unwrap();
        let notes = image.notes();
        assert_eq!((notes.intent_code, notes.units, notes.frame_step), (1002, 10, 2.5));
        assert_eq!(notes.description, "a sample");
    }
}

#[test]
fn bytes_after_the_voxels_are_counted_or_refused() {
    let mut file = sample(Format::Nifti1, |_| ());
    file.extend_from_slice(&[1; 5]);
    let strict = ReadOptions { refuse_trailing_bytes: true, ..ReadOptions::default() };
    for file in [gzip(&file), file] {
        assert_eq!(read(&file).unwrap().warnings(), [Warning::TrailingBytes { count: 5 }]);
        let refused = Image::from_bytes(Path::new("scan.nii"), &file, &strict);
        let fault = fault_of(refused, &["5 bytes follow the voxels"]);
        assert!(matches!(fault, FileFault::TrailingBytes { count: 5 }));
    }
}

#[test]
fn mgh_is_read_with_its_types_frames_and_footer() {
    let strict = ReadOptions { refuse_trailing_bytes: true, ..ReadOptions::default() };
    let read = |file: &[u8]| Image::from_bytes(Path::new("aseg.mgz"), file, &strict);
    let mut header = SampleMgh::new();
    let mut bytes: Vec<u8> = (0..24).collect();
    bytes.extend_from_slice(b"a footer of FreeSurfer");
    for file in [header.file(&bytes), gzip(&header.file(&bytes))] {
        let image = read(&file).unwrap();
        assert_eq!(image.stored(), &StoredVoxels::U8((0..24).collect()));
        assert_eq!(image.warnings(), []);
        // nibabel: Pxyz_c − Mdc·delta·dims/2.
        let expected = Affine::from_columns(
            [[-1.0, 0.0, 0.0], [0.0, 0.0, -1.5], [0.0, 2.0, 0.0]],
            [6.0, -14.0, 22.25],
        );
        assert_eq!(*image.geometry().voxel_to_world(), expected.unwrap());
    }
    header.dims = [2, 1, 1, 2];
    for (code, size, expected) in [
        (1, 4, StoredVoxels::I32(vec![1, -2, 3, 4])),
        (3, 4, StoredVoxels::F32(vec![1.0, -2.0, 3.0, 4.0])),
        (4, 2, StoredVoxels::I16(vec![1, -2, 3, 4])),
        (10, 2, StoredVoxels::U16(vec![1, 65_534, 3, 4])),
    ] {
        header.datatype = code;
        let mut voxels = Vec::new();
        for value in [1_i32, -2, 3, 4] {
            let bytes = if code == 3 { (value as f32).to_be_bytes() } else { value.to_be_bytes() };
            voxels.extend_from_slice(&bytes[4 - size..]);
        }
        let image = read(&header.file(&voxels)).unwrap();
        assert_eq!((image.stored(), image.n_frames()), (&expected, 2));
    }
}

#[test]
fn mgh_without_directions_is_coronal() {
    let header = SampleMgh { good_ras: 0, delta: [f32::NAN; 3], ..SampleMgh::new() };
    let image = read(&header.file(&[0; 24])).unwrap();
    assert_eq!(image.geometry().orientation().to_string(), "LIA");
    assert_eq!(image.geometry().centre_mm(), [0.5, -0.5, 0.5]);
    assert!(matches!(image.warnings(), [Warning::Substituted { field: "goodRASFlag", .. }]));
}
