use super::*;

const NIFTI_1: Capacity =
    Capacity { format: "NIfTI", datatypes: &Datatype::ALL, slope_field: SlopeField::F32 };
const NIFTI_2: Capacity =
    Capacity { format: "NIfTI", datatypes: &Datatype::ALL, slope_field: SlopeField::F64 };
const MGH: Capacity = Capacity {
    format: "MGH",
    datatypes: &[Datatype::U8, Datatype::I16, Datatype::I32, Datatype::F32],
    slope_field: SlopeField::None,
};

fn values<T>(stored: &[T], scaling: Scaling) -> Values<'_, T> {
    Values { stored, scaling, shape: [stored.len(), 1, 1], are_labels: false }
}

fn identity<T>(stored: &[T]) -> Values<'_, T> {
    values(stored, Scaling::IDENTITY)
}

/// What a reader gets: stored numbers decoded from the bytes, then scaled.
fn read_back<T: Element>(storage: &Storage, stored: &[T]) -> Vec<f64> {
    let mut bytes = vec![0; stored.len() * storage.datatype.size()];
    storage.encode(stored, ByteOrder::Big, &mut bytes);
    let number = |b: &[u8]| -> f64 {
        with_datatype!(storage.datatype, U => converted::<U, f64>(U::from_be_bytes(b.try_into().unwrap())))
    };
    bytes.chunks(storage.datatype.size()).map(|b| storage.scaling.apply(number(b))).collect()
}

fn choose<T: Element>(
    values: &Values<'_, T>,
    datatype: Datatype,
    capacity: Capacity,
) -> Result<Storage, FileFault> {
    Storage::choose(values, Wanted::This(datatype), capacity)
}

#[test]
fn the_stored_datatype_keeps_bits_and_scaling() {
    let scaling = Scaling { slope: 0.25, inter: -3.0 };
    let odd = [(1_u64 << 53) + 1, u64::MAX];
    let storage = Storage::choose(&values(&odd, scaling), Wanted::AsStored, NIFTI_1).unwrap();
    assert_eq!((storage.datatype, storage.scaling), (Datatype::U64, scaling));
    let mut bytes = [0; 16];
    storage.encode(&odd, ByteOrder::Little, &mut bytes);
    assert_eq!(bytes[..8], odd[0].to_le_bytes());
    assert_eq!(bytes[8..], odd[1].to_le_bytes());
    let payload = [f32::from_bits(0x7fa0_1234), -0.0];
    let storage = Storage::choose(&identity(&payload), Wanted::AsStored, NIFTI_1).unwrap();
    let mut bytes = [0; 8];
    storage.encode(&payload, ByteOrder::Big, &mut bytes);
    assert_eq!(bytes, [0x7f, 0xa0, 0x12, 0x34, 0x80, 0, 0, 0]);
}

#[test]
fn whole_values_in_range_are_stored_unscaled() {
    let floats = [0.0_f32, -32768.0, 32767.0];
    let storage = choose(&identity(&floats), Datatype::I16, NIFTI_1).unwrap();
    assert!(storage.scaling.is_identity());
    assert_eq!(read_back(&storage, &floats), [0.0, -32768.0, 32767.0]);
    // Scaled integers whose values are whole.
    let doubled = values(&[1_u8, 200], Scaling { slope: 2.0, inter: 1.0 });
    let storage = choose(&doubled, Datatype::I16, NIFTI_1).unwrap();
    assert!(storage.scaling.is_identity());
    assert_eq!(read_back(&storage, doubled.stored), [3.0, 401.0]);
}

#[test]
fn integers_beyond_2_to_53_stay_exact_in_another_integer_type() {
    let odd = [(1_i64 << 53) + 1, i64::MAX];
    let storage = choose(&identity(&odd), Datatype::U64, NIFTI_1).unwrap();
    let mut bytes = [0; 16];
    storage.encode(&odd, ByteOrder::Little, &mut bytes);
    assert_eq!(bytes[..8], odd[0].to_le_bytes());
    assert!(storage.scaling.is_identity());
}

#[test]
fn integers_that_fit_keep_their_scaling_in_another_integer_type() {
    let scaling = Scaling { slope: 0.5, inter: 0.125 };
    let storage = choose(&values(&[1_i16, 255], scaling), Datatype::U8, NIFTI_1).unwrap();
    assert_eq!(storage.scaling, scaling);
    assert_eq!(read_back(&storage, &[1_i16, 255]), [0.625, 127.625]);
}

#[test]
fn scaled_values_are_off_by_half_a_step_at_most() {
    let ranges = [
        (0.0, 1.0),
        (-1.0, 1.0),
        (1e6, 1e6 + 1.0),
        (-3e-5, 7e4),
        (-1e30, 1e30),
        (1e9, 1e9 + 100.0),
        (0.0, 1e-30),
    ];
    let types =
        [Datatype::U8, Datatype::I8, Datatype::U16, Datatype::I16, Datatype::U32, Datatype::I32];
    for (min, max) in ranges {
        let all: Vec<f64> =
            (0..=1000).map(|i| min + (max - min) * (f64::from(i) / 1000.0).powi(2)).collect();
        for (datatype, capacity) in types.iter().flat_map(|&d| [(d, NIFTI_1), (d, NIFTI_2)]) {
            let storage = choose(&identity(&all), datatype, capacity).unwrap();
            let Scaling { slope, inter } = storage.scaling;
            if capacity.slope_field == SlopeField::F32 {
                assert_eq!((slope, inter), (f64::from(slope as f32), f64::from(inter as f32)));
            }
            // Beyond half a step only the rounding of f64 itself is allowed.
            let allowed =
                slope / 2.0 * (1.0 + 1e-9) + 4.0 * f64::EPSILON * inter.abs().max(max.abs());
            let worst = all
                .iter()
                .zip(read_back(&storage, &all))
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f64::max);
            assert!(worst <= allowed, "{min}..{max} {datatype}: {worst:e} above {allowed:e}");
            // The whole type is used, but for what rounding the intercept to f32 costs.
            let ideal = (max - min) / (2_f64.powi(8 * datatype.size() as i32) - 1.0);
            let middle = (min + max).abs() / 2.0 * f64::from(f32::EPSILON);
            let steps = 2_f64.powi(8 * datatype.size() as i32) - 1.0;
            assert!(
                slope <= ideal * 1.01 + 4.0 * middle / steps,
                "{min}..{max} {datatype}: slope {slope:e}, ideal {ideal:e}"
            );
        }
    }
}

