use std::path::PathBuf;

use ::safetensors::SafeTensors;
use candle_core::Device;
use keyed_random::Key;

use super::*;

const CPU: Device = Device::Cpu;

fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    (folder, path)
}

fn tensor(values: &[f32]) -> Tensor {
    Tensor::new(values, &CPU).unwrap()
}

fn example() -> NamedTensors {
    let mut example = NamedTensors::default();
    let ramp = Tensor::arange(0_u32, 6, &CPU).unwrap().reshape((2, 3)).unwrap();
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16, DType::U8, DType::I64] {
        example.tensors.insert(format!("as {}", dtype.as_str()), ramp.to_dtype(dtype).unwrap());
    }
    let transposed = ramp.to_dtype(DType::F32).unwrap().t().unwrap();
    example.tensors.insert("transposed \"é\"".into(), transposed);
    example.tensors.insert("empty".into(), Tensor::zeros((0, 5), DType::F32, &CPU).unwrap());
    example.tensors.insert("part".into(), tensor(&[9.0, 1.0, 2.0]).narrow(0, 1, 2).unwrap());
    for (key, value) in [("b", "2"), ("config", "{\"x\": 1}"), ("a", "1")] {
        example.metadata.insert(key.into(), value.into());
    }
    example
}

fn described(tensors: &NamedTensors) -> Vec<(String, DType, Vec<usize>, Vec<f64>)> {
    let values =
        |t: &Tensor| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let all = tensors.tensors.iter();
    all.map(|(n, t)| (n.clone(), t.dtype(), t.dims().to_vec(), values(t))).collect()
}

#[test]
fn what_is_saved_is_loaded_and_the_reference_reader_agrees() {
    let (_folder, path) = file();
    let example = example();
    let receipt = example.save_safetensors(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(receipt.bytes, bytes.len() as u64);
    let loaded = NamedTensors::load_safetensors(&path).unwrap();
    assert_eq!(described(&loaded), described(&example));
    assert_eq!(loaded.metadata, example.metadata);
    let reference = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(reference.len(), example.tensors.len());
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["config"], "{\"x\": 1}");
    for (name, view) in reference.iter() {
        let theirs =
            Tensor::from_raw_buffer(view.data(), loaded.tensors[name].dtype(), view.shape(), &CPU);
        let mine = NamedTensors {
            tensors: [(name.to_owned(), loaded.tensors[name].clone())].into(),
            ..Default::default()
        };
        let theirs = NamedTensors {
            tensors: [(name.to_owned(), theirs.unwrap())].into(),
            ..Default::default()
        };
        assert_eq!(described(&mine), described(&theirs));
        // Aligned, so that readers may map it.
        let offset = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
        assert_eq!(offset % (view.dtype().bitsize() / 8), 0, "{name}");
    }
}

#[test]
fn the_same_content_gives_the_same_bytes_and_not_a_number_survives() {
    let (_folder, path) = file();
    let saved = |tensors: &NamedTensors| {
        tensors.save_safetensors(&path).unwrap();
        std::fs::read(&path).unwrap()
    };
    let bytes = saved(&example());
    assert_eq!(bytes, saved(&example()));
    assert_eq!(bytes, saved(&NamedTensors::load_safetensors(&path).unwrap()));
    let odd = f32::from_bits(0x7FC0_1234);
    let mut special = NamedTensors::default();
    special.tensors.insert("x".into(), tensor(&[odd, f32::NEG_INFINITY, -0.0]));
    special.save_safetensors(&path).unwrap();
    let loaded = NamedTensors::load_safetensors(&path).unwrap().tensors["x"].to_vec1::<f32>();
    let bits: Vec<_> = loaded.unwrap().into_iter().map(f32::to_bits).collect();
    assert_eq!(bits, [0x7FC0_1234, f32::NEG_INFINITY.to_bits(), (-0.0_f32).to_bits()]);
}

#[test]
fn a_file_cut_anywhere_or_with_more_at_its_end_is_an_error() {
    let (_folder, path) = file();
    example().save_safetensors(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(5) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = NamedTensors::load_safetensors(&path).unwrap_err();
        assert!(error.to_string().contains("weights.safetensors: "), "{error}");
    }
    std::fs::write(&path, [bytes.as_slice(), &[0]].concat()).unwrap();
    assert!(NamedTensors::load_safetensors(&path).is_err());
    let missing = NamedTensors::load_safetensors("/nowhere/x").unwrap_err().to_string();
    assert!(missing.starts_with("/nowhere/x: "), "{missing}");
}

