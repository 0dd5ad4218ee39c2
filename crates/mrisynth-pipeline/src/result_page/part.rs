//! The parts of a page.

/// A part of a [`ResultPage`](super::ResultPage), in the order in which they stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What the page is about.
    About,
    /// Masks, synthetic scans and real ones.
    Scans,
    /// One scan on its way from noise.
    Denoising,
    /// The curves of the training.
    Training,
    /// Whether scans follow their masks.
    MaskFollowing,
    /// Image quality, diversity, distances of distributions.
    Metrics,
    /// Volumes of structures.
    StructureVolumes,
    /// Copies of training scans.
    Privacy,
    /// Whether synthetic scans help a segmentation network.
    Study,
    /// The cards of model and data.
    Cards,
    /// What all of it comes from.
    Provenance,
}

impl Part {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::About,
        Self::Scans,
        Self::Denoising,
        Self::Training,
        Self::MaskFollowing,
        Self::Metrics,
        Self::StructureVolumes,
        Self::Privacy,
        Self::Study,
        Self::Cards,
        Self::Provenance,
    ];

    /// The title of its section.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::About => "What this is",
            Self::Scans => "Scans",
            Self::Denoising => "From noise to scan",
            Self::Training => "Training",
            Self::MaskFollowing => "Do scans follow their masks?",
            Self::Metrics => "Metrics",
            Self::StructureVolumes => "Structure volumes",
            Self::Privacy => "Privacy",
            Self::Study => "Do synthetic scans help segmentation?",
            Self::Cards => "Cards",
            Self::Provenance => "Provenance",
        }
    }

    /// Why it is empty, where nobody gave a reason.
    pub(super) fn absence(self) -> &'static str {
        match self {
            Self::About => "nothing is known",
            Self::Scans => "there are no scans to show",
            Self::Denoising => "no states were kept while sampling",
            Self::Training => "there is no log of a training run",
            Self::MaskFollowing => "it was not measured",
            Self::Metrics => "there is no evaluation",
            Self::StructureVolumes => "no volumes were compared",
            Self::Privacy => "no search for copies was made",
            Self::Study => "there is no study that is done",
            Self::Cards => "there are no cards",
            Self::Provenance => "nothing is known",
        }
    }
}
