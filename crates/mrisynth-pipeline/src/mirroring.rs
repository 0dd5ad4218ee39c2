//! What becomes of labels when a training sample is mirrored.

use std::collections::BTreeMap;

use mrisynth_cohort::{AugmentationConfig, FlipLabels};
use mrisynth_conditioning::{IdSpace, LabelScheme};

/// The augmentation as a label scheme wants it: FreeSurfer's sides, which a flip supposes by default, say
/// nothing of a scheme's own ids. Those follow the scheme's own partners, or stay.
pub(crate) fn for_scheme(
    mut augmentation: AugmentationConfig,
    scheme: Option<&LabelScheme>,
) -> AugmentationConfig {
    let own = scheme.map(LabelScheme::config).filter(|config| config.ids == IdSpace::Own);
    let (Some(flip), Some(own)) = (&mut augmentation.flip, own) else { return augmentation };
    if flip.labels == FlipLabels::FreeSurfer {
        let both = own.partners.iter().flat_map(|&[a, b]| [(a, b), (b, a)]);
        let table: BTreeMap<i32, i32> = both.collect();
        flip.labels = if table.is_empty() { FlipLabels::Keep } else { FlipLabels::Table(table) };
    }
    augmentation
}

#[cfg(test)]
mod tests {
    use mrisynth_cohort::Flip;

    use super::*;

    fn labels(given: FlipLabels, scheme: &LabelScheme) -> FlipLabels {
        let flip = Some(Flip { labels: given, ..Flip::default() });
        let augmentation = AugmentationConfig { flip, ..AugmentationConfig::default() };
        for_scheme(augmentation, Some(scheme)).flip.unwrap().labels
    }

    #[test]
    fn freesurfers_sides_are_not_those_of_a_schemes_own_ids() {
        let by_default = Flip::default().labels;
        let listed = LabelScheme::built_in("ad-structures-lr").unwrap();
        assert_eq!(labels(by_default.clone(), &listed), FlipLabels::FreeSurfer);
        let own = LabelScheme::built_in("slab-tissues").unwrap();
        assert_eq!(labels(by_default.clone(), &own), FlipLabels::Keep);

        let mut config = own.config().clone();
        config.partners = vec![[1, 2]];
        let paired = LabelScheme::new(&config).unwrap();
        let table = FlipLabels::Table([(1, 2), (2, 1)].into());
        assert_eq!(labels(by_default, &paired), table);
        let said = FlipLabels::Table([(2, 3), (3, 2)].into());
        assert_eq!(labels(said.clone(), &paired), said, "what was asked for stays");
        assert_eq!(for_scheme(AugmentationConfig::default(), Some(&own)).flip, None);
    }
}
