//! A study as it is written down.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mrisynth_conditioning::MaskEdit;
use mrisynth_metrics::privacy::NearCopyConfig;
use mrisynth_metrics::segmentation::SegmentationConfig;
use mrisynth_metrics::uncertainty::{BootstrapConfig, PermutationConfig};
use serde::{Deserialize, Serialize};

use super::split::SplitConfig;
use crate::error::{Error, Result};

pub(crate) const FORMAT: &str = "mrisynth-augmentation-study";
pub(crate) const VERSION: u32 = 1;

/// Fewer repetitions than this say nothing of the chance in a training.
const LEAST_SEEDS: usize = 3;

/// A study in a TOML file: does it help to train a segmentation network on synthetic scans?
///
/// Paths are relative to the file's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyConfig {
    /// Always `mrisynth-augmentation-study`.
    pub format: String,
    /// 1.
    pub version: u32,
    /// What it is called.
    pub name: String,
    /// A manifest, or a folder of scans with masks.
    pub cohort: PathBuf,
    /// Who is learnt from, and who is tested.
    pub split: SplitConfig,
    /// Whose scans the numbers are of: `validation` while the recipe is sought, then `test`.
    #[serde(default)]
    pub measured_on: MeasuredOn,
    /// Where synthetic scans come from; needed unless no arm has any.
    #[serde(default)]
    pub generator: Option<GeneratorSource>,
    /// Sets of synthetic scans.
    #[serde(default)]
    pub syntheses: Vec<SynthesisConfig>,
    /// What networks are trained on; the first arm is the one that others are compared with.
    pub arms: Vec<ArmConfig>,
    /// The arm that shows what more real scans would have brought, if there is one: the others are
    /// measured by the share of the gap between the first arm and it that they close.
    #[serde(default)]
    pub ceiling: Option<String>,
    /// The segmentation experiment, the same for every arm: a TOML file.
    pub segmentation: PathBuf,
    /// What networks and patches are drawn from; each arm is trained once for each.
    pub seeds: Vec<u64>,
    /// How segmentations are measured.
    #[serde(default)]
    pub scores: SegmentationConfig,
    /// How closely synthetic scans are searched for copies of training scans.
    #[serde(default)]
    pub near_copies: NearCopyConfig,
    /// How intervals are made.
    #[serde(default)]
    pub bootstrap: BootstrapConfig,
    /// How arms are tested against each other.
    #[serde(default)]
    pub permutation: PermutationConfig,
}

/// Whose scans the numbers are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasuredOn {
    /// The subjects by whom the recipe is chosen.
    Validation,
    /// The subjects that nothing was chosen by.
    #[default]
    Test,
}

/// Where the generator comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GeneratorSource {
    /// It is trained, on the training subjects alone, by the experiment in this TOML file.
    Experiment(PathBuf),
    /// It is there: a run, a checkpoint or a file of weights. That it has seen training subjects only
    /// is then for its maker to say.
    Checkpoint(PathBuf),
}

/// A set of synthetic scans of the training subjects' masks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SynthesisConfig {
    /// What arms call it: lower-case letters, digits and hyphens.
    pub name: String,
    /// Scans of each mask.
    #[serde(default = "one")]
    pub replicas: u64,
    /// What is done to a mask; each entry is a list of edits done one after the other. Without entries
    /// masks stay as they are.
    #[serde(default)]
    pub edits: Vec<Vec<MaskEdit>>,
    /// How many masks each entry makes of each mask.
    #[serde(default = "one")]
    pub variants: u64,
    /// What random edits are drawn from.
    #[serde(default)]
    pub seed: u64,
}

fn one() -> u64 {
    1
}

/// What a network is trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmConfig {
    /// What it is called: lower-case letters, digits and hyphens.
    pub name: String,
    /// Which real scans.
    #[serde(default)]
    pub real: RealScans,
    /// How often each real scan is in the list that patches are drawn from evenly, so that a few real
    /// ones are not lost among many synthetic ones.
    #[serde(default = "once")]
    pub real_repeats: usize,
    /// Which synthetic scans, by the names of their sets.
    #[serde(default)]
    pub synthetic: Vec<String>,
}

fn once() -> usize {
    1
}

