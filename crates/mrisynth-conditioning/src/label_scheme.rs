//! Which label ids make which channel of a condition.
//!
//! # Source
//! The built-in schemes are data, under `schemes/`. `ad-structures` holds the structures that the
//! masks of arXiv 2606.18354 are said to be made of; ids of SynthSeg's training maps (choroid plexus
//! 136, 137, 163, 164; lesions 25, 57) and FreeSurfer's 80 are our additions, argued in its file. The
//! coding and channel order of the `med-ddpm`
//! schemes are those of Med-DDPM's published networks (Dorjsembe et al., IEEE JBHI 2024).

mod built_in;
mod check;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use built_in::BUILT_IN;

use crate::error::{Error, Result};
use crate::id_range::IdRange;

/// A label scheme as it is written down; [`LabelScheme::new`] checks it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelSchemeConfig {
    /// Always `mrisynth-label-scheme`.
    pub format: String,
    /// 1.
    pub version: u32,
    /// What the scheme is called.
    pub name: String,
    /// What the ids mean.
    pub ids: IdSpace,
    /// The numbers of the channels.
    pub coding: Coding,
    /// Pairs of ids that become each other where left and right are exchanged; only for a scheme's own
    /// ids, since FreeSurfer's table knows its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partners: Vec<[i32; 2]>,
    /// Ids that belong to no channel.
    pub background: Vec<IdRange>,
    /// The channels, in the order in which the network sees them.
    pub channels: Vec<ChannelConfig>,
}

/// One channel of a scheme.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelConfig {
    /// The name, by which edits and errors refer to it.
    pub name: String,
    /// The ids whose voxels it holds. The first stands for the channel where channels are turned
    /// into a label map.
    pub ids: Vec<IdRange>,
    /// Whether a mask without it is refused; true by default.
    pub required: bool,
    /// For an optional channel: the channel that holds these voxels in masks that do not tell them
    /// apart, and takes the ids in [`LabelScheme::folded`].
    pub folds_into: Option<String>,
    /// What the channel is to edits.
    pub role: Role,
    /// Red, green and blue, to show it in.
    pub colour: [u8; 3],
    /// The least and the largest volume in millilitres that is taken for a whole human structure.
    pub plausible_ml: Option<[f64; 2]>,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            ids: Vec::new(),
            required: true,
            folds_into: None,
            role: Role::default(),
            colour: [128; 3],
            plausible_ml: None,
        }
    }
}

/// What the ids of a scheme mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdSpace {
    /// Those of FreeSurfer's table, with its names, sides and tissues.
    #[default]
    Freesurfer,
    /// The scheme's own; without sides but for its [`partners`](LabelSchemeConfig::partners).
    Own,
}

/// What a channel is to edits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Anatomy, which tumour edits leave alone.
    #[default]
    Anatomy,
    /// A part of a tumour.
    Tumour,
}

/// The numbers that stand for absence and presence in a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// 0 and 1.
    Unsigned,
    /// −1 and 1.
    #[default]
    Signed,
}

impl Coding {
    /// The number of a voxel outside the channel.
    #[must_use]
    pub fn absent(self) -> f32 {
        match self {
            Self::Unsigned => 0.0,
            Self::Signed => -1.0,
        }
    }

    /// The number of a voxel inside the channel.
    #[must_use]
    pub fn present(self) -> f32 {
        1.0
    }

    /// Half-way between; what is above belongs to the channel.
    #[must_use]
    pub fn midpoint(self) -> f32 {
        0.5 * (self.absent() + self.present())
    }
}

/// A checked label scheme: every id has one place, in a channel or in the background.
///
/// # Examples
/// ```
/// use mrisynth_conditioning::LabelScheme;
/// let scheme = LabelScheme::built_in("ad-structures")?;
/// assert_eq!(scheme.channels_config()[3].name, "hippocampus");
/// assert_eq!(scheme.channel_number(53), Some(4)); // counted from 1
/// assert_eq!(scheme.channel_number(511), Some(0)); // skin is background
/// assert_eq!(scheme.channel_number(6000), None);
/// # Ok::<(), mrisynth_conditioning::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LabelScheme {
    config: LabelSchemeConfig,
    /// Ranges in order, disjoint, with their channel number.
    places: Vec<(IdRange, usize)>,
}

impl LabelScheme {
    /// Checks a scheme.
    ///
    /// # Errors
    /// [`Error::Argument`] for another format or a newer version, an empty or repeated name, a
    /// channel without ids, an id in two places, an id that FreeSurfer's table does not list (in a
    /// scheme of its ids), an optional channel that folds into none that is required, a range of
    /// volumes that is empty, or partners of which one is unknown, in two pairs or its own.
    pub fn new(config: &LabelSchemeConfig) -> Result<Self> {
        Ok(Self { places: check::places(config)?, config: config.clone() })
    }

