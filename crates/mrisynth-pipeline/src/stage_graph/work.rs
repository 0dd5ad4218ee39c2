//! Where a stage works, and who listens.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mrisynth_training::{Event, Stop};
use serde_json::Value;

use super::{StageEvent, write_json};
use crate::error::Result;
use crate::sampling_job::{JobEvent, SamplingJob};

/// Where a stage works, and who listens.
pub(crate) struct Work<'a> {
    pub(super) root: &'a Path,
    pub(super) stage: &'a str,
    /// The wish to stop.
    pub(crate) stop: &'a Stop,
    pub(super) observer: &'a mut dyn FnMut(&StageEvent<'_>),
}

impl Work<'_> {
    /// The folder of the stage.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.join(self.stage)
    }

    /// The folder of another stage, which this one depends on.
    pub(crate) fn folder_of(&self, stage: &str) -> PathBuf {
        self.root.join(stage)
    }

    /// Writes a JSON document into the folder of the stage, whole or not at all.
    pub(crate) fn write_json(&self, name: &str, value: &Value) -> Result<()> {
        write_json(&self.folder().join(name), value)
    }

    /// Tells how many parts are done.
    pub(crate) fn progress(&mut self, done: usize, of: usize) {
        (self.observer)(&StageEvent::Progress { stage: self.stage, done, of });
    }

    /// The observer of a training in the stage.
    pub(crate) fn training(&mut self) -> impl FnMut(&Event<'_>) {
        let (stage, observer) = (self.stage, &mut *self.observer);
        move |event| observer(&StageEvent::Training { stage, event })
    }

    /// The observer of stages within the stage.
    pub(crate) fn within(&mut self) -> impl FnMut(&StageEvent<'_>) {
        let (stage, observer) = (self.stage, &mut *self.observer);
        move |event| observer(&StageEvent::Within { stage, event })
    }

    /// Runs a sampling job, and says whether it came to its end.
    pub(crate) fn sample(&mut self, job: &SamplingJob) -> Result<bool> {
        let (stage, stop, observer) = (self.stage, self.stop, &mut *self.observer);
        let (mut done, of) = (0, job.volumes());
        observer(&StageEvent::Progress { stage, done, of });
        let mut observer = |event: &JobEvent<'_>| {
            observer(&StageEvent::Sampling { stage, event });
            if matches!(event, JobEvent::Found { .. } | JobEvent::Written { .. }) {
                done += 1;
                observer(&StageEvent::Progress { stage, done, of });
            }
            if stop.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        Ok(job.run(&mut observer)?.left == 0)
    }
}