#[test]
fn a_damaged_header_is_never_a_panic() {
    let (_folder, path) = file();
    example().save_safetensors(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut refused = 0;
    for position in 0..header {
        for flip in [0x01, 0x10, 0x80] {
            let mut damaged = bytes.clone();
            damaged[position] ^= flip;
            std::fs::write(&path, damaged).unwrap();
            refused += usize::from(NamedTensors::load_safetensors(&path).is_err());
        }
    }
    assert!(refused > header, "{refused} of {header} bytes");
    let crafted = |header: &str| {
        let length = (header.len() as u64).to_le_bytes();
        std::fs::write(&path, [&length, header.as_bytes()].concat()).unwrap();
        NamedTensors::load_safetensors(&path).unwrap_err().to_string()
    };
    let message = crafted(r#"{"w":{"dtype":"F8_E5M2","shape":[0],"data_offsets":[0,0]}}"#);
    assert!(message.contains("\"w\"") && message.contains("F8_E5M2"), "{message}");
    let shape = "[0,4294967296,4294967296,4294967296]";
    let message =
        crafted(&format!(r#"{{"w":{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}}}"#));
    assert!(message.contains("overflow"), "{message}");
}

#[test]
fn a_failed_save_leaves_the_old_file() {
    let (folder, path) = file();
    example().save_safetensors(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut reserved = example();
    reserved.tensors.insert("__metadata__".into(), tensor(&[1.0]));
    let message = reserved.save_safetensors(&path).unwrap_err().to_string();
    assert!(message.contains("__metadata__"), "{message}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    // A file stands where the folder should be.
    let below = path.join("weights");
    let error = example().save_safetensors(&below).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: ", below.display())), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1);
}

#[test]
fn loading_into_a_network_reports_or_refuses_what_differs() {
    let store = ParameterStore::new(Key::new(1));
    store.set("a", &tensor(&[0.0, 0.0])).unwrap();
    store.set("b", &tensor(&[5.0])).unwrap();
    let value = |name: &str| store.get(name).unwrap().to_vec1::<f32>().unwrap();
    let mut weights = NamedTensors::default();
    weights.tensors.insert("a".into(), tensor(&[1.0, 2.0]).to_dtype(DType::F64).unwrap());
    weights.tensors.insert("z".into(), Tensor::new(&[1_i64], &CPU).unwrap());
    let message = weights.load_into(&store, Matching::Strict).unwrap_err().to_string();
    assert!(message.contains("\"b\"") && value("a") == [0.0, 0.0], "{message}");
    let found = weights.load_into(&store, Matching::Lenient).unwrap();
    assert_eq!((found.missing, found.unexpected), (vec!["b".to_owned()], vec!["z".to_owned()]));
    assert_eq!((value("a"), value("b")), (vec![1.0, 2.0], vec![5.0]));
    weights.tensors.insert("b".into(), tensor(&[6.0]));
    let message = weights.load_into(&store, Matching::Strict).unwrap_err().to_string();
    assert!(message.contains("\"z\""), "{message}");
    weights.tensors.remove("z");
    assert_eq!(weights.load_into(&store, Matching::Strict).unwrap(), Differences::default());
    assert_eq!(value("b"), [6.0]);
    for wrong in [tensor(&[1.0, 2.0]), Tensor::new(&[1_i64], &CPU).unwrap()] {
        weights.tensors.insert("b".into(), wrong);
        weights.tensors.insert("a".into(), tensor(&[8.0, 8.0]));
        let message = weights.load_into(&store, Matching::Lenient).unwrap_err().to_string();
        assert!(message.contains("\"b\"") && value("a") == [1.0, 2.0], "{message}");
    }
}

#[test]
fn rules_rename_drop_and_keep_in_turn() {
    let names = |rules: &[Rename]| {
        let mut weights = NamedTensors::default();
        for name in ["net.a.0.w", "net.b", "buffer"] {
            weights.tensors.insert(name.into(), tensor(&[1.0]));
        }
        weights.renamed(rules).map(|renamed| renamed.tensors.into_keys().collect::<Vec<_>>())
    };
    let json = r#"[{"kind":"drop","prefix":"buf"},{"kind":"keep","prefix":"net."},
        {"kind":"part","from":".0.","to":".first."},{"kind":"prefix","from":"b","to":"c"}]"#;
    let rules: Vec<Rename> = serde_json::from_str(json).unwrap();
    assert_eq!(names(&rules).unwrap(), ["a.first.w", "c"]);
    assert_eq!(names(&[]).unwrap(), ["buffer", "net.a.0.w", "net.b"]);
    let clash = Rename::Prefix { from: "net.b".into(), to: "buffer".into() };
    assert!(names(&[clash]).unwrap_err().to_string().contains("\"buffer\""));
}
