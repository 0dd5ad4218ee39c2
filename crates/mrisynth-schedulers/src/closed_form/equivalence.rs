//! Samplers that are the same method under two names, and the way back.

use super::*;

/// Runs a sampler and a recursion in `x̃ = x/s` over σ side by side, on strided steps.
fn in_sigma(config: SamplerConfig, recursion: impl Fn(f64, f64, f64, f64, f64) -> f64) -> f64 {
    let sampler = config.build().unwrap();
    let schedule = schedule();
    let mut worst = 0.0_f64;
    for steps in [3, 7, 50, 333] {
        let levels = schedule.run_levels(&Spacing::Trailing, steps, Terminal::Clean).unwrap();
        let draw = |step: usize| (0.37 * (step as f64 + 1.0)).sin();
        let recorded = (0..steps)
            .map(|k| Tensor::from_vec(vec![draw(k), draw(k + 7)], (1, 2), &Device::Cpu).unwrap());
        let got = run(&*sampler, vec![0.8, -0.3], &levels, &Noise::Recorded(recorded.collect()));
        let mut x = [0.8, -0.3].map(|v| v / levels[0].signal);
        for (k, pair) in levels.windows(2).enumerate() {
            let (sigma, next) = (pair[0].sigma(), pair[1].sigma());
            let scaled = Tensor::new(vec![x.map(|v| v * pair[0].signal).to_vec()], &Device::Cpu);
            let guess = DATA.denoise(&scaled.unwrap(), &pair[..1]).unwrap().to_vec2::<f64>();
            let guess = &guess.unwrap()[0];
            x = [0, 1].map(|i| recursion(x[i], guess[i], sigma, next, draw(k + 7 * i)));
        }
        (0..2).for_each(|i| worst = worst.max((got[0][i] - x[i]).abs()));
    }
    worst
}

#[test]
fn ddim_is_euler_in_sigma() {
    let euler = |x: f64, d: f64, sigma: f64, next: f64, _| x + (x - d) / sigma * (next - sigma);
    for config in [
        SamplerConfig::Ddim { eta: 0.0 },
        SamplerConfig::Euler { churn: Churn::default() },
        SamplerConfig::DpmSolver { order: DpmSolverOrder::First, kind: DpmSolverKind::Ode },
        SamplerConfig::Flow { method: FlowMethod::Euler },
    ] {
        let apart = in_sigma(config, euler);
        assert!(apart < 1e-12, "{config:?}: {apart:e}");
    }
}

#[test]
fn ddpm_with_the_small_variance_is_ancestral_euler_in_sigma() {
    // σ_up and σ_down of k-diffusion's `get_ancestral_step`.
    let ancestral = |x: f64, d: f64, sigma: f64, next: f64, z: f64| {
        let up = (next * next * (sigma * sigma - next * next) / (sigma * sigma)).sqrt();
        let down = (next * next - up * up).sqrt();
        x + (x - d) / sigma * (down - sigma) + up * z
    };
    for config in [
        SamplerConfig::Ddpm { variance: Variance::FixedSmall },
        SamplerConfig::Ddim { eta: 1.0 },
        SamplerConfig::DpmSolver { order: DpmSolverOrder::First, kind: DpmSolverKind::Sde },
    ] {
        let apart = in_sigma(config, ancestral);
        assert!(apart < 1e-12, "{config:?}: {apart:e}");
    }
}

#[test]
fn inversion_leads_back_to_where_ddim_came_from() {
    let levels = schedule().run_levels(&Spacing::Trailing, 50, Terminal::Clean).unwrap();
    let upwards: Vec<Level> = levels.iter().rev().copied().collect();
    let data = vec![0.9, -0.2, -1.0, 0.6];
    let back = |iterations| {
        let inversion = SamplerConfig::DdimInversion { iterations }.build().unwrap();
        let noise = run(&*inversion, data.clone(), &upwards, &Noise::NONE);
        let ddim = SamplerConfig::Ddim { eta: 0.0 }.build().unwrap();
        let again = run(&*ddim, noise.concat(), &levels, &Noise::NONE).concat();
        again.iter().zip(&data).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    let (once, often) = (back(1), back(60));
    assert!(often < 1e-10 && once > 1e-3, "{once:e} {often:e}");
}

#[test]
fn a_flow_step_is_that_of_its_velocity() {
    let levels = FlowSchedule::default().levels(2).unwrap();
    let flow = SamplerConfig::Flow { method: FlowMethod::Heun }.build().unwrap();
    let start = vec![0.4, 1.1];
    let got = run(&*flow, start.clone(), &levels[..2], &Noise::NONE);
    let guess = |x: Vec<f64>, level| {
        let x = Tensor::from_vec(x, (1, 2), &Device::Cpu).unwrap();
        DATA.denoise(&x, &[level]).unwrap().to_vec2::<f64>().unwrap().remove(0)
    };
    // v = (x − x̂₀)/t, from t = 1 to t = 1/2 and once more at its end.
    let d = guess(start.clone(), levels[0]);
    let v: Vec<f64> = (0..2).map(|i| start[i] - d[i]).collect();
    let end: Vec<f64> = (0..2).map(|i| start[i] - 0.5 * v[i]).collect();
    let d = guess(end.clone(), levels[1]);
    for i in 0..2 {
        let want = start[i] - 0.25 * (v[i] + (end[i] - d[i]) / 0.5);
        assert!((got[0][i] - want).abs() < 1e-14);
    }
}
