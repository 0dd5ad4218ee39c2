//! What a network's volumes are: modalities, axes, grid, range and labels.

use std::collections::BTreeMap;
use std::path::Path;

use mrisynth_cohort::Preparation;
use mrisynth_conditioning::{LabelScheme, LabelSchemeConfig};
use mrisynth_volume::{
    Affine, Geometry, GridRequest, LabelResampling, Orientation, PercentileRescale, Resampling,
    Rescale,
};
use serde::{Deserialize, Serialize};

use crate::axis_order::AxisOrder;
use crate::error::{Error, Result};

/// The `data` section of an experiment: how a scan becomes a tensor, and a tensor a scan.
///
/// The default is one T1w at 64³ voxels of the scan's field of view, in RAS, its darkest voxel at −1
/// and its brightest at 1, without labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The channels of an image, as suffixes of BIDS, in the order of the network.
    pub images: Vec<String>,
    /// The network's grid on the field of view of a scan; its shape must be given. An orientation
    /// that is absent means that of the file, whatever it is.
    pub grid: GridRequest,
    /// The order of that grid's axes in a tensor.
    pub axes: AxisOrder,
    /// How images come to the network's grid and back.
    pub resampling: Resampling,
    /// How masks come to the network's grid.
    pub labels: LabelResampling,
    /// How intensities come to the network's range, on its grid.
    pub intensity: Rescale,
    /// Where a modality wants another range.
    pub intensity_of: BTreeMap<String, Rescale>,
    /// What the ends of the network's range become in a file that is written. Z-scores, which have no
    /// ends, are written as they are.
    pub file_range: [f64; 2],
    /// Which labels make which channels of the condition; absent for a network without masks.
    pub label_scheme: Option<SchemeSource>,
    /// The grid of files of volumes that follow no mask; by default the network's own shape in its
    /// orientation (RAS if it has none) and spacing (1 mm if it has none) around the origin.
    pub file_grid: Option<Geometry>,
}

/// Where a label scheme comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SchemeSource {
    /// The name of a built-in scheme, or a TOML file; relative to the experiment's file.
    Named(String),
    /// The scheme itself.
    Inline(LabelSchemeConfig),
}

impl SchemeSource {
    /// The same with a scheme from a file, which is relative to `folder`, written out.
    pub(crate) fn inlined(self, folder: &Path) -> Result<Self> {
        match self {
            Self::Named(name) if Path::new(&name).extension().is_some_and(|e| e == "toml") => {
                let scheme = LabelScheme::open(&folder.join(name).to_string_lossy())?;
                Ok(Self::Inline(scheme.config().clone()))
            }
            other => Ok(other),
        }
    }

    /// The scheme.
    pub(crate) fn scheme(&self) -> Result<LabelScheme> {
        Ok(match self {
            Self::Named(name) => LabelScheme::open(name)?,
            Self::Inline(config) => LabelScheme::new(config)?,
        })
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        let whole = PercentileRescale { upper: 100.0, to: [-1.0, 1.0], ..Default::default() };
        Self {
            images: vec!["T1w".into()],
            grid: GridRequest {
                orientation: Some(Orientation::RAS),
                shape: Some([64; 3]),
                ..GridRequest::default()
            },
            axes: AxisOrder::default(),
            resampling: Resampling::default(),
            labels: LabelResampling::default(),
            intensity: Rescale::Percentiles(whole),
            intensity_of: BTreeMap::new(),
            file_range: [0.0, 1.0],
            label_scheme: None,
            file_grid: None,
        }
    }
}

impl DataConfig {
    /// Voxels along the axes of the network's grid, before their order is changed.
    ///
    /// # Errors
    /// [`Error::Argument`] when it is not given.
    pub fn shape(&self) -> Result<[usize; 3]> {
        let expected = "a number of voxels along each axis";
        self.grid.shape.ok_or_else(|| Error::argument("data.grid.shape", "absent", expected))
    }

    /// The shape of the network's tensors, without batch and channels.
    ///
    /// # Errors
    /// As [`shape`](Self::shape).
    pub fn tensor_shape(&self) -> Result<[usize; 3]> {
        Ok(self.axes.tensor_shape(self.shape()?))
    }

    /// The range that a modality has in the network; none for z-scores.
    #[must_use]
    pub fn network_range(&self, suffix: &str) -> Option<[f64; 2]> {
        match self.intensity_of.get(suffix).unwrap_or(&self.intensity) {
            Rescale::Percentiles(config) => Some(config.to),
            Rescale::SliceMinMax(config) => Some(config.to),
            Rescale::ZScore(_) => None,
        }
    }

