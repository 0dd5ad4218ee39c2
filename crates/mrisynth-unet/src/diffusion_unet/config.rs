//! What a `DiffusionModelUNet` is made of, under MONAI's names.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A number for all levels, or one for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PerLevel {
    /// The same for all.
    All(usize),
    /// One for each, the finest first.
    Each(Vec<usize>),
}

impl PerLevel {
    /// One for each of this many levels.
    #[must_use]
    pub fn for_levels(&self, levels: usize) -> Vec<usize> {
        match self {
            Self::All(one) => vec![*one; levels],
            Self::Each(each) => each.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for PerLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrList;

        impl<'de> Visitor<'de> for NumberOrList {
            type Value = PerLevel;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0, or a list of them")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<PerLevel, E> {
                let number = usize::try_from(number);
                number.map(PerLevel::All).map_err(|_| E::custom("a number beyond memory"))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<PerLevel, E> {
                let unexpected = de::Unexpected::Signed(number);
                let number = usize::try_from(number);
                number.map(PerLevel::All).map_err(|_| E::invalid_value(unexpected, &self))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PerLevel, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = list.next_element()? {
                    numbers.push(number);
                }
                Ok(PerLevel::Each(numbers))
            }
        }

        deserializer.deserialize_any(NumberOrList)
    }
}

/// What a [`DiffusionUnet`](super::DiffusionUnet) is made of: the arguments of MONAI's constructor,
/// with its defaults (and one channel in and out, and three dimensions, where MONAI has none).
///
/// # Source
/// MONAI 1.6.1, `DiffusionModelUNet`.
///
/// # Examples
/// ```
/// use mrisynth_unet::DiffusionUnetConfig;
/// let text = r#"{"channels": [32, 64], "attention_levels": [false, true], "num_res_blocks": 2}"#;
/// let config: DiffusionUnetConfig = serde_json::from_str(text)?;
/// assert_eq!(config.total_stride(), 2);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiffusionUnetConfig {
    /// Must be 3.
    pub spatial_dims: usize,
    /// Channels of the input, masks and other conditions included.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Residual blocks of a level on the way down; on the way up there is one more.
    pub num_res_blocks: PerLevel,
    /// Channels of each level, the finest first.
    pub channels: Vec<usize>,
    /// At which levels an attention block follows each residual block. The middle always has one.
    pub attention_levels: Vec<bool>,
    /// Groups of every group norm; a divisor of all channels.
    pub norm_num_groups: usize,
    /// What is added to the variance in every group norm.
    pub norm_eps: f64,
    /// Whether residual blocks change the resolution (by averaging and repeating), not convolutions.
    pub resblock_updown: bool,
    /// Channels of one head of attention. 0 is allowed where there is no attention; the last level's
    /// is the middle's too.
    pub num_head_channels: PerLevel,
    /// Whether attention is to a context, by transformer blocks.
    pub with_conditioning: bool,
    /// Transformer blocks of one attention block.
    pub transformer_num_layers: usize,
    /// Channels of the context; there if, and only if, `with_conditioning`.
    pub cross_attention_dim: Option<usize>,
    /// How many classes an item may have; none where the network is given no class.
    pub num_class_embeds: Option<usize>,
    /// Without effect here: scores of attention are f32 whatever the dtype.
    pub upcast_attention: bool,
    /// With what probability the transformer blocks drop in training.
    pub dropout_cattn: f64,
    /// Whether self-attention ends in a linear layer.
    pub include_fc: bool,
    /// Whether one linear layer makes queries, keys and values of self-attention.
    pub use_combined_linear: bool,
    /// Without effect here: attention never makes the matrix of scores.
    pub use_flash_attention: bool,
}

impl Default for DiffusionUnetConfig {
    fn default() -> Self {
        Self {
            spatial_dims: 3,
            in_channels: 1,
            out_channels: 1,
            num_res_blocks: PerLevel::Each(vec![2; 4]),
            channels: vec![32, 64, 64, 64],
            attention_levels: vec![false, false, true, true],
            norm_num_groups: 32,
            norm_eps: 1e-6,
            resblock_updown: false,
            num_head_channels: PerLevel::All(8),
            with_conditioning: false,
            transformer_num_layers: 1,
            cross_attention_dim: None,
            num_class_embeds: None,
            upcast_attention: false,
            dropout_cattn: 0.0,
            include_fc: true,
            use_combined_linear: false,
            use_flash_attention: false,
        }
    }
}

impl DiffusionUnetConfig {
    /// What the size of every volume must be a multiple of along each axis.
    #[must_use]
    pub fn total_stride(&self) -> usize {
        1_usize.checked_shl(self.channels.len().saturating_sub(1) as u32).unwrap_or(usize::MAX)
    }
}