    /// A scheme of [`BUILT_IN`].
    ///
    /// # Errors
    /// [`Error::Argument`] for another name; it lists those there are.
    pub fn built_in(name: &str) -> Result<Self> {
        let text = built_in::text(name).ok_or_else(|| Error::Argument {
            field: "label scheme".into(),
            found: format!("{name:?}"),
            expected: format!("one of {}", BUILT_IN.join(", ")),
        })?;
        Self::from_toml(text, name)
    }

    /// Reads a scheme from TOML text; `origin` names it in errors.
    ///
    /// # Errors
    /// [`Error::Syntax`], and those of [`new`](Self::new).
    pub fn from_toml(text: &str, origin: &str) -> Result<Self> {
        let syntax =
            |e: toml::de::Error| Error::Syntax { origin: origin.into(), problem: e.to_string() };
        Self::new(&toml::from_str(text).map_err(syntax)?)
    }

    /// A built-in scheme by its name, or one from the TOML file at this path.
    ///
    /// # Errors
    /// [`Error::Read`], and those of [`from_toml`](Self::from_toml) and [`built_in`](Self::built_in).
    pub fn open(name_or_path: &str) -> Result<Self> {
        let path = Path::new(name_or_path);
        if built_in::text(name_or_path).is_some() || path.extension().is_none_or(|e| e != "toml") {
            return Self::built_in(name_or_path);
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::from_toml(&text, name_or_path)
    }

    /// The scheme as it is written down.
    #[must_use]
    pub fn config(&self) -> &LabelSchemeConfig {
        &self.config
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Its channels, in order.
    #[must_use]
    pub fn channels_config(&self) -> &[ChannelConfig] {
        &self.config.channels
    }

    /// The number of channels.
    #[must_use]
    pub fn n_channels(&self) -> usize {
        self.config.channels.len()
    }

    /// The channel of an id, counted from 1; 0 for background, `None` for an id the scheme does not
    /// know.
    #[must_use]
    pub fn channel_number(&self, id: i32) -> Option<usize> {
        let after = self.places.partition_point(|(range, _)| range.first <= id);
        let (range, number) = self.places.get(after.checked_sub(1)?)?;
        range.contains(id).then_some(*number)
    }

    /// The number of the channel with this name, counted from 1.
    ///
    /// # Errors
    /// [`Error::Argument`] when there is none; it lists those there are.
    pub fn channel_by_name(&self, name: &str) -> Result<usize> {
        let position = self.config.channels.iter().position(|channel| channel.name == name);
        position.map(|index| index + 1).ok_or_else(|| Error::Argument {
            field: "channel".into(),
            found: format!("{name:?}"),
            expected: format!(
                "a channel of {}: {}",
                self.name(),
                self.config.channels.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
            ),
        })
    }

    /// The id that stands for each channel in a label map: the first that it lists.
    #[must_use]
    pub fn representative_ids(&self) -> Vec<i32> {
        self.config.channels.iter().map(|c| c.ids.first().map_or(0, |ids| ids.first)).collect()
    }

    /// The id that this one becomes where left and right are exchanged; `None` for one without a side.
    #[must_use]
    pub fn partner(&self, id: i32) -> Option<i32> {
        match self.config.ids {
            IdSpace::Freesurfer => mrisynth_volume::freesurfer::partner(id),
            IdSpace::Own => self.config.partners.iter().find_map(|&[a, b]| match id {
                id if id == a => Some(b),
                id if id == b => Some(a),
                _ => None,
            }),
        }
    }

    /// What an id is called: FreeSurfer's name or the channel's, else `unknown`.
    #[must_use]
    pub fn id_name(&self, id: i32) -> String {
        let listed = mrisynth_volume::freesurfer::label(id)
            .filter(|_| self.config.ids == IdSpace::Freesurfer)
            .map(|label| label.name.to_owned());
        let of_channel = || match self.channel_number(id) {
            Some(0) => "background".to_owned(),
            Some(number) => self.config.channels[number - 1].name.clone(),
            None => "unknown".to_owned(),
        };
        listed.unwrap_or_else(of_channel)
    }

    /// The scheme without its optional channels that fold: their ids go to the channels they fold
    /// into. For cohorts of which only some masks tell these structures apart.
    ///
    /// # Errors
    /// None for a scheme that passed its checks.
    pub fn folded(&self) -> Result<Self> {
        let mut config = self.config.clone();
        let (folding, mut kept): (Vec<_>, Vec<_>) =
            config.channels.drain(..).partition(|channel| channel.folds_into.is_some());
        for channel in folding {
            let target =
                kept.iter_mut().find(|kept| Some(&kept.name) == channel.folds_into.as_ref());
            if let Some(target) = target {
                target.ids.extend(channel.ids);
            }
        }
        config.channels = kept;
        config.name = format!("{}-folded", self.name());
        Self::new(&config)
    }
}

#[cfg(test)]
mod tests;