/// Which real scans an arm has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RealScans {
    /// None.
    #[default]
    None,
    /// Those of the training subjects.
    Training,
    /// Those of everybody who is neither tested nor measured: what a larger cohort would give.
    AllButHeldOut,
}

impl StudyConfig {
    /// Reads a study from a TOML file.
    ///
    /// # Errors
    /// [`Error::Io`], and those of [`from_toml`](Self::from_toml).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", e))?;
        Self::from_toml(&text, &path.display().to_string())
    }

    /// Reads a study from text; `origin` names it in errors.
    ///
    /// # Errors
    /// [`Error::Syntax`] for what is no TOML, has a field too many, or is of another format or a newer
    /// version; [`Error::Argument`] for arms and sets that do not fit each other, and fewer than three
    /// seeds.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self> {
        crate::experiment::check_format(text, origin, (FORMAT, VERSION))?;
        let config: Self = toml::from_str(text)
            .map_err(|e| Error::Syntax { origin: origin.to_owned(), problem: e.to_string() })?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what would be found out after hours.
    pub(super) fn check(&self) -> Result<()> {
        check_names("syntheses", self.syntheses.iter().map(|synthesis| synthesis.name.as_str()))?;
        check_names("arms", self.arms.iter().map(|arm| arm.name.as_str()))?;
        self.syntheses.iter().try_for_each(SynthesisConfig::check)?;
        self.arms.iter().try_for_each(|arm| arm.check(&self.syntheses))?;
        if self.arms.is_empty() {
            return Err(Error::argument("arms", "none", "at least one"));
        }
        let seeds: BTreeSet<u64> = self.seeds.iter().copied().collect();
        if seeds.len() != self.seeds.len() || seeds.len() < LEAST_SEEDS {
            let expected = format!("at least {LEAST_SEEDS}, each once");
            return Err(Error::argument("seeds", format!("{:?}", self.seeds), expected));
        }
        if !self.syntheses.is_empty() && self.generator.is_none() {
            return Err(Error::argument("generator", "absent", "one, as there are syntheses"));
        }
        let is_arm = |name: &String| self.arms.iter().skip(1).any(|arm| arm.name == *name);
        match &self.ceiling {
            Some(name) if !is_arm(name) => {
                Err(Error::argument("ceiling", name, "the name of an arm after the first"))
            }
            _ => Ok(()),
        }
    }
}

impl SynthesisConfig {
    fn check(&self) -> Result<()> {
        let Self { name, replicas, edits, variants, .. } = self;
        for (field, value) in [("replicas", *replicas), ("variants", *variants)] {
            if value == 0 {
                return Err(Error::argument(format!("{field} of {name}"), 0, "at least 1"));
            }
        }
        if edits.is_empty() && *variants > 1 {
            let expected = "1 where masks are not edited: replicas are of one mask";
            return Err(Error::argument(format!("variants of {name}"), variants, expected));
        }
        if edits.iter().any(Vec::is_empty) {
            let expected = "at least one edit in each entry";
            return Err(Error::argument(format!("edits of {name}"), "an empty list", expected));
        }
        Ok(())
    }
}

impl ArmConfig {
    fn check(&self, syntheses: &[SynthesisConfig]) -> Result<()> {
        let Self { name, real, real_repeats, synthetic } = self;
        if *real_repeats == 0 {
            return Err(Error::argument(format!("real_repeats of {name}"), 0, "at least 1"));
        }
        if *real == RealScans::None && synthetic.is_empty() {
            return Err(Error::argument(format!("arm {name}"), "without scans", "some scans"));
        }
        let is_known = |wanted: &&String| syntheses.iter().any(|known| known.name == **wanted);
        match synthetic.iter().find(|wanted| !is_known(wanted)) {
            Some(unknown) => {
                let expected = "the name of a synthesis";
                Err(Error::argument(format!("synthetic of {name}"), unknown, expected))
            }
            None => Ok(()),
        }
    }
}

/// Names become parts of the names of folders.
fn check_names<'a>(field: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let mut known = BTreeSet::new();
    for name in names {
        if name.is_empty() || !name.chars().all(is_plain) || !known.insert(name) {
            let expected = "names of lower-case letters, digits and hyphens, each once";
            return Err(Error::argument(field, format!("{name:?}"), expected));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
