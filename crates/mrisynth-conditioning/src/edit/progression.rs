//! Structures that shrink and grow by given percentages.
//!
//! # Source
//! Ours. The deformation is the exponential of a velocity field (Arsigny et al. 2006) whose
//! divergence is prescribed, after the simulation of atrophy by prescribed volume changes of Khanal,
//! Ayache and Pennec, "Simulating longitudinal brain MRIs with known volume changes and realistic
//! variations in image intensity", 2017. They solve an elastic model for one small step; we take the
//! field of least energy and find its strength so that the voxels counted afterwards come out as
//! requested.

use std::collections::BTreeSet;

use mrisynth_volume::{
    Deformation, Geometry, LabelMap, Volume, VoxelBox,
    freesurfer::{self, Tissue},
};
use rayon::prelude::*;

use super::structure_field::StructureField;
use super::volume_request::VolumeRequest;
use crate::error::{Error, Result};
use crate::label_scheme::{IdSpace, LabelScheme};

/// How much space around the structures takes part.
const MARGIN_MM: f64 = 30.0;
/// The voxels of the velocity field.
const FIELD_SPACING_MM: f64 = 2.0;
const MAX_ROUNDS: usize = 24;
/// The difference from the request, in points, at which the search ends, and the one accepted.
const AIM: f64 = 0.25;
const ACCEPTED: f64 = 2.0;

pub(super) fn progressed(
    scheme: &LabelScheme,
    labels: &LabelMap,
    numbers: &LabelMap,
    requests: &[VolumeRequest],
) -> Result<LabelMap> {
    let targets = targets(scheme, requests)?;
    let Some(region) = region(numbers, &targets) else {
        return Err(missing(scheme, numbers, &targets));
    };
    let (labels_in, numbers_in) = (cut(labels, region)?, cut(numbers, region)?);
    let search = Search::new(scheme, &labels_in, &numbers_in, targets)?;
    let mut out = labels.clone();
    paste(&search.best()?, &mut out, region);
    Ok(out)
}

/// A channel, and the ratio of volumes asked for.
struct Target<'a> {
    number: i32,
    request: &'a VolumeRequest,
}

fn targets<'a>(scheme: &LabelScheme, requests: &'a [VolumeRequest]) -> Result<Vec<Target<'a>>> {
    let refused = |field: &str, found: String, expected: &str| Error::Argument {
        field: field.into(),
        found,
        expected: expected.into(),
    };
    if scheme.config().ids != IdSpace::Freesurfer {
        let expected = "one of FreeSurfer's ids, whose tissues are known";
        return Err(refused("label scheme", scheme.name().into(), expected));
    }
    if requests.is_empty() {
        return Err(refused("requests", "empty".into(), "at least one change of volume"));
    }
    let mut seen = BTreeSet::new();
    let target = |request: &'a VolumeRequest| {
        let number = scheme.channel_by_name(&request.channel)? as i32;
        if !(-80.0..=300.0).contains(&request.percent) {
            let field = format!("percent of {}", request.channel);
            return Err(refused(&field, request.percent.to_string(), "-80 to 300"));
        }
        if !seen.insert(number) {
            return Err(refused("requests", format!("{} twice", request.channel), "each once"));
        }
        Ok(Target { number, request })
    };
    requests.iter().map(target).collect()
}

