//! The names of MONAI's older GenerativeModels package, in which most public weights of 2023 and 2024
//! are.
//!
//! # Source
//! monai-generative 0.2 beside MONAI 1.4: attention lies under `attn` now, `to_out.0` and the
//! `conv` of an upsampler have other names, and `proj_attn` was in the file but never in the forward
//! pass (MONAI's own loader for these weights sets the identity in its place).

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::Shapes;
use crate::error::Result;

type Tensors = BTreeMap<String, Tensor>;

/// The tensors under MONAI's names, with a note where the file has the old ones.
///
/// # Errors
/// candle's.
pub(super) fn to_monai(tensors: Tensors, shapes: &Shapes) -> Result<(Tensors, Option<String>)> {
    let old = |name: &String| name.contains(".proj_attn.") || name.contains(".to_out.0.");
    if !tensors.keys().any(old) {
        return Ok((tensors, None));
    }
    let (mut renamed, mut identities, mut left_out) = (BTreeMap::new(), 0, 0);
    for (name, tensor) in tensors {
        let new = monai_name(&name);
        if !name.contains(".proj_attn.") {
            renamed.insert(new, tensor);
            continue;
        }
        let weight = usize::from(new.ends_with(".weight"));
        let identity = match shapes.get(&new).map(Vec::as_slice) {
            Some(&[c, same]) if c == same => Tensor::eye(c, tensor.dtype(), &Device::Cpu)?,
            Some(&[_]) => tensor.zeros_like()?,
            _ => {
                left_out += weight;
                continue;
            }
        };
        identities += weight;
        renamed.insert(new, identity);
    }
    let mut note = "the names are those of GenerativeModels".to_owned();
    if identities + left_out > 0 {
        let done = if left_out > 0 { "left out" } else { "taken as the identity" };
        let n = identities + left_out;
        note += &format!("; proj_attn of {n} attention blocks, never applied there, was {done}");
    }
    Ok((renamed, Some(note)))
}

/// The name that MONAI has for a parameter of this older one.
fn monai_name(name: &str) -> String {
    let name = name.replace(".to_out.0.", ".out_proj.");
    let name = name.replace(".upsampler.conv.conv.", ".upsampler.postconv.conv.");
    let name = name.replace(".proj_attn.", ".out_proj.");
    let mut parts: Vec<&str> = name.split('.').collect();
    let projection = |part: &&str| matches!(*part, "to_q" | "to_k" | "to_v" | "out_proj");
    if let Some(at) = parts.iter().position(projection) {
        // The blocks of a transformer have theirs under `attn1` and `attn2`.
        if at > 0 && !parts[at - 1].starts_with("attn") {
            parts.insert(at, "attn");
        }
    }
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::super::tests::{key_list, tensors};
    use super::*;

    fn shapes(tensors: &Tensors) -> Shapes {
        tensors.iter().map(|(name, tensor)| (name.clone(), tensor.dims().to_vec())).collect()
    }

    #[test]
    fn every_name_of_the_published_brain_ldm_has_its_place() {
        let old = tensors(&key_list("monai_unet_brainldm_old_generative.txt"));
        let new = key_list("monai_unet_brainldm_new.txt");
        let (renamed, note) = to_monai(old, &new).unwrap();
        assert_eq!(shapes(&renamed), new);
        assert!(note.unwrap().contains("GenerativeModels"));
        let again = to_monai(tensors(&new), &new).unwrap();
        assert_eq!(shapes(&again.0), new);
        assert_eq!(again.1, None);
    }

    /// What MONAI's loader of old weights undoes.
    fn old_name(name: &str) -> String {
        let name = name.replace(".postconv.conv", ".conv.conv");
        name.replace(".attn.out_proj", ".proj_attn").replace(".attn.to_", ".to_")
    }

    #[test]
    fn proj_attn_becomes_the_identity_or_nothing() {
        let with_layer = key_list("monai_unet_bari_128_128_256.txt");
        let is_layer = |name: &str| name.contains(".out_proj.");
        let without: Shapes = with_layer
            .iter()
            .filter(|(name, _)| !is_layer(name))
            .map(|(name, shape)| (name.clone(), shape.clone()))
            .collect();
        let old: Shapes =
            with_layer.iter().map(|(name, shape)| (old_name(name), shape.clone())).collect();
        assert!(old.contains_key("middle_block.attention.proj_attn.weight"));
        assert!(old.contains_key("up_blocks.0.upsampler.conv.conv.weight"));

        let (renamed, note) = to_monai(tensors(&old), &with_layer).unwrap();
        assert_eq!(shapes(&renamed), with_layer);
        assert!(note.unwrap().contains("identity"));
        let weight = &renamed["middle_block.attention.attn.out_proj.weight"];
        let trace = (weight * Tensor::eye(256, DType::F32, &Device::Cpu).unwrap()).unwrap();
        let sum = |t: &Tensor| t.sum_all().unwrap().to_scalar::<f32>().unwrap();
        assert_eq!((sum(weight), sum(&trace)), (256.0, 256.0));

        let (renamed, note) = to_monai(tensors(&old), &without).unwrap();
        assert_eq!(shapes(&renamed), without);
        assert!(note.unwrap().contains("left out"));
    }
}
