//! The loss at fixed levels with fixed noise.

use candle_core::Device;
use mrisynth_training::Scalar;

use crate::batch::{BatchSource, fetch};
use crate::config::DiffusionConfig;
use crate::draw::Draw;
use crate::error::Result;
use crate::network::Network;
use crate::objective::Objective;

/// `loss`, the mean over items and levels, and `loss_at_t` for each time t.
///
/// Every level counts alike, whatever it weighs in training. An item has the same noise at all
/// levels, and in every validation.
pub(crate) fn measure(
    config: &DiffusionConfig,
    objective: &Objective,
    network: &dyn Network,
    device: &Device,
    held_out: &mut dyn BatchSource,
) -> Result<Vec<Scalar>> {
    let dtype = config.precision.dtype();
    let levels = config.validation.levels;
    let times: Vec<f64> = (0..levels).map(|i| (f64::from(i) + 0.5) / f64::from(levels)).collect();
    let mut sums = vec![0.0; times.len()];
    let mut items = 0;
    for number in 0..config.validation.batches {
        let batch = fetch(held_out, number, device)?;
        let noise = Draw::validation(config.seed, &batch).noise(&batch.images)?;
        let condition = batch.condition.to_dtype(dtype)?;
        for (time, sum) in times.iter().zip(&mut sums) {
            let question =
                objective.question(&batch.images, &noise, &vec![*time; batch.items()])?;
            let input = question.input.to_dtype(dtype)?;
            let answer = network.forward(&input, &question.timesteps, &condition)?;
            *sum += question.plain_loss(&answer.detach())? * batch.items() as f64;
        }
        items += batch.items();
    }
    if items == 0 {
        return Ok(Vec::new());
    }
    let means = sums.iter().map(|sum| sum / items as f64);
    let all = Scalar::new("loss", means.clone().sum::<f64>() / times.len() as f64);
    let each = times.iter().zip(means);
    let each = each.map(|(time, mean)| Scalar::new(format!("loss_at_{time}"), mean));
    Ok(std::iter::once(all).chain(each).collect())
}