/// The box around the structures, within the map.
fn region(numbers: &LabelMap, targets: &[Target<'_>]) -> Option<VoxelBox> {
    let wanted: Vec<i32> = targets.iter().map(|target| target.number).collect();
    let all_there = wanted.iter().all(|&number| numbers.voxels().contains(&number));
    let mut region = numbers.bounding_box(&wanted).filter(|_| all_there)?;
    let (spacing_mm, whole) = (numbers.geometry().spacing_mm(), numbers.geometry().shape());
    for a in 0..3 {
        let margin = (MARGIN_MM / spacing_mm[a]).ceil() as i64;
        region.start[a] -= margin;
        region.shape[a] += 2 * margin as usize;
    }
    region.within(whole)
}

fn missing(scheme: &LabelScheme, numbers: &LabelMap, targets: &[Target<'_>]) -> Error {
    let absent = targets.iter().filter(|target| !numbers.voxels().contains(&target.number));
    let channels: Vec<&str> = absent.map(|target| target.request.channel.as_str()).collect();
    Error::Argument {
        field: "requests".into(),
        found: format!("{}, of which the mask has no voxel", channels.join(", ")),
        expected: format!("structures of {} that are there", scheme.name()),
    }
}

fn cut(map: &LabelMap, region: VoxelBox) -> Result<LabelMap> {
    let geometry = map.geometry().cropped(region)?;
    let start = region.start.map(|s| s as usize);
    let array = map.array();
    Ok(LabelMap::from_fn(geometry, |[x, y, z]| array[[x + start[0], y + start[1], z + start[2]]]))
}

fn paste(part: &LabelMap, whole: &mut LabelMap, region: VoxelBox) {
    let start = region.start.map(|s| s as usize);
    let mut array = whole.array_mut();
    for ((x, y, z), &label) in part.array().indexed_iter() {
        array[[x + start[0], y + start[1], z + start[2]]] = label;
    }
}

/// The search for the strengths of the fields, one per structure.
struct Search<'a> {
    scheme: &'a LabelScheme,
    labels: &'a LabelMap,
    grid: Geometry,
    targets: Vec<Target<'a>>,
    fields: Vec<StructureField>,
    before: Vec<u64>,
}

impl<'a> Search<'a> {
    fn new(
        scheme: &'a LabelScheme,
        labels: &'a LabelMap,
        numbers: &LabelMap,
        targets: Vec<Target<'a>>,
    ) -> Result<Self> {
        let grid = labels.geometry().with_spacing_mm([FIELD_SPACING_MM; 3])?;
        let is_target = |number: i32| targets.iter().any(|target| target.number == number);
        let both = labels.voxels().par_iter().zip(numbers.voxels());
        let yielding = both.map(|(&id, &number)| i32::from(yields(id) && !is_target(number)));
        let yielding = LabelMap::new(yielding.collect(), *labels.geometry())?;
        let mut fields = Vec::new();
        for target in &targets {
            let structure = numbers.map(|&number| i32::from(number == target.number));
            let field = StructureField::new(&structure, &yielding, &grid)?;
            fields.push(field.ok_or_else(|| {
                missed(target.request, 0.0, ": nothing around it can give way".into())
            })?);
        }
        let before = counted(scheme, labels, &targets);
        Ok(Self { scheme, labels, grid, targets, fields, before })
    }

    /// The labels whose volumes come nearest to what is asked for, if near enough.
    ///
    /// A field of divergence c changes a volume by the factor eᶜ, were it not that what grows leaves
    /// its field; so log volumes are nearly linear in the strengths, each in its own, and a secant
    /// per structure finds them.
    fn best(&self) -> Result<LabelMap> {
        let wanted: Vec<f64> = self.targets.iter().map(|t| t.request.ratio().ln()).collect();
        let mut strengths = wanted.clone();
        let mut slopes = vec![1.0_f64; wanted.len()];
        let mut last: Option<(Vec<f64>, Vec<f64>)> = None;
        let mut best: Option<(f64, LabelMap, Vec<f64>)> = None;
        let mut problem = String::new();
        for _ in 0..MAX_ROUNDS {
            let labels = match self.moved(&strengths) {
                Ok(labels) => labels,
                Err(error) => {
                    problem = format!(": {error}");
                    break;
                }
            };
            let reached = self.log_ratios(&labels);
            let error = self.worst(&reached).1;
            if best.as_ref().is_none_or(|(least, ..)| error < *least) {
                best = Some((error, labels, reached.clone()));
            }
            if error <= AIM || reached.iter().any(|r| !r.is_finite()) {
                break;
            }
            for i in 0..wanted.len() {
                if let Some((s, r)) = &last {
                    let (run, rise) = (strengths[i] - s[i], reached[i] - r[i]);
                    if run.abs() > 1e-4 {
                        slopes[i] = (rise / run).clamp(0.3, 1.5);
                    }
                }
            }
            last = Some((strengths.clone(), reached.clone()));
            for i in 0..wanted.len() {
                strengths[i] += (wanted[i] - reached[i]) / slopes[i];
            }
        }
        match best {
            Some((error, labels, _)) if error <= ACCEPTED => Ok(labels),
            Some((_, _, reached)) => {
                let (worst, _) = self.worst(&reached);
                let achieved = 100.0 * (reached[worst].exp() - 1.0);
                Err(missed(self.targets[worst].request, achieved, problem))
            }
            None => Err(missed(self.targets[0].request, 0.0, problem)),
        }
    }

    fn moved(&self, strengths: &[f64]) -> Result<LabelMap> {
        let sum = |index: usize| {
            let mut v = [0.0_f32; 3];
            for (field, &strength) in self.fields.iter().zip(strengths) {
                (0..3).for_each(|a| v[a] += strength as f32 * field.velocity_mm[index][a]);
            }
            v
        };
        let velocity = (0..self.grid.n_voxels()).into_par_iter().map(sum).collect();
        let deformation = Deformation::from_velocity(&Volume::new(velocity, self.grid)?)?;
        Ok(deformation.apply_to_labels(self.labels))
    }

    fn log_ratios(&self, labels: &LabelMap) -> Vec<f64> {
        let after = counted(self.scheme, labels, &self.targets);
        after.iter().zip(&self.before).map(|(&a, &b)| (a as f64 / b as f64).ln()).collect()
    }

    /// The structure furthest from its request, and by how many points.
    fn worst(&self, log_ratios: &[f64]) -> (usize, f64) {
        let points =
            |i: usize| 100.0 * (log_ratios[i].exp() - self.targets[i].request.ratio()).abs();
        let all = (0..log_ratios.len()).map(|i| (i, points(i)));
        all.fold((0, 0.0), |worst, next| if next.1 > worst.1 { next } else { worst })
    }
}

fn missed(request: &VolumeRequest, achieved_percent: f64, problem: String) -> Error {
    Error::VolumeMissed {
        channel: request.channel.clone(),
        requested_percent: request.percent,
        achieved_percent,
        problem,
    }
}

fn counted(scheme: &LabelScheme, labels: &LabelMap, targets: &[Target<'_>]) -> Vec<u64> {
    let counts = labels.counts();
    let of = |number: i32| {
        let own =
            counts.iter().filter(|(id, _)| scheme.channel_number(**id) == Some(number as usize));
        own.map(|(_, n)| n).sum()
    };
    targets.iter().map(|target| of(target.number)).collect()
}

/// Whether what has this label gives way to structures that grow, and fills up for those that
/// shrink: white matter, and fluid. Grey matter is only moved.
fn yields(id: i32) -> bool {
    let tissue = freesurfer::label(id).map(|label| label.tissue);
    matches!(
        tissue,
        Some(
            Tissue::WhiteMatter
                | Tissue::WhiteMatterLesion
                | Tissue::Csf
                | Tissue::Ventricle
                | Tissue::ChoroidPlexus
                | Tissue::Vessel
        )
    )
}
