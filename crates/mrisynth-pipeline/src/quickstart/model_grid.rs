//! A grid on which small networks can learn from scans, whatever grid those have.

use mrisynth_volume::{Geometry, GridRequest, Orientation};

/// What the quick-start network divides its input by.
const STRIDE: usize = 4;
/// No axis is shorter: deeper levels would have nothing to look at.
const LEAST: usize = 8;
/// An axis so many times shorter than the longest is that of a slab.
const THIN: f64 = 3.0;
/// Spacings are tried in steps of this part of the scans' own.
const FINENESS: f64 = 0.1;
/// Of such scans nothing would be left.
const COARSEST: u32 = 10_000;

/// A grid in RAS that holds the field of view of every scan in at most so many voxels.
///
/// Its spacing is the scans' own (their median) if that fits, and else coarser, equally along all axes
/// but thin ones: those of slabs stay as they are.
pub(super) fn model_grid(scans: &[Geometry], most_voxels: usize) -> GridRequest {
    let scans: Vec<Geometry> = scans.iter().map(|scan| scan.reoriented(Orientation::RAS)).collect();
    let own = [0, 1, 2].map(|axis| {
        let mut values: Vec<f64> = scans.iter().map(|scan| scan.spacing_mm()[axis]).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(1.0)
    });
    let extent = [0, 1, 2].map(|axis| {
        let of = |scan: &Geometry| scan.spacing_mm()[axis] * scan.shape()[axis] as f64;
        scans.iter().map(of).fold(own[axis], f64::max)
    });
    let longest = (0..3).map(|axis| extent[axis] / own[axis]).fold(0.0, f64::max);
    let is_thin = [0, 1, 2].map(|axis| extent[axis] / own[axis] * THIN < longest);
    let finest = own.into_iter().fold(f64::INFINITY, f64::min);
    let at = |step: u32| {
        let spacing = finest * (1.0 + FINENESS * f64::from(step));
        let spacing = [0, 1, 2].map(|axis| match is_thin[axis] {
            true => own[axis],
            false => own[axis].max(spacing),
        });
        (spacing, [0, 1, 2].map(|axis| voxels(extent[axis], spacing[axis])))
    };
    let fits = |step: &u32| at(*step).1.iter().product::<usize>() <= most_voxels;
    let (spacing, shape) = at((0..COARSEST).find(fits).unwrap_or(COARSEST));
    GridRequest {
        orientation: Some(Orientation::RAS),
        spacing_mm: Some(spacing),
        shape: Some(shape),
        crop_or_pad: true,
    }
}

/// The world's axes along which a grid is no slab: nothing may be moved through the faces of one, or
/// tissue would leave it and nothing come in.
pub(super) fn thick_axes(grid: &GridRequest) -> [bool; 3] {
    let (Some(spacing), Some(shape)) = (grid.spacing_mm, grid.shape) else { return [true; 3] };
    let extent = [0, 1, 2].map(|axis| spacing[axis] * shape[axis] as f64);
    let longest = extent.into_iter().fold(0.0, f64::max);
    extent.map(|extent| extent * THIN >= longest)
}

/// Enough voxels to hold an extent, in a number that the network can divide.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "extents of files are positive and have fewer voxels than 2^52"
)]
fn voxels(extent: f64, spacing: f64) -> usize {
    // Not one more for the rounding of an affine.
    let n = (extent / spacing - 1e-3).ceil().max(1.0) as usize;
    n.next_multiple_of(STRIDE).max(LEAST)
}

#[cfg(test)]
mod tests {
    use mrisynth_volume::Affine;

    use super::*;

    fn scan(shape: [usize; 3], spacing_mm: [f64; 3]) -> Geometry {
        Geometry::new(shape, Affine::from_spacing_mm(spacing_mm, [0.0; 3]).unwrap()).unwrap()
    }

    #[test]
    fn small_scans_keep_their_own_grid() {
        let grid = model_grid(&[scan([48; 3], [4.0; 3])], 48 * 48 * 48);
        assert_eq!((grid.spacing_mm, grid.shape), (Some([4.0; 3]), Some([48; 3])));
        let grid = model_grid(&[scan([20, 22, 18], [10.0; 3])], 1 << 20);
        assert_eq!(grid.shape, Some([20, 24, 20]));
    }

    #[test]
    fn large_scans_become_coarser_until_they_fit_and_none_is_cut() {
        let scans = [scan([182, 218, 182], [1.0; 3]), scan([170, 200, 190], [1.0; 3])];
        let grid = model_grid(&scans, 128 << 10);
        let (spacing, shape) = (grid.spacing_mm.unwrap(), grid.shape.unwrap());
        assert!(shape.iter().product::<usize>() <= 128 << 10);
        assert_eq!(spacing, [spacing[0]; 3]);
        for (axis, extent) in [182.0, 218.0, 190.0].into_iter().enumerate() {
            assert!(shape[axis] as f64 * spacing[axis] >= extent - 0.1);
            assert_eq!(shape[axis] % STRIDE, 0);
        }
    }

    #[test]
    fn a_slab_stays_as_fine_along_its_thin_axis_as_it_is() {
        // Stored with the thin axis in the middle, as some programs leave it.
        let slab = scan([217, 18, 182], [1.0; 3]).reoriented("PSR".parse().unwrap());
        let turned = slab.reoriented(Orientation::RAS);
        let thin = (0..3).find(|&axis| turned.shape()[axis] == 18).unwrap();
        let grid = model_grid(&[slab], 128 << 10);
        let (spacing, shape) = (grid.spacing_mm.unwrap(), grid.shape.unwrap());
        assert_eq!((spacing[thin], shape[thin]), (1.0, 20));
        assert!(shape.iter().product::<usize>() <= 128 << 10 && spacing[(thin + 1) % 3] > 2.0);
        assert_eq!(thick_axes(&grid), [0, 1, 2].map(|axis| axis != thin));
        assert_eq!(thick_axes(&model_grid(&[scan([48; 3], [4.0; 3])], 48 * 48 * 48)), [true; 3]);
    }

    #[test]
    fn anisotropic_scans_are_made_coarser_where_they_are_fine() {
        let grid = model_grid(&[scan([256, 256, 40], [0.9, 0.9, 5.0])], 128 << 10);
        assert_eq!(grid.spacing_mm.unwrap()[2], 5.0);
        let tiny = model_grid(&[scan([9, 9, 9], [0.05; 3])], 512);
        assert_eq!(tiny.shape, Some([8; 3]));
    }
}
