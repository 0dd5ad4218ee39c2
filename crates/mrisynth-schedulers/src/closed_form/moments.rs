//! Mean and covariance at any number of steps.

use super::*;

/// Also counts that do not divide 1000.
const COUNTS: [usize; 12] = [1, 2, 3, 4, 7, 10, 25, 30, 50, 250, 333, 1000];

#[test]
fn the_mean_is_exact_at_any_number_of_steps_and_the_covariance_comes_closer() {
    let schedule = schedule();
    for (config, stochastic) in samplers() {
        let mut covariances = Vec::new();
        for steps in COUNTS {
            let sampler = over(config, steps).build().unwrap();
            // A thousand steps with noise are two thousand rows: once is enough.
            let spacings: &[Spacing] = if steps > 300 {
                &[Spacing::Trailing]
            } else {
                &[Spacing::Trailing, Spacing::Linspace, Spacing::Leading { offset: 0 }]
            };
            for (i, spacing) in spacings.iter().enumerate() {
                let levels = schedule.run_levels(spacing, steps, Terminal::Clean).unwrap();
                let law = propagated(&*sampler, &levels, stochastic);
                let (mean, covariance) = law.apart(&DATA);
                assert!(mean < 1e-11, "{config:?}, {steps} steps {spacing:?}: mean off by {mean}");
                if i == 0 {
                    covariances.push(covariance);
                }
            }
        }
        let (first, last) = (covariances[0], covariances[COUNTS.len() - 1]);
        assert!(first > 0.1 && last < 0.011, "{config:?}: {covariances:?}");
        let at = |steps| covariances[COUNTS.iter().position(|&n| n == steps).unwrap()];
        assert!(at(250) < at(50) && at(1000) < at(250), "{config:?}: {covariances:?}");
    }
}

#[test]
fn pure_noise_is_a_level_like_others() {
    let betas = Betas::ScaledLinear { start: 0.0015, end: 0.0195 };
    let config = ScheduleConfig { betas, rescale_zero_terminal_snr: true, ..Default::default() };
    let schedule = Schedule::new(&config).unwrap();
    for (config, stochastic) in samplers() {
        let sampler = over(config, 100).build().unwrap();
        for levels in [
            schedule.run_levels(&Spacing::Trailing, 100, Terminal::Clean).unwrap(),
            FlowSchedule::default().levels(100).unwrap(),
        ] {
            assert_eq!(levels[0], Level::PURE_NOISE);
            let (mean, covariance) = propagated(&*sampler, &levels, stochastic).apart(&DATA);
            assert!(mean < 1e-12 && covariance < 0.08, "{config:?}: {mean} {covariance}");
        }
    }
}

#[test]
fn one_step_is_the_best_guess() {
    for (config, _) in samplers() {
        let sampler = config.build().unwrap();
        let x = vec![0.3, -1.2];
        let level = Level::from_alpha_bar(0.2);
        let start = Tensor::from_vec(x.clone(), (1, 2), &Device::Cpu).unwrap();
        let want = DATA.denoise(&start, &[level]).unwrap().to_vec2::<f64>().unwrap();
        // Churn begins elsewhere.
        let churned = matches!(config, SamplerConfig::Euler { churn } | SamplerConfig::Heun { churn } if churn.gamma > 0.0);
        if !churned {
            let got = run(&*sampler, x, &[level, Level::CLEAN], &Noise::NONE);
            assert!((0..2).all(|i| (got[0][i] - want[0][i]).abs() < 1e-14), "{config:?}");
        }
    }
}
