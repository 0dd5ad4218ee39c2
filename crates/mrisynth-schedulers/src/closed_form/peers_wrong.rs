//! What the closed form says of formulas that peers use.

use super::*;

/// DDPM as MONAI 1.6.1 has it: neighbours' coefficients, whatever the next timestep.
fn neighbours_coefficients(steps: usize) -> [f64; 2] {
    let schedule = schedule();
    let timesteps = Spacing::Linspace.timesteps(1000, steps).unwrap();
    let mut mean = DATA.mean.map(|m| m * schedule.level(timesteps[0]).unwrap().signal);
    for t in timesteps {
        let level = schedule.level(t).unwrap();
        let next = if t > 0 { schedule.level(t - 1).unwrap() } else { Level::CLEAN };
        let law = Posterior::between(level, next).unwrap();
        let x = Tensor::new(vec![mean.to_vec()], &Device::Cpu).unwrap();
        let guess = DATA.denoise(&x, &[level]).unwrap().to_vec2::<f64>().unwrap();
        mean = [0, 1].map(|i| law.of_x0 * guess[0][i] + law.of_x * mean[i]);
    }
    mean
}

#[test]
fn coefficients_of_neighbours_lose_the_mean_when_steps_are_strided() {
    let off = |steps| (neighbours_coefficients(steps)[0] - DATA.mean[0]).abs();
    assert!(off(1000) < 1e-12);
    // The data's mean is 0.7; ours is exact at these counts too (`moments`).
    for steps in [10, 25, 50] {
        assert!(off(steps) > 0.01, "{steps}: {}", off(steps));
    }
}

#[test]
fn a_level_reached_that_is_not_the_next_level_loses_the_mean() {
    // DDIM of MONAI 1.6.1: timesteps `linspace(999, 0, n)`, jumps of ⌊1000/n⌋.
    let schedule = schedule();
    let ddim = SamplerConfig::Ddim { eta: 0.0 }.build().unwrap();
    let off = |steps: usize| {
        let timesteps = Spacing::Linspace.timesteps(1000, steps).unwrap();
        let mut x = DATA.mean.map(|m| m * schedule.level(timesteps[0]).unwrap().signal).to_vec();
        for t in timesteps {
            let reached = t.checked_sub(1000 / steps);
            let reached = reached.map_or(Level::CLEAN, |t| schedule.level(t).unwrap());
            x = run(&*ddim, x, &[schedule.level(t).unwrap(), reached], &Noise::NONE).remove(0);
        }
        (x[0] - DATA.mean[0]).abs()
    };
    assert!(off(1000) < 1e-12);
    for steps in [4, 10] {
        assert!(off(steps) > 1e-3, "{steps}: {}", off(steps));
    }
}
