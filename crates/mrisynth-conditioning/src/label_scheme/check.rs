//! What a label scheme must fulfil.

use std::collections::BTreeSet;

use mrisynth_volume::freesurfer;

use super::{ChannelConfig, IdSpace, LabelSchemeConfig};
use crate::error::{Error, Result};
use crate::id_range::IdRange;

const FORMAT: &str = "mrisynth-label-scheme";
const VERSION: u32 = 1;

fn refused<T>(field: impl Into<String>, found: impl Into<String>, expected: &str) -> Result<T> {
    let (field, found, expected) = (field.into(), found.into(), expected.into());
    Err(Error::Argument { field, found, expected })
}

/// The ranges of all ids in order, with their channel numbers, once everything is in order.
pub(super) fn places(config: &LabelSchemeConfig) -> Result<Vec<(IdRange, usize)>> {
    if config.format != FORMAT {
        return refused("format", format!("{:?}", config.format), "\"mrisynth-label-scheme\"");
    }
    if config.version != VERSION {
        return refused("version", config.version.to_string(), "1, the version this program knows");
    }
    if config.name.trim().is_empty() {
        return refused("name", "empty", "the name of the scheme");
    }
    if config.channels.is_empty() || config.channels.len() > 1000 {
        return refused("channels", config.channels.len().to_string(), "1 to 1000 channels");
    }
    let mut names = BTreeSet::new();
    for channel in &config.channels {
        check_channel(channel, config)?;
        if !names.insert(&channel.name) {
            return refused("channels.name", format!("{:?} twice", channel.name), "unique names");
        }
    }
    let places = ordered(config)?;
    check_partners(config, &places)?;
    Ok(places)
}

fn check_partners(config: &LabelSchemeConfig, places: &[(IdRange, usize)]) -> Result<()> {
    if config.ids == IdSpace::Freesurfer && !config.partners.is_empty() {
        let found = format!("{:?}", config.partners);
        return refused(
            "partners",
            found,
            "none, as FreeSurfer's table knows the sides of its ids",
        );
    }
    let mut seen = BTreeSet::new();
    for &id in config.partners.as_flattened() {
        if !seen.insert(id) {
            return refused("partners", format!("{id} twice"), "each id in one pair, once");
        }
        if !places.iter().any(|(range, _)| range.contains(id)) {
            return refused("partners", id.to_string(), "ids of a channel or of the background");
        }
    }
    Ok(())
}

fn check_channel(channel: &ChannelConfig, config: &LabelSchemeConfig) -> Result<()> {
    let field = |name: &str| format!("{name} of channel {:?}", channel.name);
    if channel.name.trim().is_empty() {
        return refused("channels.name", "empty", "the name of a structure");
    }
    if channel.ids.is_empty() {
        return refused(field("ids"), "empty", "at least one id");
    }
    if let Some([low, high]) = channel.plausible_ml
        && !(low >= 0.0 && low < high && high.is_finite())
    {
        let expected = "two volumes in millilitres, the lower one first";
        return refused(field("plausible_ml"), format!("[{low}, {high}]"), expected);
    }
    if let Some(target) = &channel.folds_into {
        if channel.required {
            return refused(field("folds_into"), format!("{target:?}"), "none, as it is required");
        }
        let is_fit = |other: &&ChannelConfig| other.name == *target && other.folds_into.is_none();
        if !config.channels.iter().any(|other| is_fit(&other)) {
            let expected = "the name of another channel, which folds into none";
            return refused(field("folds_into"), format!("{target:?}"), expected);
        }
    }
    if config.ids == IdSpace::Freesurfer {
        for range in &channel.ids {
            // The table has a few hundred ids, so that a wide range meets a gap soon.
            let strange = (range.first..=range.last).find(|&id| freesurfer::label(id).is_none());
            if let Some(id) = strange {
                return refused(field("ids"), id.to_string(), "ids of FreeSurfer's table");
            }
        }
    }
    Ok(())
}

fn ordered(config: &LabelSchemeConfig) -> Result<Vec<(IdRange, usize)>> {
    let background = config.background.iter().map(|&range| (range, 0));
    let numbered = (1..).zip(&config.channels);
    let channels = numbered.flat_map(|(n, channel)| channel.ids.iter().map(move |&ids| (ids, n)));
    let mut places: Vec<_> = background.chain(channels).collect();
    if let Some((range, _)) = places.iter().find(|(range, _)| range.first > range.last) {
        return refused("ids", range.to_string(), "the lower id first");
    }
    places.sort_unstable();
    for pair in places.windows(2) {
        let [(low, a), (high, b)] = pair else { continue };
        if low.last >= high.first {
            let name = |n: usize| match n {
                0 => "the background",
                n => config.channels[n - 1].name.as_str(),
            };
            let found = format!("{} in {} and in {}", high.first, name(*a), name(*b));
            return refused("ids", found, "each id in one place");
        }
    }
    if !places.iter().any(|(range, number)| *number == 0 && range.contains(0)) {
        return refused("background", "without id 0", "0 among the background");
    }
    Ok(places)
}