    /// The label scheme, if there is one.
    ///
    /// # Errors
    /// [`Error::Conditioning`] when there is no such scheme, or it contradicts itself.
    pub fn scheme(&self) -> Result<Option<LabelScheme>> {
        self.label_scheme.as_ref().map(SchemeSource::scheme).transpose()
    }

    /// Takes masks with the labels of another scheme, as those of an atlas, for the channels that the
    /// network has learnt. A structure that the labels do not tell apart has ids there that do not occur,
    /// and is not `required`.
    ///
    /// # Errors
    /// [`Error::Argument`] unless the scheme has the same channels in the same order with the same coding;
    /// [`Error::Conditioning`] for a network whose own scheme contradicts itself.
    pub fn take_masks_in(&mut self, scheme: &LabelScheme) -> Result<()> {
        let Some(own) = self.scheme()? else {
            let expected = "none, as the network takes no masks";
            return Err(Error::argument("the label scheme", scheme.name(), expected));
        };
        let names = |scheme: &LabelScheme| {
            let channels = scheme.channels_config().iter();
            channels.map(|channel| channel.name.clone()).collect::<Vec<_>>().join(", ")
        };
        let field = format!("the channels of {}", scheme.name());
        if names(scheme) != names(&own) {
            return Err(Error::argument(field, names(scheme), names(&own)));
        }
        let (found, expected) = (scheme.config().coding, own.config().coding);
        if found != expected {
            let field = format!("the coding of {}", scheme.name());
            return Err(Error::argument(field, format!("{found:?}"), format!("{expected:?}")));
        }
        self.label_scheme = Some(SchemeSource::Inline(scheme.config().clone()));
        Ok(())
    }

    /// The same with a scheme from a file, which is relative to `folder`, written out, so that the
    /// section says all by itself.
    pub(crate) fn with_inline_scheme(mut self, folder: &Path) -> Result<Self> {
        self.label_scheme = self.label_scheme.map(|scheme| scheme.inlined(folder)).transpose()?;
        Ok(self)
    }

    /// What a loader does to a cohort for this network.
    #[must_use]
    pub fn preparation(&self) -> Preparation {
        Preparation {
            images: self.images.clone(),
            mask: self.label_scheme.is_some(),
            grid: self.grid,
            resampling: self.resampling,
            labels: self.labels,
            intensity: self.intensity.clone(),
            intensity_of: self.intensity_of.clone(),
            ..Preparation::default()
        }
    }

    /// The grid of a file that follows no mask.
    ///
    /// # Errors
    /// [`Error::Argument`] or [`Error::Volume`] where the grid asked for is none.
    pub fn file_grid(&self) -> Result<Geometry> {
        if let Some(grid) = self.file_grid {
            return Ok(grid);
        }
        let spacing_mm = self.grid.spacing_mm.unwrap_or([1.0; 3]);
        let ras =
            Affine::from_spacing_mm([1.0; 3], [0.0; 3]).map_err(mrisynth_volume::Error::from)?;
        let turned = Geometry::new([1; 3], ras)?
            .reoriented(self.grid.orientation.unwrap_or(Orientation::RAS))
            .with_spacing_and_shape(spacing_mm, self.shape()?)?;
        let at_origin = turned.voxel_to_world();
        let columns = [0, 1, 2].map(|axis| at_origin.column(axis));
        let centre = turned.centre_mm();
        let origin = turned.origin_mm();
        let origin = [0, 1, 2].map(|axis| origin[axis] - centre[axis]);
        let map = Affine::from_columns(columns, origin).map_err(mrisynth_volume::Error::from)?;
        Ok(Geometry::new(turned.shape(), map)?)
    }

    /// Refuses values that no network can be trained behind.
    pub(crate) fn check(&self) -> Result<()> {
        self.shape()?;
        let [low, high] = self.file_range;
        if !(low < high && low.is_finite() && high.is_finite()) {
            let found = format!("{:?}", self.file_range);
            return Err(Error::argument(
                "data.file_range",
                found,
                "two numbers, the smaller first",
            ));
        }
        if self.images.is_empty() {
            return Err(Error::argument("data.images", "empty", "at least one suffix"));
        }
        self.scheme().map(|_| ())
    }
}
