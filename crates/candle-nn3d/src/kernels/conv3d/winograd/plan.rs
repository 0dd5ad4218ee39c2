//! How the tiles of a volume are cut into blocks, which threads share.

use super::Points;
use crate::conv_shape::ConvShape;

/// Output voxels along x of a block, about, and tiles of a block.
const X_OUTPUTS: usize = 8;
const BLOCK_TILES: usize = 48;
/// Blocks below which an item's columns are also shared out.
const FEW_BLOCKS: usize = 6;

/// How an item is cut into blocks.
pub(super) struct Plan {
    /// Tiles along each axis.
    pub(super) tiles: [usize; 3],
    /// Tiles of a block along x, and over y and z (in their joint order).
    pub(super) x_tiles: usize,
    pub(super) plane_tiles: usize,
    /// Columns of a block.
    pub(super) columns: usize,
    pub(super) c_out: usize,
}

impl Plan {
    pub(super) fn new(shape: &ConvShape, points: Points) -> Self {
        let [x, y, z] = shape.output;
        let (tile_x, tile) = (points.x - 2, points.yz - 2);
        let tiles = [x.div_ceil(tile_x), y.div_ceil(tile), z.div_ceil(tile)];
        let x_tiles = (X_OUTPUTS / tile_x).min(tiles[0]);
        let plane_tiles = (BLOCK_TILES / x_tiles).min(tiles[1] * tiles[2]);
        let mut plan =
            Self { tiles, x_tiles, plane_tiles, columns: shape.c_out, c_out: shape.c_out };
        if plan.n_blocks() < FEW_BLOCKS {
            plan.columns = shape.c_out.div_ceil(FEW_BLOCKS).next_multiple_of(64);
        }
        plan
    }

    pub(super) fn n_blocks(&self) -> usize {
        let [x, y, z] = self.tiles;
        x.div_ceil(self.x_tiles) * (y * z).div_ceil(self.plane_tiles)
    }

    pub(super) fn column_ranges(&self) -> usize {
        self.c_out.div_ceil(self.columns)
    }
}
