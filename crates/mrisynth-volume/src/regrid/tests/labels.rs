//! Labels: one of those around, never a mean.

use super::*;

fn label_map(geometry: Geometry) -> LabelMap {
    noise_volume(geometry).map(|&v| [0, 17, 53, -3][v as usize % 4])
}

/// For each voxel the label whose one-hot channel, linearly resampled, is largest, and by how much
/// it leads; of equal channels the smallest label.
fn argmax_of_channels(labels: &LabelMap, target: Geometry) -> Vec<(i32, f32)> {
    let channels = [-3, 0, 17, 53].map(|label| {
        let channel = labels.map(|&l| if l == label { 1.0 } else { 0.0 });
        (label, regridded(&channel, target, Interpolation::Linear))
    });
    (0..target.n_voxels())
        .map(|i| {
            let (mut best, mut lead) = ((0, 0.0), 0.0);
            for (label, channel) in &channels {
                let value = channel.voxels()[i];
                if value > best.1 {
                    (best, lead) = ((*label, value), value - best.1);
                } else {
                    lead = f32::min(lead, best.1 - value);
                }
            }
            // Outside the field of view all channels are 0, and so is the label, undisputed.
            if best.1 == 0.0 { (0, f32::INFINITY) } else { (best.0, lead) }
        })
        .collect()
}

#[test]
fn the_vote_is_the_argmax_of_linearly_resampled_channels() {
    let labels = label_map(oblique([14, 15, 16]));
    let grid = *labels.geometry();
    let targets = [
        (grid.with_spacing_mm([1.37, 0.61, 2.9]).unwrap(), 1e-4),
        (turned(&grid), 1e-4),
        // Halved and quartered steps have exact weights, so that ties are ties.
        (grid.with_shape([7, 30, 8]).unwrap(), 0.0),
    ];
    for (target, clear_lead) in targets {
        let voted = labels.resample_to(&target, LabelInterpolation::Vote).unwrap();
        let mut compared = 0;
        for (&label, (expected, lead)) in
            voted.voxels().iter().zip(argmax_of_channels(&labels, target))
        {
            if lead >= clear_lead {
                assert_eq!(label, expected);
                compared += 1;
            }
        }
        assert!(compared * 100 > target.n_voxels() * 95, "{compared} of {}", target.n_voxels());
    }
}

#[test]
fn no_new_label_appears() {
    let labels = label_map(oblique([9, 10, 11]));
    for target in [turned(labels.geometry()), labels.geometry().with_shape([3, 17, 6]).unwrap()] {
        for interpolation in [LabelInterpolation::Nearest, LabelInterpolation::Vote] {
            let result = labels.resample_to(&target, interpolation).unwrap();
            assert!(result.voxels().iter().all(|label| [0, 17, 53, -3].contains(label)));
        }
    }
}

#[test]
fn labels_cropped_and_put_back_fill_with_the_label_outside() {
    let labels = label_map(oblique([6, 7, 8])).map(|label| label + 100);
    let cropped = labels.geometry().centre_cropped([4, 7, 8]).unwrap();
    let regrid = Regrid::new(*labels.geometry(), cropped).unwrap();
    for outside in [0, 9] {
        let how = LabelResampling { outside, ..LabelResampling::default() };
        let back = regrid.undo_labels(&regrid.apply_labels(&labels, how).unwrap(), how).unwrap();
        for ((x, y, z), &label) in back.array().indexed_iter() {
            let kept = (1..5).contains(&x);
            assert_eq!(label, if kept { labels.array()[[x, y, z]] } else { outside });
        }
    }
}
