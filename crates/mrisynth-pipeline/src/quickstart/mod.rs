//! The whole of it in one go: a cohort, a generator, scans, measurements, a study and a page.
//!
//! A [`Quickstart`] works in one folder, in stages that are done once; the same again goes on where it was
//! interrupted, and finds nothing to do when all is done:
//!
//! ```text
//! OUT/cohort/          digital brains, or where somebody's own scans lie; a card of them
//! OUT/plan/            who is learnt from, with which labels, on which grid
//! OUT/generator/       the generator, trained on the training subjects alone
//! OUT/held-out/        scans of masks that it has not seen, one of them on its way from noise
//! OUT/edited/          edited masks, and scans of them
//! OUT/evaluation/      image, distribution and privacy metrics with intervals
//! OUT/study/           real, synthetic and both, to train segmentation networks on
//! OUT/mask-following/  whether scans show what their masks say
//! OUT/report.html      all of it on a page
//! ```
//!
//! A stage for which there are too few subjects is skipped, and the page says why.

mod cohort_stage;
mod common_grid;
mod config;
mod context;
mod generator_stage;
mod measurement_stages;
mod model_grid;
mod plan;
mod plan_stage;
mod report_stage;
mod scan_stages;
mod scheme_choice;
mod study_stage;

use std::path::{Path, PathBuf};

use mrisynth_training::Stop;

pub use config::{Effort, QuickstartConfig};

use crate::error::Result;
use crate::stage_graph::{Stage, StageEvent, run_stages};
use context::{Context, Planned};

/// A quick start, ready to run.
///
/// # Examples
/// ```no_run
/// use mrisynth_pipeline::quickstart::{Quickstart, QuickstartConfig};
/// use mrisynth_training::Stop;
/// let quickstart = Quickstart::new(QuickstartConfig::default())?;
/// let page = quickstart.run("runs/quickstart".as_ref(), &Stop::new(), &mut |_| {})?;
/// assert!(page.is_some_and(|page| page.ends_with("report.html")));
/// # Ok::<(), mrisynth_pipeline::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Quickstart {
    config: QuickstartConfig,
}

impl Quickstart {
    /// Checks what is asked for.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for an effort outside its domain.
    pub fn new(config: QuickstartConfig) -> Result<Self> {
        config.effort.check()?;
        Ok(Self { config })
    }

    /// Does in `out` what is not done there yet, and gives the page; none when somebody asked to stop.
    ///
    /// # Errors
    /// Those of scans that cannot be used, which name them, and of the stages; what was done stays done.
    pub fn run(
        &self,
        out: &Path,
        stop: &Stop,
        observer: &mut dyn FnMut(&StageEvent<'_>),
    ) -> Result<Option<PathBuf>> {
        let context = Context::new(&self.config, out);
        let context = &context;
        let stages: Vec<Box<dyn Stage + '_>> = vec![
            Box::new(cohort_stage::CohortStage { context }),
            Box::new(plan_stage::PlanStage { context }),
            Box::new(Planned { context, stage: generator_stage::GeneratorStage }),
            Box::new(Planned { context, stage: scan_stages::HeldOutStage }),
            Box::new(Planned { context, stage: scan_stages::EditedStage }),
            Box::new(Planned { context, stage: measurement_stages::EvaluationStage }),
            Box::new(Planned { context, stage: study_stage::StudyStage }),
            Box::new(Planned { context, stage: measurement_stages::FollowingStage }),
            Box::new(Planned { context, stage: report_stage::ReportStage }),
        ];
        let done = run_stages(out, &stages, stop, observer)?;
        Ok(done.then(|| out.join(report_stage::PAGE)))
    }
}
