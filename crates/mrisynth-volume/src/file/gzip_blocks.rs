//! Gzip made by all cores at once: one member, the same bytes for any number of threads.
//!
//! The file is cut into blocks of fixed size. Each is deflated by itself with the 32 KiB before it
//! as its dictionary, so matches reach across the cut, and flushed to a whole byte; the pieces one
//! after another are one deflate stream. Checksums are computed per block and combined.
//!
//! # Source
//! The layout is that of Adler's pigz. RFC 1951 (deflate), RFC 1952 (gzip).

use std::io::{self, Write};

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress, Status};
use rayon::prelude::*;

use super::voxel_bytes::{FileBytes, WINDOW_BYTES};

/// Magic, deflate, no flags, no time, no hint on the level, unknown system: nothing that would make
/// two writes of the same volume differ.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Deflated bytes of one block and the checksum of what went in.
struct Piece {
    deflated: Vec<u8>,
    checksum: Hasher,
    n_bytes: usize,
}

/// Writes the file gzipped at a deflate level of 0 to 9.
pub(super) fn write_gzip(out: &mut dyn Write, file: &FileBytes<'_>, level: u32) -> io::Result<()> {
    out.write_all(&GZIP_HEADER)?;
    let (mut checksum, mut n_bytes) = (Hasher::new(), 0_usize);
    in_batches(
        file,
        |index| deflated_block(file, index, level),
        |piece| {
            checksum.combine(&piece.checksum);
            n_bytes += piece.n_bytes;
            out.write_all(&piece.deflated)
        },
    )?;
    out.write_all(&checksum.finalize().to_le_bytes())?;
    out.write_all(&(n_bytes as u32).to_le_bytes()) // ISIZE is modulo 2³² by definition
}

/// Writes the file as it is.
pub(super) fn write_plain(out: &mut dyn Write, file: &FileBytes<'_>) -> io::Result<()> {
    in_batches(file, |index| Ok(file.block(index)), |bytes| out.write_all(&bytes))
}

/// Makes blocks in parallel and hands them on in order, a bounded number at a time.
fn in_batches<B: Send>(
    file: &FileBytes<'_>,
    make: impl Fn(usize) -> io::Result<B> + Sync,
    mut take: impl FnMut(B) -> io::Result<()>,
) -> io::Result<()> {
    let n_blocks = file.n_blocks();
    let batch = (4 * rayon::current_num_threads()).max(32);
    for first in (0..n_blocks).step_by(batch) {
        let blocks: io::Result<Vec<B>> =
            (first..(first + batch).min(n_blocks)).into_par_iter().map(&make).collect();
        blocks?.into_iter().try_for_each(&mut take)?;
    }
    Ok(())
}

fn deflated_block(file: &FileBytes<'_>, index: usize, level: u32) -> io::Result<Piece> {
    let (bytes, start) = file.block_and_bytes_before(index, WINDOW_BYTES);
    let (window, block) = bytes.split_at(start);
    let mut deflate = Compress::new(Compression::new(level), false);
    if !window.is_empty() {
        deflate.set_dictionary(window)?;
    }
    let is_last = index + 1 == file.n_blocks();
    let flush = if is_last { FlushCompress::Finish } else { FlushCompress::Sync };
    let mut deflated = Vec::with_capacity(block.len() / 2 + 64);
    loop {
        let rest = &block[deflate.total_in() as usize..];
        let status = deflate.compress_vec(rest, &mut deflated, flush)?;
        // A flush is complete when it leaves room in the buffer; a finish says so itself.
        let all_taken = deflate.total_in() as usize == block.len();
        let flushed = deflated.len() < deflated.capacity();
        if status == Status::StreamEnd || (!is_last && all_taken && flushed) {
            break;
        }
        deflated.reserve(block.len() / 4 + 64);
    }
    let mut checksum = Hasher::new();
    checksum.update(block);
    Ok(Piece { deflated, checksum, n_bytes: block.len() })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::byte_order::ByteOrder;
    use super::super::voxel_bytes::{BLOCK_BYTES, put_all};
    use super::*;

    fn zipped(voxels: &[i16], header: &[u8], level: u32) -> Vec<u8> {
        let encode = Box::new(|range: std::ops::Range<usize>, out: &mut [u8]| {
            put_all(&voxels[range], ByteOrder::Little, out, |v| v);
        });
        let (header, n_voxels) = (header.to_vec(), voxels.len());
        let file = FileBytes { header, n_voxels, voxel_size: 2, encode };
        let mut out = Vec::new();
        write_gzip(&mut out, &file, level).unwrap();
        out
    }

    /// Smooth with noise in the low bits, as scans are.
    fn voxels(n: usize) -> Vec<i16> {
        let mut state = 1_u32;
        (0..n)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((i as f32 * 0.001).sin() * 500.0) as i16 + (state >> 28) as i16
            })
            .collect()
    }

    #[test]
    fn unzipping_gives_the_bytes_back_at_every_level_and_size() {
        let per_block = BLOCK_BYTES / 2;
        for n in [1, 1000, per_block - 1, per_block, per_block + 1, 5 * per_block + 77] {
            let voxels = voxels(n);
            let expected: Vec<u8> = b"head"
                .iter()
                .copied()
                .chain(voxels.iter().flat_map(|v| v.to_le_bytes()))
                .collect();
            for level in [0, 1, 2, 6, 9] {
                let zipped = zipped(&voxels, b"head", level);
                let mut member = flate2::bufread::GzDecoder::new(zipped.as_slice());
                let mut bytes = Vec::new();
                member.read_to_end(&mut bytes).unwrap(); // checks the checksum and the length
                assert!(bytes == expected, "{n} voxels at level {level}");
                assert!(member.into_inner().is_empty(), "there is a second member");
            }
        }
    }

    #[test]
    fn noise_that_deflate_cannot_shrink_is_kept() {
        let mut state = 7_u64;
        let noise: Vec<i16> = (0..400_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 48) as i16
            })
            .collect();
        let zipped = zipped(&noise, b"", 1);
        let mut bytes = Vec::new();
        flate2::read::MultiGzDecoder::new(zipped.as_slice()).read_to_end(&mut bytes).unwrap();
        assert!(bytes.chunks_exact(2).zip(&noise).all(|(b, v)| b == v.to_le_bytes()));
    }

    #[test]
    fn the_number_of_threads_changes_no_byte() {
        let voxels = voxels(40 * BLOCK_BYTES / 2 + 5);
        let on = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| zipped(&voxels, b"head", 2))
        };
        assert!(on(1) == on(3) && on(1) == on(16));
    }

    #[test]
    fn cutting_into_blocks_costs_less_than_a_hundredth() {
        let voxels = voxels(12 * BLOCK_BYTES / 2);
        let bytes: Vec<u8> = voxels.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut whole = flate2::write::GzEncoder::new(Vec::new(), Compression::new(2));
        whole.write_all(&bytes).unwrap();
        let (ours, whole) = (zipped(&voxels, b"", 2).len(), whole.finish().unwrap().len());
        assert!(ours as f64 <= whole as f64 * 1.01, "{ours} against {whole} bytes");
    }
}
