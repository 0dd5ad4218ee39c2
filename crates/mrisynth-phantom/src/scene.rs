//! Anything that can be put into a scanner: what lies at each point of the world.

use mrisynth_volume::{Affine, Geometry, LabelMap};
use rayon::prelude::*;

use crate::anatomy::Anatomy;
use crate::error::Result;

/// What lies at a point: a label, the class of matter that shines, and how far it is to a border.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) label: i32,
    pub(crate) class: u8,
    pub(crate) margin_mm: f32,
}

/// What lies at each point of the world.
pub(crate) trait Scene: Sync {
    fn content(&self, world_mm: [f64; 3]) -> Content;
}

/// A head that lies somewhere in the scanner.
pub(crate) struct PlacedHead<'a> {
    pub(crate) anatomy: &'a Anatomy,
    pub(crate) world_to_head: Affine,
}

impl Scene for PlacedHead<'_> {
    fn content(&self, world_mm: [f64; 3]) -> Content {
        let found = self.anatomy.find_in(&self.world_to_head, world_mm);
        Content { label: found.label, class: found.substance as u8, margin_mm: found.margin_mm }
    }
}

/// How many samples there are in a voxel, two along each axis.
pub(crate) const SAMPLES: usize = 8;

/// A scene on a grid: the label of each voxel, and the classes of matter in its eighths, which make
/// the partial-volume effect.
#[derive(Clone, Debug)]
pub(crate) struct Sampled {
    pub(crate) labels: LabelMap,
    pub(crate) classes: Vec<[u8; SAMPLES]>,
}

/// Looks at the scene at the centre of each voxel and, near borders, in its eight octants. The label
/// of a voxel is that of most octants.
pub(crate) fn sample(scene: &impl Scene, geometry: &Geometry) -> Result<Sampled> {
    let [nx, ny, _] = geometry.shape();
    let to_world = geometry.voxel_to_world();
    let spacing_mm = geometry.spacing_mm();
    // Half the diagonal of a voxel, and something for distances that are estimates.
    let near = 0.62 * spacing_mm.iter().map(|s| s * s).sum::<f64>().sqrt() as f32;
    let n = geometry.n_voxels();
    let mut labels = vec![0_i32; n];
    let mut classes = vec![[0_u8; SAMPLES]; n];
    let rows = labels.par_chunks_mut(nx).zip(classes.par_chunks_mut(nx)).enumerate();
    rows.for_each(|(row, (labels, classes))| {
        let (y, z) = ((row % ny) as f64, (row / ny) as f64);
        for x in 0..nx {
            let index = [x as f64, y, z];
            let middle = scene.content(to_world.apply(index));
            (labels[x], classes[x]) = if middle.margin_mm > near {
                (middle.label, [middle.class; SAMPLES])
            } else {
                octants(scene, to_world, index, middle.label)
            };
        }
    });
    Ok(Sampled { labels: LabelMap::new(labels, *geometry)?, classes })
}

/// The label of most octants of a voxel, the middle's where several have as many, and the classes.
fn octants(
    scene: &impl Scene,
    to_world: &Affine,
    index: [f64; 3],
    middle: i32,
) -> (i32, [u8; SAMPLES]) {
    let mut found = [0_i32; SAMPLES];
    let mut classes = [0_u8; SAMPLES];
    for octant in 0..SAMPLES {
        let offset = [0, 1, 2].map(|axis| if octant >> axis & 1 == 1 { 0.25 } else { -0.25 });
        let at = [0, 1, 2].map(|axis| index[axis] + offset[axis]);
        let content = scene.content(to_world.apply(at));
        (found[octant], classes[octant]) = (content.label, content.class);
    }
    let votes = |label: i32| {
        let votes = found.iter().filter(|&&l| l == label).count();
        2 * votes + usize::from(label == middle)
    };
    let label = found
        .into_iter()
        .fold(found[0], |best, label| if votes(label) > votes(best) { label } else { best });
    (label, classes)
}
