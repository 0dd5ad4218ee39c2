//! What the labels of masks mean, where nobody says so.

use std::collections::BTreeSet;

use mrisynth_conditioning::{ChannelConfig, Coding, IdSpace, LabelScheme, LabelSchemeConfig};

use crate::error::{Error, Result};

/// The built-in scheme that masks in FreeSurfer's numbers are tried with.
const ANATOMY: &str = "ad-structures";
/// More channels than this are a parcellation, which wants a scheme that merges.
const MOST_LABELS: usize = 40;

/// A scheme, and why it was chosen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SchemeChoice {
    pub(super) scheme: LabelSchemeConfig,
    pub(super) reason: String,
}

impl SchemeChoice {
    /// The scheme of this name or file; without one, the built-in one of anatomy if it knows every label
    /// and most of its structures are there, else a channel for each label. `masks` are the labels of each
    /// mask.
    ///
    /// # Errors
    /// [`Error::Argument`] for masks without labels, or with more than can be told apart.
    pub(super) fn new(wanted: Option<&str>, masks: &[BTreeSet<i32>]) -> Result<Self> {
        if let Some(name) = wanted {
            let scheme = LabelScheme::open(name)?.config().clone();
            return Ok(Self {
                reason: format!("Masks are read by the scheme {}.", scheme.name),
                scheme,
            });
        }
        let anatomy = LabelScheme::built_in(ANATOMY)?;
        if fits(&anatomy, masks) {
            let scheme = with_what_is_there(&anatomy, masks);
            let reason =
                format!("Masks hold FreeSurfer's labels and are read by the scheme {ANATOMY}.");
            return Ok(Self { scheme, reason });
        }
        let scheme = one_channel_each(masks)?;
        let n = scheme.channels.len();
        let reason = format!(
            "Masks hold {n} labels that no built-in anatomy has: each is a channel of its own. A scheme \
             can give them names."
        );
        Ok(Self { scheme, reason })
    }
}

/// Whether a scheme knows every label and most of its channels are somewhere.
fn fits(scheme: &LabelScheme, masks: &[BTreeSet<i32>]) -> bool {
    let labels: BTreeSet<i32> = masks.iter().flatten().copied().collect();
    let channels: Option<BTreeSet<usize>> =
        labels.into_iter().map(|id| scheme.channel_number(id)).collect();
    let found = channels.map_or(0, |numbers| numbers.iter().filter(|number| **number > 0).count());
    2 * found > scheme.n_channels()
}

/// The scheme, with what some mask lacks not required: a coarse grid may have lost it.
fn with_what_is_there(scheme: &LabelScheme, masks: &[BTreeSet<i32>]) -> LabelSchemeConfig {
    let mut config = scheme.config().clone();
    let holds = |channel: &ChannelConfig, mask: &BTreeSet<i32>| {
        channel.ids.iter().any(|ids| mask.range(ids.first..=ids.last).next().is_some())
    };
    for channel in &mut config.channels {
        channel.required &= masks.iter().all(|mask| holds(channel, mask));
    }
    config
}

/// A channel for every label but 0.
fn one_channel_each(masks: &[BTreeSet<i32>]) -> Result<LabelSchemeConfig> {
    let labels: BTreeSet<i32> = masks.iter().flatten().copied().filter(|id| *id != 0).collect();
    if labels.is_empty() {
        return Err(Error::argument("the masks' labels", "0 alone", "labels of structures"));
    }
    if labels.len() > MOST_LABELS {
        let expected = format!("at most {MOST_LABELS}, or a label scheme that merges them");
        return Err(Error::argument("the number of labels in masks", labels.len(), expected));
    }
    let channel = |(place, id): (usize, &i32)| ChannelConfig {
        name: format!("label {id}"),
        ids: vec![(*id).into()],
        required: masks.iter().all(|mask| mask.contains(id)),
        colour: colour(place),
        ..ChannelConfig::default()
    };
    Ok(LabelSchemeConfig {
        format: "mrisynth-label-scheme".into(),
        version: 1,
        name: "own-labels".into(),
        ids: IdSpace::Own,
        coding: Coding::Signed,
        partners: Vec::new(),
        background: vec![0.into()],
        channels: labels.iter().enumerate().map(channel).collect(),
    })
}

/// Hues a golden section apart, so that neighbours differ.
fn colour(place: usize) -> [u8; 3] {
    let hue = 6.0 * (place as f64 * 0.618_033_988_749_895).fract();
    [0.0, 4.0, 2.0].map(|shift: f64| {
        let ramp = ((hue + shift).rem_euclid(6.0) - 3.0).abs() - 1.0;
        (60.0 + 180.0 * ramp.clamp(0.0, 1.0)) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [i32; 14] = [0, 4, 5, 14, 17, 18, 3, 2, 10, 12, 16, 8, 24, 1006];

    fn choice(wanted: Option<&str>, masks: &[&[i32]]) -> Result<SchemeChoice> {
        let masks: Vec<BTreeSet<i32>> =
            masks.iter().map(|mask| mask.iter().copied().collect()).collect();
        SchemeChoice::new(wanted, &masks)
    }

    #[test]
    fn anatomy_in_freesurfers_numbers_is_known_and_what_is_lost_is_not_required() {
        let mut lost = WHOLE.to_vec();
        lost.retain(|id| ![18, 3].contains(id));
        let found = choice(None, &[&WHOLE, &lost]).unwrap().scheme;
        assert_eq!(found.name, "ad-structures");
        let optional = found.channels.iter().filter(|channel| !channel.required);
        let names: Vec<&str> = optional.map(|channel| channel.name.as_str()).collect();
        assert_eq!(names, ["amygdala", "entorhinal cortex", "cortex"]);
        LabelScheme::new(&found).unwrap();
    }

    #[test]
    fn labels_that_mean_nothing_known_become_a_channel_each() {
        // Numbers that FreeSurfer has, too, but hardly any of its structures.
        for labels in [&[0, 1, 2, 3, 4][..], &[0, 2, 3, 4], &[-7, 0, 5000]] {
            let found = choice(None, &[labels, &labels[..2]]).unwrap().scheme;
            let scheme = LabelScheme::new(&found).unwrap();
            assert_eq!(scheme.n_channels(), labels.len() - 1);
            assert_eq!((found.ids, found.channels[0].required), (IdSpace::Own, true));
            assert!(!found.channels.last().unwrap().required || labels.len() == 2);
        }
    }

    #[test]
    fn too_many_labels_and_none_are_refused_by_name() {
        let many: Vec<i32> = (0..60).collect();
        let told = |masks: &[&[i32]]| choice(None, masks).unwrap_err().to_string();
        assert!(told(&[&many]).contains("59, expected at most 40"));
        assert!(told(&[&[0]]).contains("0 alone"));
    }

    #[test]
    fn whoever_names_a_scheme_has_it_as_it_is() {
        let found = choice(Some("slab-tissues"), &[&[0, 1, 2]]).unwrap();
        assert_eq!(found.scheme, *LabelScheme::built_in("slab-tissues").unwrap().config());
        assert!(choice(Some("no-such"), &[&[0, 1]]).is_err());
    }

    #[test]
    fn colours_differ() {
        let colours: BTreeSet<_> = (0..MOST_LABELS).map(colour).collect();
        assert_eq!(colours.len(), MOST_LABELS);
    }
}
