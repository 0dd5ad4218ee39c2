//! The vote: each target voxel takes the label that has the most trilinear weight around it.

use super::oblique::{FixedPoint, Probe, fraction, voxel};
use super::probes::Grid;

/// Parts of a voxel that positions are rounded to. With whole-numbered weights the sums are exact,
/// so a tie is a tie whatever the order of summation and however the coordinate was rounded.
const PARTS: u64 = 1 << 16;

/// The label with the largest sum of trilinear weights; of equals the smallest.
pub(super) struct Vote<'a>(pub(super) Grid<'a, i32>);

impl Probe<i32> for Vote<'_> {
    const MARGIN: f64 = 0.0;

    fn at(&self, point: [f64; 3]) -> i32 {
        let mut voxel = [0; 3];
        let mut high = [0; 3];
        for s in 0..3 {
            let clamped = point[s].clamp(0.0, self.0.shape[s] as f64 - 1.0);
            let parts = (clamped * PARTS as f64).round() as u64;
            (voxel[s], high[s]) = ((parts / PARTS) as usize, parts % PARTS);
        }
        winner(self.neighbours(voxel, self.0.steps_from(voxel)), high)
    }

    #[inline]
    fn at_interior(&self, point: FixedPoint) -> i32 {
        let neighbours = self.neighbours(voxel(point), self.0.strides());
        if neighbours.iter().all(|&label| label == neighbours[0]) {
            return neighbours[0];
        }
        // A fraction that rounds up to a whole voxel leaves no weight to the low side.
        winner(neighbours, fraction(point).map(|t| (t * PARTS as f32).round() as u64))
    }
}

impl Vote<'_> {
    /// The labels around: bit `s` of the position says high side along axis `s`.
    #[inline(always)]
    fn neighbours(&self, voxel: [usize; 3], [dx, dy, dz]: [usize; 3]) -> [i32; 8] {
        let start = self.0.offset(voxel);
        let pair = |offset: usize| {
            let at = start + offset;
            [self.0.voxels[at], self.0.voxels[at + dx]]
        };
        let [a, b, c, d] = [pair(0), pair(dy), pair(dz), pair(dy + dz)];
        [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]]
    }
}

/// The label with the most weight, when the neighbours on the high side have `high` of [`PARTS`]
/// along each axis.
fn winner(neighbours: [i32; 8], high: [u64; 3]) -> i32 {
    let weights: [u64; 8] = std::array::from_fn(|corner| {
        (0..3).map(|s| if corner >> s & 1 == 1 { high[s] } else { PARTS - high[s] }).product()
    });
    let mut winner = (0, neighbours[0]);
    for &label in &neighbours {
        let sum: u64 = (0..8).filter(|&c| neighbours[c] == label).map(|c| weights[c]).sum();
        if sum > winner.0 || (sum == winner.0 && label < winner.1) {
            winner = (sum, label);
        }
    }
    winner.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote_at(labels: &[i32], shape: [usize; 3], point: [f64; 3]) -> i32 {
        Vote(Grid { voxels: labels, shape }).at(point)
    }

    #[test]
    fn the_majority_wins_over_the_nearest() {
        // At 0.4 along x the nearest voxel (label 9) has weight 0.6 · 0.6, label 4 the rest.
        let labels = [9, 4, 4, 4];
        assert_eq!(vote_at(&labels, [2, 2, 1], [0.4, 0.4, 0.0]), 4);
        assert_eq!(vote_at(&labels, [2, 2, 1], [0.2, 0.2, 0.0]), 9);
    }

    #[test]
    fn a_tie_goes_to_the_smaller_label_however_the_point_was_rounded() {
        for point in [0.5, 0.5 - 1e-12, 0.5 + 1e-12] {
            assert_eq!(vote_at(&[7, 3], [2, 1, 1], [point, 0.0, 0.0]), 3);
            assert_eq!(vote_at(&[-1, 3], [2, 1, 1], [point, 0.0, 0.0]), -1);
        }
        // Two votes of a quarter each against one of a half.
        assert_eq!(vote_at(&[5, 5, 8, 2], [2, 2, 1], [0.5, 0.5, 0.0]), 5);
    }

    #[test]
    fn the_rim_belongs_to_the_outer_voxel() {
        assert_eq!(vote_at(&[7, 3], [2, 1, 1], [-0.5, 0.4, -0.3]), 7);
        assert_eq!(vote_at(&[7, 3], [2, 1, 1], [1.5, 0.4, -0.3]), 3);
    }
}
