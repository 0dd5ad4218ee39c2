//! Distances and surfaces in voxels.

use mrisynth_volume::LabelMap;

/// Further than this counts as this.
const REACH: usize = 12;

/// The distance in voxels to the nearest voxel of a kind, exact up to 12 voxels.
pub(crate) fn distances(labels: &LabelMap, of: impl Fn(i32) -> bool) -> Vec<f32> {
    let shape = labels.geometry().shape();
    let strides = [1, shape[0], shape[0] * shape[1]];
    let far = (REACH * REACH) as f32;
    let mut squared: Vec<f32> =
        labels.voxels().iter().map(|&l| if of(l) { 0.0 } else { far }).collect();
    for axis in 0..3 {
        let (n, stride) = (shape[axis], strides[axis]);
        let mut line = vec![0.0_f32; n];
        for start in (0..squared.len()).filter(|i| i / stride % n == 0) {
            for (k, value) in line.iter_mut().enumerate() {
                *value = squared[start + k * stride];
            }
            for k in 0..n {
                let near = k.saturating_sub(REACH)..(k + REACH + 1).min(n);
                let nearest = near.map(|j| line[j] + (j.abs_diff(k) * j.abs_diff(k)) as f32);
                squared[start + k * stride] = nearest.fold(far, f32::min);
            }
        }
    }
    squared.into_iter().map(f32::sqrt).collect()
}

/// The number of voxel faces between two kinds of voxels.
pub(crate) fn faces(labels: &LabelMap, a: impl Fn(i32) -> bool, b: impl Fn(i32) -> bool) -> f64 {
    let shape = labels.geometry().shape();
    let strides = [1, shape[0], shape[0] * shape[1]];
    let voxels = labels.voxels();
    let mut count = 0_u64;
    for axis in 0..3 {
        let stride = strides[axis];
        for i in (0..voxels.len()).filter(|i| i / stride % shape[axis] + 1 < shape[axis]) {
            let (p, q) = (voxels[i], voxels[i + stride]);
            count += u64::from(a(p) && b(q)) + u64::from(b(p) && a(q));
        }
    }
    count as f64
}
