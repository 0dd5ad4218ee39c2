//! A network on a volume of any size: overlapping windows, blended.

use candle_core::{DType, Device, Tensor};
use candle_nn3d::without_gradients;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Weights are never smaller than this part of the largest, as in MONAI.
const LEAST_WEIGHT: f64 = 1e-3;

/// How windows are weighted where they overlap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Blending {
    /// All voxels of a window the same.
    Constant,
    /// A Gaussian around the middle of a window.
    Gaussian {
        /// Its standard deviation, in edges of the window.
        sigma: f64,
    },
}

/// Settings of [`SlidingWindow`].
///
/// # Source
/// The defaults are nnU-Net's: half overlap, Gaussian weights of an eighth of the window, every mirror.
/// Positions and weights are those of MONAI's `sliding_window_inference`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlidingWindowConfig {
    /// The size of a window, in voxels.
    pub window: [usize; 3],
    /// The part of a window that the next one repeats, from 0 to less than 1.
    pub overlap: f64,
    /// How windows are weighted where they overlap.
    pub blending: Blending,
    /// Axes along which the network is also asked for the mirrored window; answers are averaged.
    pub mirrored_axes: [bool; 3],
    /// What lies outside a volume that is smaller than a window.
    pub outside: f32,
}

impl Default for SlidingWindowConfig {
    fn default() -> Self {
        Self {
            window: [128; 3],
            overlap: 0.5,
            blending: Blending::Gaussian { sigma: 0.125 },
            mirrored_axes: [true; 3],
            outside: 0.0,
        }
    }
}

/// Sliding-window inference; made of valid settings.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mrisynth_segmentation::{SlidingWindow, SlidingWindowConfig};
/// let config = SlidingWindowConfig { window: [4, 4, 4], ..SlidingWindowConfig::default() };
/// let volume = Tensor::ones((1, 1, 9, 5, 3), DType::F32, &Device::Cpu)?;
/// let answer = SlidingWindow::new(&config)?.run(&volume, |window| Ok(window.clone()))?;
/// assert_eq!(answer.dims(), [1, 1, 9, 5, 3]);
/// # Ok::<(), mrisynth_segmentation::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SlidingWindow {
    config: SlidingWindowConfig,
    weights: Vec<f32>,
}

