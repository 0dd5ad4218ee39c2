//! A window of a volume, filled where it reaches beyond: padding and cropping, each the other's
//! gradient.

use rayon::prelude::*;

/// Where a window lies: its voxel `o` is the volume's voxel `o + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) input: [usize; 3],
    pub(crate) output: [usize; 3],
    pub(crate) offset: [isize; 3],
    pub(crate) channels: usize,
}

impl Window {
    /// The window that puts every voxel back where it came from.
    pub(crate) fn reversed(&self) -> Self {
        let Self { input, output, offset, channels } = *self;
        Self { input: output, output: input, offset: offset.map(|axis| -axis), channels }
    }

    /// The input at output `o`, if the volume reaches there.
    fn source(&self, axis: usize, o: usize) -> Option<usize> {
        o.checked_add_signed(self.offset[axis]).filter(|&i| i < self.input[axis])
    }

    /// The outputs along z that the volume reaches, and the input of the first.
    fn overlap_along_z(&self) -> (std::ops::Range<usize>, usize) {
        let inside = |o: &usize| self.source(2, *o).is_some();
        let Some(first) = (0..self.output[2]).find(inside) else { return (0..0, 0) };
        let from = self.source(2, first).unwrap_or(0);
        (first..first + (self.output[2] - first).min(self.input[2] - from), from)
    }
}

/// Copies the window, `fill` beyond the volume.
pub(crate) fn copy<T: Copy + Send + Sync>(window: &Window, x: &[T], fill: T, y: &mut [T]) {
    let (channels, [sx, sy, sz]) = (window.channels, window.input);
    let item_in = sx * sy * sz * channels;
    let [lines_x, lines_y, length] = window.output;
    let (inside, from) = window.overlap_along_z();
    y.par_chunks_mut(length * channels).with_min_len(16).enumerate().for_each(|(line, out)| {
        let x = &x[line / (lines_x * lines_y) * item_in..][..item_in];
        let (ox, oy) = (line / lines_y % lines_x, line % lines_y);
        let (Some(ix), Some(iy)) = (window.source(0, ox), window.source(1, oy)) else {
            out.fill(fill);
            return;
        };
        let (before, rest) = out.split_at_mut(inside.start * channels);
        let (copied, after) = rest.split_at_mut(inside.len() * channels);
        before.fill(fill);
        let start = ((ix * sy + iy) * sz + from) * channels;
        copied.copy_from_slice(&x[start..][..copied.len()]);
        after.fill(fill);
    });
}
