//! What a guided U-Net is made from.

use serde::{Deserialize, Serialize};

use super::comma_separated;
use crate::error::{Error, Result};

/// Group norm has this many groups everywhere in the network.
pub(super) const GROUPS: usize = 32;
/// Beyond these a configuration is a mistake, and sizes would overflow.
const MOST_CHANNELS: usize = 1 << 20;
const MOST_LEVELS: usize = 16;
const MOST_BLOCKS: usize = 256;

/// The configuration of a [`GuidedUnet`](super::GuidedUnet); the default is
/// [`whole_head_128`](Self::whole_head_128).
///
/// `channel_mult` and `attention_resolutions` are read from lists and from texts of numbers between
/// commas, as the reference's command line takes them.
///
/// # Examples
/// ```
/// use mrisynth_unet::GuidedUnetConfig;
/// let config: GuidedUnetConfig =
///     serde_json::from_str(r#"{"num_channels": 32, "channel_mult": "1,2"}"#).unwrap();
/// assert_eq!(config.channel_mult, [1.0, 2.0]);
/// assert_eq!(config.in_channels, 3);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuidedUnetConfig {
    /// The size that `attention_resolutions` and an absent `channel_mult` refer to; the volumes may
    /// have another.
    pub image_size: usize,
    /// The base number of channels.
    pub num_channels: usize,
    /// Residual blocks of a level on the way down; there is one more on the way up.
    pub num_res_blocks: usize,
    /// Channels of each level, as multiples of `num_channels`, rounded down. Where it is empty the
    /// reference's for `image_size` are taken, which has them for 64, 128, 192, 256 and 512.
    #[serde(deserialize_with = "comma_separated::deserialize")]
    pub channel_mult: Vec<f64>,
    /// Levels with attention: for each r, the one that is down-sampled by ⌊`image_size` / r⌋, if there is
    /// one. The middle block always has attention.
    #[serde(deserialize_with = "comma_separated::deserialize")]
    pub attention_resolutions: Vec<usize>,
    /// Channels of the input, those of a mask included.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
}

impl Default for GuidedUnetConfig {
    fn default() -> Self {
        Self::whole_head_128()
    }
}

/// A level of the network, from the finest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) channels: usize,
    pub(super) attention: bool,
}

impl GuidedUnetConfig {
    /// What the size of every volume must be a multiple of along each axis; 1 where no network can
    /// be made.
    #[must_use]
    pub fn total_stride(&self) -> usize {
        self.levels().map_or(1, |levels| 1 << (levels.len() - 1))
    }

    /// The levels, all values checked.
    pub(super) fn levels(&self) -> Result<Vec<Level>> {
        let counts = [
            ("image_size", self.image_size, MOST_CHANNELS),
            ("num_channels", self.num_channels, MOST_CHANNELS),
            ("num_res_blocks", self.num_res_blocks, MOST_BLOCKS),
            ("in_channels", self.in_channels, MOST_CHANNELS),
            ("out_channels", self.out_channels, MOST_CHANNELS),
        ];
        for (field, found, most) in counts {
            if found == 0 || found > most {
                return refused(field, found.to_string(), format!("1 to {most}"));
            }
        }
        if self.attention_resolutions.contains(&0) {
            let found = format!("{:?}", self.attention_resolutions);
            return refused("attention_resolutions", found, "numbers of at least 1".into());
        }
        let at: Vec<usize> =
            self.attention_resolutions.iter().map(|r| self.image_size / r).collect();
        let multipliers = self.multipliers()?;
        let level = |(index, multiplier): (usize, &f64)| {
            let channels = self.channels(*multiplier)?;
            Ok(Level { channels, attention: at.contains(&(1 << index)) })
        };
        multipliers.iter().enumerate().map(level).collect()
    }

    fn multipliers(&self) -> Result<Vec<f64>> {
        if !self.channel_mult.is_empty() {
            if self.channel_mult.len() > MOST_LEVELS {
                let found = format!("{} numbers", self.channel_mult.len());
                return refused("channel_mult", found, format!("at most {MOST_LEVELS}"));
            }
            return Ok(self.channel_mult.clone());
        }
        Ok(match self.image_size {
            512 => vec![0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0],
            256 => vec![1.0, 1.0, 2.0, 2.0, 4.0, 4.0],
            128 | 192 => vec![1.0, 1.0, 2.0, 3.0, 4.0],
            64 => vec![1.0, 2.0, 3.0, 4.0],
            other => {
                let expected = "64, 128, 192, 256 or 512 where channel_mult is empty".to_owned();
                return refused("image_size", other.to_string(), expected);
            }
        })
    }

