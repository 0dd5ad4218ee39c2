use candle_nn3d::{Distribution, ParameterStore};
use keyed_random::Key;

use super::*;
use crate::{Error, GuidedUnetConfig};

fn config() -> UnetConfig {
    UnetConfig::GuidedUnet(GuidedUnetConfig {
        num_channels: 32,
        channel_mult: vec![1.0, 1.0],
        ..GuidedUnetConfig::default()
    })
}

/// The names and shapes of a published network.
pub(super) fn key_list(name: &str) -> Shapes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/unet_keys");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let lines = text.lines().map(|line| line.split_once('\t').unwrap());
    lines.map(|(name, dims)| (name.to_owned(), serde_json::from_str(dims).unwrap())).collect()
}

/// Tensors of these shapes that share one element.
pub(super) fn tensors(list: &Shapes) -> BTreeMap<String, Tensor> {
    let zero = Tensor::zeros((), DType::F32, &Device::Cpu).unwrap();
    list.iter()
        .map(|(name, shape)| (name.clone(), zero.broadcast_as(shape.as_slice()).unwrap()))
        .collect()
}

/// Random parameters of the network.
fn parameters(seed: u64) -> BTreeMap<String, Tensor> {
    let store = ParameterStore::new(Key::new(seed));
    Unet::new(&config(), store.builder(DType::F32)).unwrap();
    let draw = |(name, tensor): (String, Tensor)| {
        let key = Key::new(seed).with(name.as_str());
        let law = Distribution::Normal { mean: 0.0, stdev: 0.1 };
        (name, law.tensor(&key, tensor.shape(), DType::F32, &Device::Cpu).unwrap())
    };
    store.tensors().into_iter().map(draw).collect()
}

fn named(prefix: &str, tensors: &BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    tensors.iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor.clone())).collect()
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, tensors: BTreeMap<String, Tensor>) -> std::path::PathBuf {
        let path = self.0.path().join("weights.safetensors");
        let file = NamedTensors { tensors, metadata: BTreeMap::new() };
        file.save_safetensors(&path).unwrap();
        path
    }
}

#[track_caller]
fn assert_same(read: &UnetWeights, want: &BTreeMap<String, Tensor>) {
    assert!(read.tensors.tensors.keys().eq(want.keys()));
    for (name, tensor) in want {
        assert_eq!(numbers(&read.tensors.tensors[name]), numbers(tensor), "{name}");
    }
}

#[test]
fn what_is_saved_is_what_is_read() {
    let (files, weights) = (Files::new(), parameters(1));
    let path = files.0.path().join("out.safetensors");
    let tensors = NamedTensors { tensors: weights.clone(), metadata: BTreeMap::new() };
    save_weights(&config(), &tensors, &path).unwrap();
    let read = read_weights(&config(), &path, CheckpointPart::Ema).unwrap();
    assert_same(&read, &weights);
    assert!(read.notes.is_empty() && read.step.is_none() && read.schedule_buffers.is_empty());

    let mut few = tensors;
    few.tensors.remove("out.2.bias");
    let message = save_weights(&config(), &few, &path).unwrap_err().to_string();
    assert!(message.contains("1 missing: out.2.bias [1]"), "{message}");
    assert_same(&read_weights(&config(), &path, CheckpointPart::Ema).unwrap(), &weights);
}

#[test]
fn weights_are_found_in_every_wrapper() {
    let (files, weights) = (Files::new(), parameters(1));
    let wrappers = [
        "",
        "module.",
        "state_dict.",
        "model_state_dict.module._orig_mod.",
        "unet_state_dict.",
        "model.denoise_fn.",
        "weights.",
        "weights.state_dict.",
    ];
    for wrapper in wrappers {
        let path = files.write(named(wrapper, &weights));
        assert_same(&read_weights(&config(), path, CheckpointPart::Model).unwrap(), &weights);
    }
    // Beside `weights.` everything is ignored, also what else would be weights.
    let mut both = named("weights.", &weights);
    both.extend(named("", &parameters(2)));
    both.insert("input".into(), Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap());
    assert_same(
        &read_weights(&config(), files.write(both), CheckpointPart::Ema).unwrap(),
        &weights,
    );
}

