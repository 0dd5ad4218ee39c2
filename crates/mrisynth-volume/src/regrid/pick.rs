//! Copies voxels whole: lattice maps, and nearest neighbours where the axes are aligned.

use std::ops::Range;

use super::slab::for_each_slab;
use super::voxel_map::{AlignedMap, is_inside, nearest_index};

/// Voxels copied side by side when the target's x runs along y or z of the source: one cache line
/// of `f32` in the target, few enough streams for the source's lines to stay in the cache.
const TILE: usize = 16;

/// Which source voxel each index of a target axis takes.
struct Picks {
    /// The target indices inside the field of view of the source.
    inside: Range<usize>,
    /// For each of these, where its source voxel stands along its source axis, in voxels of memory.
    offsets: Vec<usize>,
}

impl Picks {
    fn new(map: &AlignedMap, t: usize, target_shape: [usize; 3], source_shape: [usize; 3]) -> Self {
        let s = map.axis[t];
        let stride: usize = source_shape[..s].iter().product();
        let mut inside = 0..0;
        let mut offsets = Vec::new();
        for index in 0..target_shape[t] {
            let coordinate = map.coordinate(t, index);
            if is_inside(coordinate, source_shape[s]) {
                if offsets.is_empty() {
                    inside.start = index;
                }
                inside.end = index + 1; // the inside is one run: the map is monotonic
                offsets.push(nearest_index(coordinate, source_shape[s]) * stride);
            }
        }
        Self { inside, offsets }
    }

    fn offset(&self, index: usize) -> Option<usize> {
        self.inside.contains(&index).then(|| self.offsets[index - self.inside.start])
    }

    /// True when each offset is `step` more than the one before.
    fn steps_by(&self, step: isize) -> bool {
        self.offsets.windows(2).all(|pair| pair[0].checked_add_signed(step) == Some(pair[1]))
    }
}

/// Fills the target with the source voxels nearest to its own, `outside` where there are none.
pub(super) fn pick<T: Copy + Send + Sync>(
    source: &[T],
    source_shape: [usize; 3],
    map: &AlignedMap,
    outside: T,
    target: &mut [T],
    target_shape: [usize; 3],
) {
    let picks = [0, 1, 2].map(|t| Picks::new(map, t, target_shape, source_shape));
    // The target axis along which the source is contiguous; a slab must contain it.
    let contiguous = map.axis.iter().position(|&s| s == 0).unwrap_or(0);
    let (outer, inner) = if contiguous == 2 { (1, 2) } else { (2, 1) };
    let copy = RowCopy::of(&picks[0], contiguous == 0);
    for_each_slab(target, target_shape, outer, |index, rows| {
        let Some(start) = picks[outer].offset(index) else {
            rows.iter_mut().for_each(|row| row.fill(outside));
            return;
        };
        let (inside_rows, inside) = (picks[inner].inside.clone(), picks[0].inside.clone());
        for (r, row) in rows.iter_mut().enumerate() {
            if inside_rows.contains(&r) {
                row[..inside.start].fill(outside);
                row[inside.end..].fill(outside);
            } else {
                row.fill(outside);
            }
        }
        let rows = &mut rows[inside_rows];
        let tile = if contiguous == 0 { inside.len().max(1) } else { TILE };
        for (i, offsets) in picks[0].offsets.chunks(tile).enumerate() {
            let span = inside.start + i * tile..inside.start + i * tile + offsets.len();
            for (row, &row_start) in rows.iter_mut().zip(&picks[inner].offsets) {
                copy.run(&source[start + row_start..], offsets, &mut row[span.clone()]);
            }
        }
    });
}

/// How the voxels of a row lie in the source.
#[derive(Clone, Copy)]
enum RowCopy {
    Forward,
    Backward,
    Scattered,
}

impl RowCopy {
    fn of(row: &Picks, contiguous: bool) -> Self {
        match contiguous {
            true if row.steps_by(1) => Self::Forward,
            true if row.steps_by(-1) => Self::Backward,
            _ => Self::Scattered,
        }
    }

    fn run<T: Copy>(self, source: &[T], offsets: &[usize], target: &mut [T]) {
        let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else { return };
        match self {
            Self::Forward => target.copy_from_slice(&source[first..=last]),
            Self::Backward => {
                let reversed = source[last..=first].iter().rev();
                target.iter_mut().zip(reversed).for_each(|(t, &s)| *t = s);
            }
            Self::Scattered => {
                target.iter_mut().zip(offsets).for_each(|(t, &offset)| *t = source[offset]);
            }
        }
    }
}
