//! Resampled intensities beside SciPy's and SimpleITK's, which agree with each other.

use std::collections::BTreeMap;

use mrisynth_volume::{Affine, Geometry, Interpolation, Regrid, Resampling, Volume};
use serde::Deserialize;

use crate::affine::Reorientation;
use crate::close::assert_close;
use crate::golden::{self, Bits, Grid};

/// Of the range of the intensities: a few roundings of `f32`. It holds for splines too.
const TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Golden {
    source: Source,
    pub(crate) targets: BTreeMap<String, Grid>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    shape: [usize; 3],
    affine: Affine,
    voxels: Bits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    target: String,
    interpolation: Name,
    antialias: bool,
    #[expect(dead_code, reason = "for the reader of the file")]
    peers: Vec<String>,
    voxels: Bits,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    Nearest,
    Linear,
    Cubic,
}

impl From<Name> for Interpolation {
    fn from(name: Name) -> Self {
        match name {
            Name::Nearest => Self::Nearest,
            Name::Linear => Self::Linear,
            Name::Cubic => Self::CubicBSpline,
        }
    }
}

impl Golden {
    pub(crate) fn source(&self) -> Grid {
        Grid { shape: self.source.shape, affine: self.source.affine }
    }
}

fn range(voxels: &[f32]) -> f64 {
    let (low, high) = voxels
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    f64::from(high) - f64::from(low)
}

#[test]
fn resampled_volumes_equal_those_of_scipy_and_simpleitk() {
    let golden: Golden = golden::read("resampling.json");
    let source = golden.source().volume(&golden.source.voxels);
    let range = range(source.voxels());
    assert!(golden.cases.len() >= 3 * golden.targets.len());
    for case in &golden.cases {
        let target = golden.targets[&case.target].geometry();
        let resampling = Resampling {
            interpolation: case.interpolation.into(),
            antialias: case.antialias,
            ..Resampling::default()
        };
        let regrid = Regrid::new(*source.geometry(), target).unwrap();
        let ours = regrid.apply(&source, &resampling).unwrap();
        assert_eq!(ours.geometry(), &target);
        let blurred = if case.antialias { ", antialiased" } else { "" };
        let what = format!("{}, {:?}{blurred}", case.target, case.interpolation);
        let difference = assert_close(&what, ours.voxels(), &case.voxels.f32s(), TOLERANCE * range);
        println!("{what}: {:.1e} of the range", difference.absolute.0 / range);
    }
}

#[test]
fn reoriented_voxels_equal_nibabels() {
    let golden: Reorientation = golden::read("reorientation.json");
    let stored = Geometry::new(golden.shape, golden.affine).unwrap();
    let indices: Volume =
        Volume::new((0..stored.n_voxels()).map(|i| i as f32).collect(), stored).unwrap();
    for case in &golden.cases {
        let target = stored.reoriented(case.orientation);
        let regrid = Regrid::new(stored, target).unwrap();
        for interpolation in
            [Interpolation::Nearest, Interpolation::Linear, Interpolation::CubicBSpline]
        {
            let resampling = Resampling { interpolation, ..Resampling::default() };
            let turned = regrid.apply(&indices, &resampling).unwrap();
            let want: Vec<f32> = case.voxels.iter().map(|&v| v as f32).collect();
            assert_eq!(turned.voxels(), want, "{} {interpolation:?}", case.orientation);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Splines {
    cases: Vec<Line>,
}

/// A line of samples, and the spline through them at other places.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    values: Bits,
    at: Bits,
    sampled: Bits,
}

#[test]
fn splines_along_short_and_long_lines_equal_scipys() {
    let golden: Splines = golden::read("spline.json");
    assert!(!golden.cases.is_empty());
    let resampling =
        Resampling { interpolation: Interpolation::CubicBSpline, ..Resampling::default() };
    for line in &golden.cases {
        let values = line.values.f32s();
        let at = line.at.f64s();
        let step = (at[at.len() - 1] - at[0]) / (at.len() - 1) as f64;
        for axis in 0..3 {
            let along = |n| std::array::from_fn(|a| if a == axis { n } else { 1 });
            let source = Geometry::new(along(values.len()), Affine::identity()).unwrap();
            let source = Volume::new(values.clone(), source).unwrap();
            let spacing = std::array::from_fn(|a| if a == axis { step } else { 1.0 });
            let start = std::array::from_fn(|a| if a == axis { at[0] } else { 0.0 });
            let target = Affine::from_spacing_mm(spacing, start).unwrap();
            let target = Geometry::new(along(at.len()), target).unwrap();
            let ours = Regrid::new(*source.geometry(), target).unwrap();
            let ours = ours.apply(&source, &resampling).unwrap();
            let want: Vec<f32> = line.sampled.f64s().iter().map(|&v| v as f32).collect();
            let what = format!("{} samples along axis {axis}", values.len());
            assert_close(what, ours.voxels(), &want, TOLERANCE * 100.0);
        }
    }
}
