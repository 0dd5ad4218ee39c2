//! The vote: each target voxel takes the label that has the most trilinear weight around it.

use super::oblique::cell;
use super::separable::Shape;

/// Parts of a voxel that positions are rounded to. With whole-numbered weights the sums are exact,
/// so a tie is a tie whatever the order of summation and however the coordinate was rounded.
const PARTS: u64 = 1 << 16;

/// The label with the largest sum of trilinear weights at a point inside; of equals the smallest.
#[inline]
pub(super) fn vote_at(labels: &[i32], shape: Shape, point: [f64; 3]) -> i32 {
    let (voxel, high) = split(point, shape);
    let (start, [dx, dy, dz]) = cell(voxel, shape);
    let neighbours: [i32; 8] = std::array::from_fn(|corner| {
        let step = |bit: usize, d: usize| if corner >> bit & 1 == 1 { d } else { 0 };
        labels[start + step(0, dx) + step(1, dy) + step(2, dz)]
    });
    if neighbours.iter().all(|&label| label == neighbours[0]) {
        return neighbours[0];
    }
    let weight = |corner: usize| -> u64 {
        (0..3).map(|s| if corner >> s & 1 == 1 { high[s] } else { PARTS - high[s] }).product()
    };
    let mut winner = (0, neighbours[0]);
    for &label in &neighbours {
        let sum: u64 = (0..8).filter(|&c| neighbours[c] == label).map(weight).sum();
        if sum > winner.0 || (sum == winner.0 && label < winner.1) {
            winner = (sum, label);
        }
    }
    winner.1
}

/// The voxel at the low corner of the cell around a point, and the weights, out of [`PARTS`], of
/// its neighbours on the high side.
fn split(point: [f64; 3], shape: Shape) -> ([usize; 3], [u64; 3]) {
    let mut voxel = [0; 3];
    let mut high = [0; 3];
    for s in 0..3 {
        let clamped = point[s].clamp(0.0, shape[s] as f64 - 1.0);
        let parts = (clamped * PARTS as f64).round() as u64;
        (voxel[s], high[s]) = ((parts / PARTS) as usize, parts % PARTS);
    }
    (voxel, high)
}

#[cfg(test)]
mod tests {
    use super::*;

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
