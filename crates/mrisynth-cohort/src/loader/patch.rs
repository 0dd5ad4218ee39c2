//! A part of a volume in its place: what is shown where a step on the whole would cost too much.

use keyed_random::Key;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::preparation::Prepared;

/// A box of voxels within a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Patch {
    /// Its first voxel.
    pub start: [usize; 3],
    /// Its voxels along x, y and z.
    pub shape: [usize; 3],
}

/// Refuses a patch that is nothing or larger than the volumes.
pub(super) fn check(patch: [usize; 3], volume: [usize; 3]) -> Result<()> {
    if patch.iter().zip(volume).all(|(&wanted, there)| (1..=there).contains(&wanted)) {
        return Ok(());
    }
    let expected = format!("at least 1 and at most {volume:?} voxels, as volumes have");
    Err(Error::argument("patch", format!("{patch:?}"), expected))
}

impl Patch {
    /// One of the places where a patch of this shape is wholly within the volume, all as often.
    pub(super) fn draw(key: Key, shape: [usize; 3], volume: [usize; 3]) -> Self {
        let mut stream = key.with("patch").stream();
        let mut start = [0; 3];
        for (axis, first) in start.iter_mut().enumerate() {
            let free = i64::try_from(volume[axis].saturating_sub(shape[axis])).unwrap_or(0);
            let drawn = stream.range(0..=free).unwrap_or(0);
            *first = usize::try_from(drawn).unwrap_or(0);
        }
        Self { start, shape }
    }

    /// Leaves of a sample on a grid of `volume` voxels what is in the patch.
    pub(super) fn cut(self, sample: &mut Prepared, volume: [usize; 3]) {
        let n_voxels = volume.iter().product::<usize>().max(1);
        let channels = sample.images.chunks_exact(n_voxels);
        sample.images = channels.flat_map(|channel| self.of(channel, volume)).copied().collect();
        if let Some(mask) = &mut sample.mask {
            *mask = self.of(mask, volume).copied().collect();
        }
    }

    /// The patch's elements, z fastest.
    fn of<T>(self, whole: &[T], [_, ny, nz]: [usize; 3]) -> impl Iterator<Item = &T> {
        let ([x0, y0, z0], [sx, sy, sz]) = (self.start, self.shape);
        let rows = (x0..x0 + sx).flat_map(move |x| (y0..y0 + sy).map(move |y| (x * ny + y) * nz));
        rows.flat_map(move |row| &whole[row + z0..row + z0 + sz])
    }
}