    fn channels(&self, multiplier: f64) -> Result<usize> {
        let channels = (multiplier * self.num_channels as f64) as usize;
        if channels == 0 || channels > MOST_CHANNELS || !channels.is_multiple_of(GROUPS) {
            let found = format!("{:?} for {} channels", self.channel_mult, self.num_channels);
            let expected = format!("multiples of {GROUPS} channels, up to {MOST_CHANNELS}");
            return refused("channel_mult", found, expected);
        }
        Ok(channels)
    }
}

fn refused<T>(field: &'static str, found: String, expected: String) -> Result<T> {
    Err(Error::Config { field, found, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(config: &GuidedUnetConfig) -> Vec<bool> {
        config.levels().unwrap().iter().map(|level| level.attention).collect()
    }

    #[test]
    fn attention_is_where_the_image_size_divided_by_a_resolution_is_a_level() {
        let whole_head = GuidedUnetConfig::whole_head_128();
        assert_eq!(attention(&whole_head), [false, false, false, true, false]);
        // 192 / 16 = 12 is no power of two.
        assert_eq!(attention(&GuidedUnetConfig::brats_192x192x144()), [false; 5]);
        let rounded = GuidedUnetConfig {
            image_size: 64,
            channel_mult: Vec::new(),
            attention_resolutions: vec![20, 64],
            ..whole_head
        };
        assert_eq!(rounded.total_stride(), 8);
        // ⌊64 / 20⌋ = 3 is none either; 64 / 64 = 1 is the first.
        assert_eq!(attention(&rounded), [true, false, false, false]);
    }

    #[test]
    fn multipliers_are_read_from_texts_and_lists_and_may_be_fractions() {
        let read = |text: &str| serde_json::from_str::<GuidedUnetConfig>(text);
        let text =
            read(r#"{"channel_mult": "0.5, 1,2", "attention_resolutions": "32,16"}"#).unwrap();
        let list =
            read(r#"{"channel_mult": [0.5, 1, 2], "attention_resolutions": [32, 16]}"#).unwrap();
        assert_eq!(text, list);
        let channels: Vec<_> = text.levels().unwrap().iter().map(|level| level.channels).collect();
        assert_eq!(channels, [32, 64, 128]);
        let empty = read(r#"{"channel_mult": "", "image_size": 64}"#).unwrap();
        assert_eq!(empty.levels().unwrap().len(), 4);
        let written = serde_json::to_string(&text).unwrap();
        assert_eq!(read(&written).unwrap(), text);
        let message = read(r#"{"channel_mult": "1,two"}"#).unwrap_err().to_string();
        assert!(message.contains("two"), "{message}");
        let message = read(r#"{"num_heads": 4}"#).unwrap_err().to_string();
        assert!(message.contains("num_heads"), "{message}");
        assert!(read(r#"{"attention_resolutions": "-1"}"#).is_err());
    }

    #[test]
    fn every_refused_value_names_its_field() {
        let refuses = |field: &str, change: &dyn Fn(&mut GuidedUnetConfig)| {
            let mut config = GuidedUnetConfig::default();
            change(&mut config);
            let message = config.levels().unwrap_err().to_string();
            assert!(message.starts_with(field), "{message}");
        };
        refuses("image_size", &|c| c.image_size = 0);
        refuses("image_size", &|c| {
            (c.image_size, c.channel_mult) = (100, Vec::new());
        });
        refuses("num_channels", &|c| c.num_channels = 0);
        refuses("num_channels", &|c| c.num_channels = usize::MAX);
        refuses("num_res_blocks", &|c| c.num_res_blocks = 0);
        refuses("in_channels", &|c| c.in_channels = 0);
        refuses("out_channels", &|c| c.out_channels = usize::MAX);
        refuses("attention_resolutions", &|c| c.attention_resolutions = vec![16, 0]);
        refuses("channel_mult", &|c| c.channel_mult = vec![1.0; 17]);
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9, 0.75] {
            refuses("channel_mult", &|c| c.channel_mult = vec![1.0, wrong]);
        }
    }
}
