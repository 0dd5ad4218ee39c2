//! A picture of what a network makes of a mask, beside the scan that the mask belongs to.

use std::path::Path;

use candle_core::Device;
use mrisynth_cohort::Batch;
use mrisynth_diffusion::{BoxedError, Condition, Generator, Network, Previewer, SampleItem};
use mrisynth_report::{MontageOptions, Picture, montage};
use mrisynth_schedulers::Unobserved;
use mrisynth_volume::Volume;

use crate::batches::condition_of;
use crate::conversion::Conversion;
use crate::error::{Error, Result};

/// Draws one volume again and again as the network learns, from the same noise.
pub(crate) struct MontagePreview {
    pub(crate) generator: Generator,
    pub(crate) conversion: Conversion,
    /// Whose first sample is drawn.
    pub(crate) batch: Batch,
}

impl MontagePreview {
    fn draw(&self, network: &dyn Network, folder: &Path) -> Result<()> {
        let real = self.conversion.images(&self.batch)?.get(0)?;
        let Condition { channels, .. } = condition_of(&self.conversion, &self.batch)?;
        let channels = channels.map(|channels| channels.narrow(0, 0, 1)).transpose()?;
        let condition = Condition { channels, ..Condition::default() };
        let items = [SampleItem { condition, ..SampleItem::default() }];
        let mut state = self.generator.begin(&items, real.dims4()?.into())?;
        self.generator.run(network, &items, &mut state, &mut Unobserved)?;
        let grid = &self.batch.samples[0].geometry;
        let real = self.conversion.volumes_on_grid(&real, grid)?;
        let made = state.sample.get(0)?.to_device(&Device::Cpu)?;
        let made = self.conversion.volumes_on_grid(&made, grid)?;
        let suffixes = &self.conversion.config().images;
        for ((suffix, real), made) in suffixes.iter().zip(&real).zip(&made) {
            let pictures = [real, made].map(picture);
            let [real, made] = pictures;
            stacked(&[real?, made?])?.write(folder.join(format!("{suffix}.png")))?;
        }
        Ok(())
    }
}

fn picture(volume: &Volume) -> Result<Picture> {
    Ok(montage(volume, None, &MontageOptions::default())?)
}

/// Pictures one below the other.
pub(crate) fn stacked(pictures: &[Picture]) -> Result<Picture> {
    let width = pictures.iter().map(Picture::width).max().unwrap_or(1);
    let height = pictures.iter().map(Picture::height).sum::<usize>().max(1);
    let mut whole = Picture::black(width, height)?;
    let mut top = 0;
    for picture in pictures {
        whole.paste(picture, 0, top);
        top += picture.height();
    }
    Ok(whole)
}

impl Previewer for MontagePreview {
    fn preview(
        &mut self,
        network: &dyn Network,
        _step: u64,
        folder: &Path,
    ) -> std::result::Result<(), BoxedError> {
        self.draw(network, folder).map_err(Error::into)
    }
}
