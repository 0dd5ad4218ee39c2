//! Connected components of masks and label maps.
//!
//! # Source
//! Two passes with union-find over runs along x rather than over voxels, after He, Chao and Suzuki
//! (2008), "A run-based two-scan labeling algorithm". The structuring elements are those of
//! `scipy.ndimage.generate_binary_structure(3, 1 | 2 | 3)`.

use std::cmp::{Ordering, Reverse};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::geometry::VoxelBox;
use crate::volume::{LabelMap, Volume};

/// Which voxels are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connectivity {
    /// The 6 that share a face.
    Faces,
    /// The 18 that share a face or an edge.
    Edges,
    /// The 26 that share a face, an edge or a corner.
    Corners,
}

/// One connected set of voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// The label of its voxels in the map it was found in; 1 in a mask.
    pub label: i32,
    /// How many voxels it has.
    pub n_voxels: u64,
    /// The smallest box that holds it.
    pub bounds: VoxelBox,
}

/// All connected components of a mask or a label map.
///
/// They are numbered from 1 by their first voxel in memory (x fastest, then y, then z).
#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    /// The number of the component of each voxel, 0 in the background.
    pub numbers: LabelMap,
    /// The components; number `k` is at `k − 1`.
    pub components: Vec<Component>,
}

impl Components {
    /// The number of the largest component, the first of equal ones; `None` without any.
    #[must_use]
    pub fn largest(&self) -> Option<i32> {
        let numbered = (1..).zip(&self.components);
        numbered.max_by_key(|(k, c)| (c.n_voxels, Reverse(*k))).map(|(k, _)| k)
    }
}

impl Volume<bool> {
    /// The connected components of the mask.
    ///
    /// # Errors
    /// [`Error::Argument`] for a mask of 2³¹ voxels or more.
    pub fn connected_components(&self, connectivity: Connectivity) -> Result<Components> {
        connected_components(self, connectivity, i32::from)
    }

    /// The mask reduced to its largest component, the first of equal ones.
    ///
    /// # Errors
    /// As [`Volume::connected_components`].
    pub fn largest_component(&self, connectivity: Connectivity) -> Result<Self> {
        let found = self.connected_components(connectivity)?;
        let largest = found.largest();
        Ok(found.numbers.map_labels(|number| Some(number) == largest))
    }
}

impl LabelMap {
    /// The connected components of every label other than 0: neighbours belong together when they
    /// have the same label. For components of the foreground as a whole, ask
    /// [`foreground`](Self::foreground) for its own.
    ///
    /// # Errors
    /// [`Error::Argument`] for a map of 2³¹ voxels or more.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Connectivity, Geometry, LabelMap};
    /// let geometry = Geometry::new([6, 1, 1], Affine::identity())?;
    /// let labels = LabelMap::new(vec![2, 2, 3, 0, 2, 0], geometry)?;
    /// let found = labels.connected_components(Connectivity::Faces)?;
    /// assert_eq!(found.numbers.voxels(), [1, 1, 2, 0, 3, 0]);
    /// assert_eq!(found.components[0].n_voxels, 2);
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    pub fn connected_components(&self, connectivity: Connectivity) -> Result<Components> {
        connected_components(self, connectivity, |label| label)
    }

    /// Each label reduced to its largest component, the first of equal ones; the rest becomes 0.
    ///
    /// # Errors
    /// As [`LabelMap::connected_components`].
    pub fn largest_components(&self, connectivity: Connectivity) -> Result<Self> {
        let found = self.connected_components(connectivity)?;
        let mut largest = std::collections::BTreeMap::<i32, usize>::new();
        for (k, component) in found.components.iter().enumerate() {
            let best = largest.entry(component.label).or_insert(k);
            if component.n_voxels > found.components[*best].n_voxels {
                *best = k;
            }
        }
        let mut kept = vec![0; found.components.len() + 1];
        largest.into_iter().for_each(|(label, k)| kept[k + 1] = label);
        Ok(found.numbers.map_labels(|number| kept[number as usize]))
    }
}

/// Voxels of equal label that follow each other along x, and the run they are joined to so far.
struct Run {
    first: u32,
    last: u32,
    label: i32,
    parent: u32,
}

/// The runs of a grid in memory order; `row_starts[y + ny·z]` is the first run of that row.
struct Runs {
    runs: Vec<Run>,
    row_starts: Vec<usize>,
}

fn connected_components<T: Copy + PartialEq>(
    volume: &Volume<T>,
    connectivity: Connectivity,
    label: impl Fn(T) -> i32,
) -> Result<Components> {
    let n = volume.voxels().len();
    if i32::try_from(n).is_err() {
        return Err(Error::Argument {
            field: "shape",
            found: format!("{:?}, {n} voxels", volume.geometry().shape()),
            expected: "fewer than 2^31 voxels, so that components can be numbered".into(),
        });
    }
    let mut runs = Runs::of(volume, label);
    runs.join(volume.geometry().shape(), connectivity);
    Ok(runs.number(volume))
}