#[test]
fn constant_volumes_can_be_scaled() {
    for constant in [0.3_f64, -1e9 - 0.5, 1e-40, 12345.678, 3e38] {
        for datatype in [Datatype::U8, Datatype::I16, Datatype::U32, Datatype::I64] {
            let storage = choose(&identity(&[constant; 3]), datatype, NIFTI_1).unwrap();
            for value in read_back(&storage, &[constant; 3]) {
                let allowed = (constant.abs() * 1e-9).max(1e-45);
                assert!((value - constant).abs() <= allowed, "{constant} {datatype}: {value}");
            }
        }
    }
}

#[test]
fn infinities_and_nan_are_refused_by_voxel() {
    for (bad, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let stored = [0.5, 1.0, 2.0, 3.0, bad, 4.0];
        let values = Values { shape: [2, 2, 1], ..identity(&stored[..4]) };
        assert!(choose(&values, Datatype::I16, NIFTI_1).is_ok());
        let values = Values { shape: [1, 2, 1], ..identity(&stored) };
        let message = choose(&values, Datatype::I16, NIFTI_1).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("cannot be stored as i16: the value {name} of voxel [0, 0, 0] of frame 2")
        );
        assert!(choose(&values, Datatype::F64, NIFTI_1).is_ok());
    }
}

#[test]
fn overflow_of_a_float_type_is_refused() {
    let message = choose(&identity(&[0.0, -1e39]), Datatype::F32, NIFTI_1).unwrap_err().to_string();
    assert!(message.contains("-1e39 of voxel [1, 0, 0]"), "{message}");
    assert!(choose(&identity(&[0.1, f64::INFINITY]), Datatype::F32, NIFTI_1).is_ok());
    assert!(choose(&identity(&[-1e300, 1e300]), Datatype::I16, NIFTI_1).is_err());
    assert!(choose(&identity(&[-1e308, 1.5e308]), Datatype::I16, NIFTI_2).is_err());
}

#[test]
fn labels_are_never_scaled_or_rounded() {
    let labels = Values { are_labels: true, ..identity(&[0, 2035, 16_777_217]) };
    for datatype in [Datatype::U8, Datatype::I16, Datatype::F32] {
        let message = choose(&labels, datatype, NIFTI_1).unwrap_err().to_string();
        assert!(message.contains("the value "), "{message}");
    }
    assert!(choose(&labels, Datatype::F64, NIFTI_1).is_ok());
    assert!(choose(&labels, Datatype::U32, NIFTI_1).is_ok());
}

#[test]
fn labels_take_the_smallest_type_that_holds_them() {
    let datatype = |labels: &[i32]| {
        Storage::choose(&identity(labels), Wanted::SmallestInteger, NIFTI_1).unwrap().datatype
    };
    assert_eq!(datatype(&[0, 255]), Datatype::U8);
    assert_eq!(datatype(&[0, 256]), Datatype::I16);
    assert_eq!(datatype(&[-1, 0]), Datatype::I16);
    assert_eq!(datatype(&[0, 32768]), Datatype::I32);
}

#[test]
fn mgh_takes_what_loses_nothing_or_floats() {
    fn found<T: Element>(stored: &[T], slope: f64) -> Option<Datatype> {
        let values = values(stored, Scaling { slope, inter: 0.0 });
        Storage::choose(&values, Wanted::AsStored, MGH).ok().map(|s| s.datatype)
    }
    assert_eq!(found(&[0_i16, 1], 1.0), Some(Datatype::I16));
    assert_eq!(found(&[0_i8, -1], 1.0), Some(Datatype::I16));
    assert_eq!(found(&[65535_u16], 1.0), Some(Datatype::I32));
    assert_eq!(found(&[i64::MAX], 1.0), None);
    assert_eq!(found(&[0.5_f64], 1.0), Some(Datatype::F32));
    assert_eq!(found(&[100_i16], 4.0), Some(Datatype::I16));
    assert_eq!(found(&[101_i16], 0.5), Some(Datatype::F32));
    assert!(choose(&identity(&[0.5_f32]), Datatype::I16, MGH).is_err());
    let message = choose(&identity(&[0.5_f32]), Datatype::U16, MGH).unwrap_err().to_string();
    assert_eq!(message, "cannot be stored as u16: MGH holds only u8, i16, i32, f32");
}

#[test]
fn every_datatype_converts_to_every_other() {
    let small = [0_u8, 1, 100, 127];
    for datatype in Datatype::ALL {
        let storage = choose(&identity(&small), datatype, NIFTI_1).unwrap();
        assert_eq!(read_back(&storage, &small), [0.0, 1.0, 100.0, 127.0], "{datatype}");
    }
}
