//! A configuration that is known to describe a network, level by level.

use crate::error::{Error, Result};

use super::config::DiffusionUnetConfig;

/// The most channels of anything: products of two of them, and of a kernel, fit memory's numbers.
const MAX_CHANNELS: usize = 1 << 20;
/// More halvings than any volume allows.
const MAX_LEVELS: usize = 24;

/// A level of the network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    pub(super) channels: usize,
    /// On the way down.
    pub(super) residual_blocks: usize,
    /// Channels of a head where the level has attention.
    pub(super) attention: Option<usize>,
}

/// The levels, the finest first, and what all blocks share.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) levels: Vec<Level>,
    /// The channels of a head in the middle.
    pub(super) middle_head_channels: usize,
    pub(super) config: DiffusionUnetConfig,
}

impl Plan {
    pub(super) fn new(config: &DiffusionUnetConfig) -> Result<Self> {
        check_scalars(config)?;
        check_conditioning(config)?;
        let count = config.channels.len();
        check_length("attention_levels", config.attention_levels.len(), count)?;
        let residual_blocks = config.num_res_blocks.for_levels(count);
        check_length("num_res_blocks", residual_blocks.len(), count)?;
        let head_channels = config.num_head_channels.for_levels(count);
        check_length("num_head_channels", head_channels.len(), count)?;

        let mut levels = Vec::with_capacity(count);
        for (i, &channels) in config.channels.iter().enumerate() {
            let attention = config.attention_levels[i].then_some(head_channels[i]);
            if let Some(width) = attention {
                check_heads(config, i, width)?;
            }
            if residual_blocks[i] == 0 {
                return refused("num_res_blocks", &config.num_res_blocks, "at least 1 everywhere");
            }
            levels.push(Level { channels, residual_blocks: residual_blocks[i], attention });
        }
        check_heads(config, count - 1, head_channels[count - 1])?;
        Ok(Self { levels, middle_head_channels: head_channels[count - 1], config: config.clone() })
    }

    /// The length of the vector that time and class become.
    pub(super) fn embedding_channels(&self) -> usize {
        4 * self.config.channels[0]
    }
}

fn check_scalars(config: &DiffusionUnetConfig) -> Result<()> {
    if config.spatial_dims != 3 {
        return refused("spatial_dims", &config.spatial_dims, "3");
    }
    let expected = format!("1 to {MAX_CHANNELS}");
    let wrong = |n: usize| n == 0 || n > MAX_CHANNELS;
    for (field, value) in [
        ("in_channels", config.in_channels),
        ("out_channels", config.out_channels),
        ("norm_num_groups", config.norm_num_groups),
        ("transformer_num_layers", config.transformer_num_layers),
        ("cross_attention_dim", config.cross_attention_dim.unwrap_or(1)),
        ("num_class_embeds", config.num_class_embeds.unwrap_or(1)),
    ] {
        if wrong(value) {
            return refused(field, &value, &expected);
        }
    }
    if config.channels.is_empty() || config.channels.len() > MAX_LEVELS {
        return refused("channels", &config.channels, &format!("1 to {MAX_LEVELS} levels"));
    }
    let groups = config.norm_num_groups;
    if config.channels.iter().any(|&c| wrong(c) || !c.is_multiple_of(groups)) {
        let expected = format!("multiples of norm_num_groups, {groups}, from 1 to {MAX_CHANNELS}");
        return refused("channels", &config.channels, &expected);
    }
    if !(config.norm_eps.is_finite() && config.norm_eps >= 0.0) {
        return refused("norm_eps", &config.norm_eps, "finite and not negative");
    }
    if !(0.0..=1.0).contains(&config.dropout_cattn) {
        return refused("dropout_cattn", &config.dropout_cattn, "a probability");
    }
    Ok(())
}

fn check_conditioning(config: &DiffusionUnetConfig) -> Result<()> {
    match (config.with_conditioning, config.cross_attention_dim) {
        (true, None) => refused(
            "cross_attention_dim",
            &"absent",
            "the channels of the context, since with_conditioning is true",
        ),
        (false, Some(found)) => {
            refused("cross_attention_dim", &found, "absent, since with_conditioning is false")
        }
        _ => Ok(()),
    }
}

fn check_length(field: &'static str, found: usize, levels: usize) -> Result<()> {
    if found == levels {
        return Ok(());
    }
    refused(
        field,
        &format!("a list of {found}"),
        &format!("one for each of the {levels} levels of channels"),
    )
}

/// MONAI's transformers round the number of heads down; its plain attention must divide.
fn check_heads(config: &DiffusionUnetConfig, level: usize, width: usize) -> Result<()> {
    let channels = config.channels[level];
    let fits = (1..=channels).contains(&width)
        && (config.with_conditioning || channels.is_multiple_of(width));
    if fits {
        return Ok(());
    }
    let what = if config.with_conditioning { "at most" } else { "a divisor of" };
    let last = if level + 1 == config.channels.len() { " and of the middle block" } else { "" };
    let expected = format!("{what} {channels}, the channels of level {level}{last}");
    refused("num_head_channels", &width, &expected)
}

fn refused<T>(field: &'static str, found: &dyn std::fmt::Debug, expected: &str) -> Result<T> {
    let (found, expected) = (format!("{found:?}").replace('"', ""), expected.to_owned());
    Err(Error::Config { field, found, expected })
}