#[test]
fn the_average_is_preferred_unless_the_model_is_asked_for() {
    let (files, model, ema) = (Files::new(), parameters(1), parameters(2));
    let mut both = named("model.denoise_fn.", &model);
    both.extend(named("ema.denoise_fn.", &ema));
    let betas = Tensor::new(&[0.1_f32, 0.2], &Device::Cpu).unwrap();
    both.insert("ema.betas".into(), betas.clone());
    both.insert("model.betas".into(), betas);
    let path = files.write(both);
    let read = read_weights(&config(), &path, CheckpointPart::default()).unwrap();
    assert_same(&read, &ema);
    assert_eq!(numbers(&read.schedule_buffers["betas"]), [0.1, 0.2]);
    assert!(read.notes[0].contains("`ema` was taken"), "{:?}", read.notes);
    assert_same(&read_weights(&config(), &path, CheckpointPart::Model).unwrap(), &model);
    let only = files.write(named("ema.", &ema));
    let read = read_weights(&config(), only, CheckpointPart::Model).unwrap();
    assert_same(&read, &ema);
    assert!(read.notes[0].contains("averaged weights only"));
}

#[test]
fn all_differences_are_one_error() {
    let (files, mut weights) = (Files::new(), parameters(1));
    weights.remove("out.2.bias");
    weights.remove("time_embed.0.weight");
    weights.insert("out.3.bias".into(), Tensor::zeros(7, DType::F32, &Device::Cpu).unwrap());
    weights.insert("out.0.bias".into(), Tensor::zeros((2, 16), DType::F32, &Device::Cpu).unwrap());
    weights.insert("out.0.weight".into(), Tensor::zeros(32, DType::I64, &Device::Cpu).unwrap());
    let path = files.write(weights);
    let error = Unet::load(&config(), &path, DType::F32).unwrap_err();
    assert!(matches!(error, Error::Weights { .. }));
    let message = error.to_string();
    for part in [
        path.to_str().unwrap(),
        "2 missing: out.2.bias [1], time_embed.0.weight [128, 32]",
        "1 unexpected: out.3.bias [7]",
        "out.0.bias has [2, 16], expected [32]",
        "out.0.weight is i64",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let files = Files::new();
    for name in ["absent.pt", "absent.safetensors"] {
        let message = Unet::load(&config(), files.0.path().join(name), DType::F32).unwrap_err();
        assert!(message.to_string().contains(name), "{message}");
    }
}

#[test]
fn every_dtype_of_a_file_fits_every_dtype_of_a_network() {
    let (files, weights) = (Files::new(), parameters(1));
    let x = Tensor::ones((1, 3, 2, 2, 2), DType::F32, &Device::Cpu).unwrap();
    let t = Tensor::new(&[9_i64], &Device::Cpu).unwrap();
    let run = |path: &Path, dtype| {
        let loaded = Unet::load(&config(), path, dtype).unwrap();
        let y = loaded.unet.forward(&crate::UnetInput::new(&x, &t)).unwrap();
        assert_eq!(y.dtype(), dtype);
        numbers(&y)
    };
    let want = run(&files.write(weights.clone()), DType::F32);
    let norm = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
    for stored in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let cast = |(name, t): (&String, &Tensor)| (name.clone(), t.to_dtype(stored).unwrap());
        let path = files.write(weights.iter().map(cast).collect());
        for dtype in [DType::F32, DType::BF16] {
            let got = run(&path, dtype);
            let far: Vec<f32> = got.iter().zip(&want).map(|(g, w)| g - w).collect();
            let tolerance = if (stored, dtype) == (DType::F32, DType::F32) { 0.0 } else { 0.02 };
            assert!(norm(&far) <= tolerance * norm(&want), "{stored:?} {dtype:?}");
        }
    }
}

#[test]
fn the_published_checkpoints_of_med_ddpm_leave_no_name_over() {
    let presets = [
        ("med_ddpm_wholehead_128.txt", GuidedUnetConfig::whole_head_128()),
        ("med_ddpm_brats_192.txt", GuidedUnetConfig::brats_192x192x144()),
    ];
    for (list, preset) in presets {
        let config = UnetConfig::GuidedUnet(preset);
        let shapes: Shapes = parameter_shapes(&config).unwrap().into_iter().collect();
        let state = tensors(&key_list(list));
        let mut file = named("model.", &state);
        file.extend(named("ema.", &state));
        let file = NamedTensors { tensors: file, metadata: BTreeMap::new() };
        let checkpoint = Checkpoint::new(file, CheckpointPart::Ema);
        differences::check(Path::new(list), &checkpoint.tensors, &shapes).unwrap();
        assert_eq!(checkpoint.schedule_buffers.len(), 13);
        assert_eq!(checkpoint.tensors.len() + 13, state.len());
    }
}
