//! Every golden as the example `unet` takes it, one file of weights and inputs: in MONAI's naming and
//! in that of GenerativeModels, and from the latter to the former.

use candle_core::{DType, Tensor};
use mrisynth_unet::{CheckpointPart, Unet, UnetInput, read_weights, save_weights};

use super::golden::{Golden, distance, folder};

/// Of the norm of an array.
const TOLERANCE: f64 = 1e-4;

fn run(golden: &Golden, unet: &Unet) -> Tensor {
    let residuals: Vec<Tensor> =
        (0..).map_while(|i| golden.tensors.get(&format!("down_residuals.{i}")).cloned()).collect();
    let input = UnetInput {
        context: golden.tensors.get("context"),
        class_labels: golden.tensors.get("class_labels"),
        down_block_additional_residuals: &residuals,
        mid_block_additional_residual: golden.tensors.get("mid_residual"),
        ..UnetInput::new(golden.tensor("input"), golden.tensor("timesteps"))
    };
    unet.forward(&input).unwrap()
}

#[test]
fn weights_of_either_naming_give_the_outputs_and_go_back_in_monais() {
    let scratch = tempfile::tempdir().unwrap();
    let mut paths: Vec<_> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    paths.sort();
    let mut old = 0;
    for path in paths {
        let golden = Golden::read(&path);
        let loaded = Unet::load(&golden.config, &path, DType::F32).unwrap();
        let far = distance(&run(&golden, &loaded.unet), golden.tensor("output"));
        assert!(far <= TOLERANCE, "{}: {far:e}", golden.name);
        let noted = loaded.notes.iter().any(|note| note.contains("GenerativeModels"));
        assert_eq!(noted, golden.name.starts_with("old-naming"), "{}", golden.name);
        old += usize::from(noted);

        let weights = read_weights(&golden.config, &path, CheckpointPart::Ema).unwrap();
        let export = scratch.path().join("export.safetensors");
        save_weights(&golden.config, &weights.tensors, &export).unwrap();
        let again = Unet::load(&golden.config, &export, DType::F32).unwrap();
        assert!(again.notes.is_empty(), "{:?}", again.notes);
        let far = distance(&run(&golden, &again.unet), &run(&golden, &loaded.unet));
        assert_eq!(far, 0.0, "{}", golden.name);
    }
    assert!(old >= 2);
}