impl SlidingWindow {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Config`] for an empty window, an overlap outside [0, 1), a sigma that is not positive.
    pub fn new(config: &SlidingWindowConfig) -> Result<Self> {
        let SlidingWindowConfig { window, overlap, blending, .. } = config;
        if window.iter().any(|edge| !(1..=4096).contains(edge)) {
            return Err(Error::config("window", window, "from 1 to 4096 voxels per axis"));
        }
        if !(0.0..1.0).contains(overlap) {
            return Err(Error::config("overlap", overlap, "at least 0 and less than 1"));
        }
        if let Blending::Gaussian { sigma } = blending
            && !(sigma.is_finite() && *sigma > 0.0)
        {
            return Err(Error::config("sigma", sigma, "positive and finite"));
        }
        Ok(Self { config: config.clone(), weights: weights(*window, *blending) })
    }

    /// The blended answers of `network`, f32; nothing is remembered for gradients.
    ///
    /// # Shapes
    /// `volume` `[n, c, x, y, z]`. `network` takes `[1, c, window]` and gives `[1, k, window]`, in any
    /// dtype; the result is `[n, k, x, y, z]`.
    ///
    /// # Errors
    /// Those of `network`; [`Error::Argument`] for another shape.
    pub fn run(
        &self,
        volume: &Tensor,
        mut network: impl FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let &[n, c, x, y, z] = volume.dims() else {
            return Err(Error::argument("volume", volume.dims(), "[n, c, x, y, z]"));
        };
        if n * c * x * y * z == 0 {
            return Err(Error::argument("volume", volume.dims(), "no empty axis"));
        }
        let mut items = Vec::with_capacity(n);
        for item in 0..n {
            let all = volume.get(item)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            let (answer, classes) = self.one(&all, c, [x, y, z], &mut network)?;
            items.push(Tensor::from_vec(answer, (1, classes, x, y, z), &Device::Cpu)?);
        }
        Ok(Tensor::cat(&items, 0)?)
    }

    /// Where windows begin, relative to the volume; negative where it is smaller than a window.
    #[must_use]
    pub fn positions(&self, size: [usize; 3]) -> Vec<[isize; 3]> {
        let [a, b, c] = [0, 1, 2].map(|axis| self.starts(axis, size[axis]));
        let mut positions = Vec::with_capacity(a.len() * b.len() * c.len());
        for &x in &a {
            for &y in &b {
                positions.extend(c.iter().map(|&z| [x, y, z]));
            }
        }
        positions
    }

    #[expect(
        clippy::cast_possible_wrap,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "edges of volumes are far below the limits"
    )]
    fn starts(&self, axis: usize, size: usize) -> Vec<isize> {
        let window = self.config.window[axis];
        if size <= window {
            return vec![-(((window - size) / 2) as isize)];
        }
        let step = ((window as f64 * (1.0 - self.config.overlap)) as usize).max(1);
        let last = size - window;
        let mut starts: Vec<isize> = (0..last).step_by(step).map(|start| start as isize).collect();
        starts.push(last as isize);
        starts
    }

    fn one(
        &self,
        volume: &[f32],
        channels: usize,
        size: [usize; 3],
        network: &mut impl FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<(Vec<f32>, usize)> {
        let window = self.config.window;
        let per_window: usize = window.iter().product();
        let voxels: usize = size.iter().product();
        let mut total_weight = vec![0.0_f32; voxels];
        let (mut total, mut classes) = (Vec::new(), 0);
        for start in self.positions(size) {
            let mut patch = vec![self.config.outside; channels * per_window];
            for (patch, volume) in patch.chunks_mut(per_window).zip(volume.chunks(voxels)) {
                rows(size, window, start, |inside, outside, length| {
                    patch[outside..outside + length]
                        .copy_from_slice(&volume[inside..inside + length]);
                });
            }
            let answer = self.mirrored(patch, channels, network)?;
            if classes == 0 {
                classes = answer.len() / per_window;
                total = vec![0.0_f32; classes * voxels];
            } else if answer.len() != classes * per_window {
                let found = answer.len() / per_window;
                return Err(Error::argument(
                    "the network's answer",
                    found,
                    format!("{classes} channels"),
                ));
            }
            total.par_chunks_mut(voxels).zip(answer.par_chunks(per_window)).for_each(
                |(total, answer)| {
                    rows(size, window, start, |inside, outside, length| {
                        let total = &mut total[inside..inside + length];
                        let answers = answer[outside..].iter().zip(&self.weights[outside..]);
                        for (total, (answer, weight)) in total.iter_mut().zip(answers) {
                            *total += answer * weight;
                        }
                    });
                },
            );
            rows(size, window, start, |inside, outside, length| {
                let weights = &self.weights[outside..outside + length];
                let totals = total_weight[inside..inside + length].iter_mut();
                totals.zip(weights).for_each(|(total, weight)| *total += weight);
            });
        }
        total.par_chunks_mut(voxels).for_each(|total| {
            total.iter_mut().zip(&total_weight).for_each(|(total, weight)| *total /= weight);
        });
        Ok((total, classes))
    }

    /// The mean answer over the mirrors asked for, each mirrored back.
    fn mirrored(
        &self,
        patch: Vec<f32>,
        channels: usize,
        network: &mut impl FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<Vec<f32>> {
        let window = self.config.window;
        let [x, y, z] = window;
        let mut mirrors = vec![[false; 3]];
        for axis in (0..3).filter(|&axis| self.config.mirrored_axes[axis]) {
            for mut mirror in mirrors.clone() {
                mirror[axis] = true;
                mirrors.push(mirror);
            }
        }
        let mut sum: Vec<f32> = Vec::new();
        for mirror in &mirrors {
            let given = Tensor::from_vec(
                mirror_voxels(&patch, window, *mirror),
                (1, channels, x, y, z),
                &Device::Cpu,
            )?;
            let answer = without_gradients(|| network(&given))?;
            if !matches!(answer.dims(), [1, _, rest @ ..] if rest == [x, y, z]) {
                let expected = format!("[1, k, {x}, {y}, {z}]");
                return Err(Error::argument("the network's answer", answer.dims(), expected));
            }
            let answer = answer.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            let answer = mirror_voxels(&answer, window, *mirror);
            if sum.is_empty() {
                sum = answer;
            } else if sum.len() == answer.len() {
                sum.iter_mut().zip(answer).for_each(|(sum, x)| *sum += x);
            } else {
                return Err(Error::argument("the network's answer", answer.len(), "as before"));
            }
        }
        let mean = 1.0 / mirrors.len() as f32;
        sum.iter_mut().for_each(|sum| *sum *= mean);
        Ok(sum)
    }
}

/// Calls back for every row along z that volume and window share: where it begins in the volume and in
/// the window, and its length.
#[expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "what is cast is clamped to the volume or the window first"
)]
fn rows(
    size: [usize; 3],
    window: [usize; 3],
    start: [isize; 3],
    mut row: impl FnMut(usize, usize, usize),
) {
    let shared = |axis: usize| {
        let from = (-start[axis]).max(0);
        from..(size[axis] as isize - start[axis]).min(window[axis] as isize)
    };
    let along = shared(2);
    let length = (along.end - along.start).max(0) as usize;
    for i in shared(0) {
        for j in shared(1) {
            let (x, y, z) = (i + start[0], j + start[1], along.start + start[2]);
            let inside = (x as usize * size[1] + y as usize) * size[2] + z as usize;
            let outside = (i as usize * window[1] + j as usize) * window[2];
            row(inside, outside + along.start as usize, length);
        }
    }
}

/// Every channel mirrored along the axes named.
fn mirror_voxels(voxels: &[f32], [sx, sy, sz]: [usize; 3], axes: [bool; 3]) -> Vec<f32> {
    if axes == [false; 3] {
        return voxels.to_vec();
    }
    let at = |i: usize, size: usize, mirrored: bool| if mirrored { size - 1 - i } else { i };
    let mut mirrored = Vec::with_capacity(voxels.len());
    for channel in voxels.chunks_exact(sx * sy * sz) {
        for x in 0..sx {
            for y in 0..sy {
                let row = (at(x, sx, axes[0]) * sy + at(y, sy, axes[1])) * sz;
                let row = &channel[row..row + sz];
                if axes[2] {
                    mirrored.extend(row.iter().rev());
                } else {
                    mirrored.extend(row);
                }
            }
        }
    }
    mirrored
}

/// The weight of each voxel of a window.
#[expect(clippy::cast_possible_truncation, reason = "weights are computed in f64 and kept in f32")]
fn weights(window: [usize; 3], blending: Blending) -> Vec<f32> {
    let Blending::Gaussian { sigma } = blending else {
        return vec![1.0; window.iter().product()];
    };
    let bell = window.map(|edge| {
        let (middle, sigma) = ((edge as f64 - 1.0) / 2.0, edge as f64 * sigma);
        let at = |i: usize| (-((i as f64 - middle) / sigma).powi(2) / 2.0).exp();
        (0..edge).map(at).collect::<Vec<f64>>()
    });
    let mut weights = Vec::with_capacity(window.iter().product());
    for x in &bell[0] {
        for y in &bell[1] {
            weights.extend(bell[2].iter().map(|z| (x * y * z).max(LEAST_WEIGHT) as f32));
        }
    }
    weights
}

#[cfg(test)]
mod tests;