impl Runs {
    fn of<T: Copy + PartialEq>(volume: &Volume<T>, label: impl Fn(T) -> i32) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        let mut row_starts = vec![0];
        for row in volume.voxels().chunks_exact(volume.geometry().shape()[0]) {
            let mut x = 0;
            for equal in row.chunk_by(|a, b| a == b) {
                let label = label(equal[0]);
                let first = x;
                x += equal.len() as u32;
                if label != 0 {
                    let parent = runs.len() as u32;
                    runs.push(Run { first, last: x - 1, label, parent });
                }
            }
            row_starts.push(runs.len());
        }
        Self { runs, row_starts }
    }

    /// Joins every run with its neighbours in the rows before its own.
    fn join(&mut self, [_, ny, nz]: [usize; 3], connectivity: Connectivity) {
        for z in 0..nz {
            for y in 0..ny {
                let row = y + ny * z;
                // The rows before, by their offset: along y, along z, and diagonally.
                let below = z > 0;
                let rows = [
                    (y > 0, 1, false),
                    (below, ny, false),
                    (below && y > 0, ny + 1, true),
                    (below && y + 1 < ny, ny - 1, true),
                ];
                for (exists, back, diagonal) in rows {
                    let reach = match (connectivity, diagonal) {
                        (Connectivity::Faces, true) => continue,
                        (Connectivity::Faces, false) | (Connectivity::Edges, true) => 0,
                        (Connectivity::Edges, false) | (Connectivity::Corners, _) => 1,
                    };
                    if exists {
                        self.join_rows(row, row - back, reach);
                    }
                }
            }
        }
    }

    /// Joins runs of equal label in two rows whose extents, one widened by `reach`, overlap.
    fn join_rows(&mut self, row: usize, earlier: usize, reach: u32) {
        let (mut a, a_end) = (self.row_starts[row], self.row_starts[row + 1]);
        let (mut b, b_end) = (self.row_starts[earlier], self.row_starts[earlier + 1]);
        while a < a_end && b < b_end {
            self.join_if_touching(a, b, reach);
            // The run that ends first is out of reach of whatever follows the other one.
            match self.runs[a].last.cmp(&self.runs[b].last) {
                Ordering::Less => a += 1,
                Ordering::Greater => b += 1,
                // Both end here, and each may touch the other's successor at a corner.
                Ordering::Equal => {
                    if b + 1 < b_end {
                        self.join_if_touching(a, b + 1, reach);
                    }
                    if a + 1 < a_end {
                        self.join_if_touching(a + 1, b, reach);
                    }
                    (a, b) = (a + 1, b + 1);
                }
            }
        }
    }

    fn join_if_touching(&mut self, a: usize, b: usize, reach: u32) {
        let (run, other) = (&self.runs[a], &self.runs[b]);
        let touching = run.first <= other.last + reach && other.first <= run.last + reach;
        if touching && run.label == other.label {
            let (a, b) = (self.root(a), self.root(b));
            // The first run becomes the root, which makes numbers follow memory order.
            self.runs[a.max(b)].parent = a.min(b) as u32;
        }
    }

    fn root(&mut self, mut run: usize) -> usize {
        while self.runs[run].parent as usize != run {
            let parent = self.runs[run].parent as usize;
            self.runs[run].parent = self.runs[parent].parent;
            run = parent;
        }
        run
    }

    fn number<T>(mut self, volume: &Volume<T>) -> Components {
        let [nx, ny, _] = volume.geometry().shape();
        let mut voxels = vec![0; volume.voxels().len()];
        let mut found: Vec<Found> = Vec::new();
        // The number of each root run, known before any other run of its component is met.
        let mut numbers = vec![0_i32; self.runs.len()];
        for row in 0..self.row_starts.len() - 1 {
            for run in self.row_starts[row]..self.row_starts[row + 1] {
                let root = self.root(run);
                if root == run {
                    found.push(Found::new(self.runs[run].label));
                    numbers[run] = found.len() as i32;
                }
                let number = numbers[root];
                let (first, last) = (self.runs[run].first as usize, self.runs[run].last as usize);
                voxels[row * nx..][first..=last].fill(number);
                found[number as usize - 1].add([first, row % ny, row / ny], last);
            }
        }
        let components = found.into_iter().map(Found::component).collect();
        Components { numbers: volume.with_voxels(voxels), components }
    }
}

/// A component while its runs come in.
struct Found {
    label: i32,
    n_voxels: u64,
    low: [usize; 3],
    high: [usize; 3],
}

impl Found {
    fn new(label: i32) -> Self {
        Self { label, n_voxels: 0, low: [usize::MAX; 3], high: [0; 3] }
    }

    fn add(&mut self, first: [usize; 3], last_x: usize) {
        self.n_voxels += (last_x - first[0] + 1) as u64;
        let last = [last_x, first[1], first[2]];
        for axis in 0..3 {
            self.low[axis] = self.low[axis].min(first[axis]);
            self.high[axis] = self.high[axis].max(last[axis]);
        }
    }

    fn component(self) -> Component {
        let shape = std::array::from_fn(|axis| self.high[axis] - self.low[axis] + 1);
        let bounds = VoxelBox { start: self.low.map(|i| i as i64), shape };
        Component { label: self.label, n_voxels: self.n_voxels, bounds }
    }
}
