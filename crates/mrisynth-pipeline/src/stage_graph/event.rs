//! What stages tell of themselves while they go on.

use mrisynth_training::Event;

use crate::sampling_job::JobEvent;

/// Something that the stages of a study or of a quick start tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum StageEvent<'a> {
    /// A stage was done before and is as it was left.
    Found {
        /// Its name.
        stage: &'a str,
    },
    /// A stage begins, or goes on.
    Begun {
        /// Its name.
        stage: &'a str,
        /// Stages before it.
        number: usize,
        /// Stages in all.
        of: usize,
    },
    /// A stage cannot be done.
    Skipped {
        /// Its name.
        stage: &'a str,
        /// Why not.
        reason: &'a str,
    },
    /// A stage has stages of its own, one of which tells something.
    Within {
        /// The outer stage.
        stage: &'a str,
        /// What it tells.
        event: &'a StageEvent<'a>,
    },
    /// A training in a stage tells something.
    Training {
        /// The stage.
        stage: &'a str,
        /// What it tells.
        event: &'a Event<'a>,
    },
    /// A sampling job in a stage tells something.
    Sampling {
        /// The stage.
        stage: &'a str,
        /// What it tells.
        event: &'a JobEvent<'a>,
    },
    /// So many parts of a stage, scans as a rule, are done.
    Progress {
        /// The stage.
        stage: &'a str,
        /// Parts done.
        done: usize,
        /// Parts in all.
        of: usize,
    },
    /// A stage is done.
    Done {
        /// Its name.
        stage: &'a str,
    },
}
