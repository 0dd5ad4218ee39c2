//! One volume on its way from noise.

use std::path::{Path, PathBuf};

use mrisynth_report::page::{Block, Figure};
use mrisynth_report::{MontageOptions, Plane, strip};
use mrisynth_volume::Volume;

use super::ResultPage;
use crate::error::{Error, Result};

/// So many states fit side by side.
const MOST: usize = 6;

impl ResultPage {
    pub(super) fn denoising(&self) -> Result<Vec<Block>> {
        let Some(folder) = self.trajectory.as_deref().filter(|folder| folder.is_dir()) else {
            return Ok(Vec::new());
        };
        let states = evenly(&states_in(folder, &self.modality)?);
        let volumes =
            states.iter().map(|(_, path)| Ok(Volume::read(path)?)).collect::<Result<Vec<_>>>()?;
        let titles: Vec<String> =
            states.iter().map(|(steps, _)| format!("after {steps}")).collect();
        let frames: Vec<_> = titles.iter().map(String::as_str).zip(&volumes).collect();
        let (Some((first, _)), Some((last, _))) = (states.first(), states.last()) else {
            return Ok(Vec::new());
        };
        let options = MontageOptions { focus_mm: None, ..self.montage.clone() };
        let figure = Figure {
            picture: strip(&frames, Plane::Axial, &options)?,
            alt: format!("An axial plane in {} states, from noise to a scan", states.len()),
            caption: format!(
                "The middle axial plane of one volume, after {first} to {last} steps of the sampler; each \
                 state has grey levels of its own."
            ),
        };
        Ok(vec![Block::Figure(figure)])
    }
}

/// The states of a modality with the steps they were kept after, the noisiest first.
fn states_in(folder: &Path, modality: &str) -> Result<Vec<(u64, PathBuf)>> {
    let fault = |source| Error::io(folder, "list", source);
    let mut states = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let steps = name
            .strip_prefix("step-")
            .and_then(|name| name.strip_suffix(&format!("_{modality}.nii.gz")))
            .and_then(|steps| steps.parse().ok());
        states.extend(steps.map(|steps| (steps, path)));
    }
    states.sort();
    Ok(states)
}

/// A few of them at equal distances, the first and the last among them.
fn evenly<T: Clone>(all: &[T]) -> Vec<T> {
    if all.len() <= MOST {
        return all.to_vec();
    }
    (0..MOST).map(|i| all[(i * (all.len() - 1) + (MOST - 1) / 2) / (MOST - 1)].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_states_are_among_those_chosen() {
        for n in 0..40 {
            let all: Vec<usize> = (0..n).collect();
            let chosen = evenly(&all);
            assert_eq!(chosen.len(), n.min(MOST));
            assert_eq!((chosen.first(), chosen.last()), (all.first(), all.last()));
            assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]), "{chosen:?}");
        }
    }
}
