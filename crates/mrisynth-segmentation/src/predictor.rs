//! A trained network on scans as they come.

use candle_core::{Device, Tensor};
use mrisynth_volume::{Connectivity, LabelMap, Volume};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::network::Segmenter;
use crate::scan_preparation::ScanPreparation;
use crate::sliding_window::SlidingWindow;

/// What becomes of a prediction's scattered parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CleanUp {
    /// They stay.
    #[default]
    None,
    /// Of every label its largest component stays (neighbours share a face, an edge or a corner).
    LargestComponents,
}

/// Segments scans of any grid into label maps on that grid.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// The network.
    pub network: Segmenter,
    /// How a scan is brought to it, and its answer back.
    pub preparation: ScanPreparation,
    /// How it sees a scan that is larger than its patches.
    pub window: SlidingWindow,
    /// What becomes of scattered parts.
    pub clean_up: CleanUp,
    /// Where the network is.
    pub device: Device,
}

impl Predictor {
    /// The labels of a scan of one or more channels, on the grid of the first.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for channels that do not fit the network;
    /// [`Error::Volume`](crate::Error::Volume) for a scan that cannot be resampled or scaled.
    pub fn segment(&self, channels: &[Volume]) -> Result<LabelMap> {
        let image = self.preparation.image(channels)?;
        let network = |patch: &Tensor| self.network.forward(&patch.to_device(&self.device)?);
        let logits = self.window.run(&image, network)?;
        let labels = self.preparation.labels_on(channels[0].geometry(), &logits)?;
        match self.clean_up {
            CleanUp::None => Ok(labels),
            CleanUp::LargestComponents => Ok(labels.largest_components(Connectivity::Corners)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use keyed_random::Key;
    use mrisynth_volume::{Affine, Geometry};

    use super::*;
    use crate::network::SegmenterConfig;
    use crate::scan_preparation::{ClassLabels, ScanPreparationConfig};
    use crate::seg_res_net::SegResNetConfig;
    use crate::sliding_window::SlidingWindowConfig;

    #[test]
    fn a_prediction_lies_on_the_scan() {
        let affine = Affine::from_spacing_mm([-1.0, 2.0, 1.5], [9.0, 0.0, 0.0]).unwrap();
        let geometry = Geometry::new([13, 9, 10], affine).unwrap();
        let scan = Volume::from_fn(geometry, |[x, y, z]| (x * y + z) as f32);
        let config =
            SegResNetConfig { blocks_down: vec![1, 1], blocks_up: vec![1], ..Default::default() };
        let config = SegmenterConfig::SegResNet(config);
        let store = candle_nn3d::ParameterStore::new(Key::new(1));
        let classes = vec![ClassLabels { name: "any".into(), labels: vec![17] }];
        let preparation = ScanPreparationConfig { classes, ..Default::default() };
        let window = SlidingWindowConfig { window: [8; 3], ..Default::default() };
        let predictor = Predictor {
            network: Segmenter::new(&config, store.builder(DType::F32)).unwrap(),
            preparation: ScanPreparation::new(&preparation).unwrap(),
            window: SlidingWindow::new(&window).unwrap(),
            clean_up: CleanUp::LargestComponents,
            device: Device::Cpu,
        };
        let labels = predictor.segment(std::slice::from_ref(&scan)).unwrap();
        assert_eq!(labels.geometry(), scan.geometry());
        assert!(labels.voxels().iter().all(|label| [0, 17].contains(label)));
        assert!(predictor.segment(&[scan.clone(), scan]).is_err());
    }
}
