//! The label numbers of FreeSurfer: which structure each is, on which side, of which tissue.
//!
//! Covers what FreeSurfer (`aseg`, `aparc+aseg`, `wmparc` with the Desikan–Killiany atlas, SAMSEG),
//! FastSurfer and SynthSeg write, and the label maps that SynthSeg was trained on.
//!
//! # Source
//! Names and colours are those of `FreeSurferColorLUT.txt` of FreeSurfer 7 and later. Where older
//! tables differ: 10 and 49 were `…-Thalamus-Proper`, 259 was `SkullApprox`, and 41, 165 and 262
//! had other colours. Tissues follow FreeSurfer's own `TissueTypeSchema`, divided more finely.
//!
//! SynthSeg's training maps use two ranges in a sense of their own, which is the one taken here,
//! with names that begin with the source:
//! - 501–530 are the head tissues of the SAMSEG atlas of CHARM, as SimNIBS numbers them.
//!   FreeSurfer lists them at 901–930, and at 500–508 parts of the hippocampus.
//! - 136, 137 (left) and 163, 164 (right) are the choroid plexus in the lateral ventricle and in
//!   its inferior horn. FreeSurfer lists older composite structures there.

mod table;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// A structure of the head and its number in label maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The voxel value.
    pub id: i32,
    /// The name, such as `Left-Hippocampus` or `ctx-lh-entorhinal`; no two labels share one.
    pub name: &'static str,
    /// Where it lies.
    pub side: Side,
    /// The label of the same structure on the other side; `None` without sides.
    pub partner: Option<i32>,
    /// What it is made of.
    pub tissue: Tissue,
    /// True for what lies outside the brain and its fluid: skull, skin, eyes, vessels and nerves of
    /// the head.
    pub extracerebral: bool,
    /// The colour to show it in: red, green, blue.
    pub colour: [u8; 3],
}

/// Where a structure lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// In the left half of the head.
    Left,
    /// In the right half.
    Right,
    /// One structure across the midplane.
    Midline,
    /// On both sides under one label.
    Unsided,
}

/// What a structure is made of, as far as MRI contrast tells tissues apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tissue {
    /// Nothing.
    Background,
    /// The cortex of the cerebrum.
    CorticalGrey,
    /// Grey matter below the cortex: basal ganglia, thalamus, hippocampus, amygdala, ventral
    /// diencephalon.
    DeepGrey,
    /// White matter of the cerebrum: lobes, corpus callosum, fornix, optic chiasm and nerves.
    WhiteMatter,
    /// Damaged white matter: hypointensities in T1w, hyperintensities in FLAIR.
    WhiteMatterLesion,
    /// Midbrain, pons and medulla, and the spinal cord below them: grey and white matter mixed.
    Brainstem,
    /// The cortex of the cerebellum.
    CerebellarGrey,
    /// White matter of the cerebellum.
    CerebellarWhite,
    /// Fluid inside the ventricles.
    Ventricle,
    /// Fluid around the brain.
    Csf,
    /// The tissue in the ventricles that makes the fluid; takes up contrast agent.
    ChoroidPlexus,
    /// Blood vessels, and the fluid-filled spaces around them.
    Vessel,
    /// Skin.
    Skin,
    /// Muscle.
    Muscle,
    /// Mucous membranes of nose and mouth.
    Mucosa,
    /// Fat, connective tissue and whatever else lies between skin and skull.
    SoftTissue,
    /// Compact bone, dark in every contrast; also the skull as a whole.
    CompactBone,
    /// Spongy bone with marrow, bright in T1w.
    SpongyBone,
    /// Eyeballs.
    Eye,
    /// Air in sinuses, nose and ears.
    Air,
}

static ALL: LazyLock<Vec<Label>> = LazyLock::new(|| {
    let pairs = table::PAIRS.iter().flatten();
    let parcels = table::PARCELS.iter().flatten();
    let mut all: Vec<Label> = pairs.chain(table::SINGLES).chain(parcels).copied().collect();
    all.sort_by_key(|label| label.id);
    all
});

/// All labels, in the order of their numbers.
#[must_use]
pub fn all() -> &'static [Label] {
    &ALL
}

/// The label with this number, or `None` when the table does not know it.
///
/// # Examples
/// ```
/// use mrisynth_volume::freesurfer::{self, Tissue};
/// let hippocampus = freesurfer::label(17).ok_or("not in the table")?;
/// assert_eq!(hippocampus.name, "Left-Hippocampus");
/// assert_eq!(hippocampus.partner, Some(53));
/// assert_eq!(hippocampus.tissue, Tissue::DeepGrey);
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn label(id: i32) -> Option<&'static Label> {
    ALL.binary_search_by_key(&id, |label| label.id).ok().map(|i| &ALL[i])
}

/// The number of the same structure on the other side, or `None` when there is none.
#[must_use]
pub fn partner(id: i32) -> Option<i32> {
    label(id)?.partner
}

/// The label with this name, in FreeSurfer's spelling.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Label> {
    ALL.iter().find(|label| label.name == name)
}

#[cfg(test)]
mod tests;
