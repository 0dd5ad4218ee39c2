//! Which timesteps of the training schedule a sampler visits.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, ensure};

/// How `n` of `T` timesteps are chosen; they are visited from the noisiest to the cleanest.
///
/// # Source
/// Lin et al. 2024 (Common Diffusion Noise Schedules and Sample Steps are Flawed) table 2. Halves
/// round to even, as NumPy's and PyTorch's do. Where n = 1, `Linspace` is T − 1, pure noise, and
/// not 0 as in diffusers: a run starts from noise.
///
/// # Examples
/// ```
/// use mrisynth_schedulers::Spacing;
/// assert_eq!(Spacing::Leading { offset: 0 }.timesteps(1000, 4)?, [750, 500, 250, 0]);
/// assert_eq!(Spacing::Linspace.timesteps(1000, 4)?, [999, 666, 333, 0]);
/// assert_eq!(Spacing::Trailing.timesteps(1000, 4)?, [999, 749, 499, 249]);
/// # Ok::<(), mrisynth_schedulers::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Spacing {
    /// `offset + i · ⌊T/n⌋`. Where n does not divide T the noisiest levels are never visited.
    Leading {
        /// What is added to every timestep.
        #[serde(default)]
        offset: usize,
    },
    /// `round(i · (T − 1)/(n − 1))`: the first and the last are visited.
    Linspace,
    /// `round(T − i · T/n) − 1`: the noisiest is visited, whatever n.
    #[default]
    Trailing,
    /// The timesteps themselves, descending.
    Explicit {
        /// As many as there are steps.
        timesteps: Vec<usize>,
    },
}

/// The level at which a run ends, after the cleanest timestep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Terminal {
    /// No noise at all (`set_alpha_to_one` elsewhere).
    #[default]
    Clean,
    /// The first level of the schedule.
    FirstLevel,
}

impl Spacing {
    /// The timesteps of a run of `steps` of `trained` steps, descending.
    ///
    /// # Errors
    /// [`Error::Steps`] for no steps or more than `trained`; [`Error::Setting`] for an offset that
    /// leads past the schedule, and for a list that has another length, does not descend or leaves
    /// the schedule.
    pub fn timesteps(&self, trained: usize, steps: usize) -> Result<Vec<usize>> {
        if steps == 0 || steps > trained {
            return Err(Error::Steps { found: steps, most: trained });
        }
        let rounded = |value: f64| value.round_ties_even() as usize;
        let (all, n) = (trained as f64, steps as f64);
        match self {
            Self::Leading { offset } => {
                let stride = trained / steps;
                let largest = trained - 1 - (steps - 1) * stride;
                ensure(
                    *offset <= largest,
                    "spacing.offset",
                    offset,
                    &format!("at most {largest}"),
                )?;
                Ok((0..steps).rev().map(|i| offset + i * stride).collect())
            }
            Self::Linspace if steps == 1 => Ok(vec![trained - 1]),
            Self::Linspace => {
                Ok((0..steps).rev().map(|i| rounded(i as f64 * (all - 1.0) / (n - 1.0))).collect())
            }
            Self::Trailing => {
                Ok((0..steps).map(|i| rounded(all - i as f64 * (all / n)) - 1).collect())
            }
            Self::Explicit { timesteps } => {
                let field = "spacing.timesteps";
                let count = format!("{steps} timesteps, one per step");
                ensure(timesteps.len() == steps, field, timesteps.len(), &count)?;
                let descend = timesteps.windows(2).all(|pair| pair[0] > pair[1]);
                ensure(descend, field, timesteps, "timesteps that descend")?;
                let range = format!("timesteps below {trained}");
                ensure(timesteps[0] < trained, field, timesteps[0], &range)?;
                Ok(timesteps.clone())
            }
        }
    }
}
