//! What a step costs.

use std::cell::Cell;

use super::*;
use crate::fused::PASSES;

#[test]
fn a_step_takes_at_most_two_passes_over_memory_per_call_of_the_denoiser() {
    let levels = schedule().run_levels(&Spacing::Trailing, 8, Terminal::Clean).unwrap();
    for (config, _) in samplers() {
        let sampler = config.build().unwrap();
        let calls = Cell::new(0);
        let denoiser = |x: &Tensor, levels: &[Level]| {
            calls.set(calls.get() + 1);
            DATA.denoise(x, levels)
        };
        let start = Tensor::new(vec![vec![0.3, -0.2]], &Device::Cpu).unwrap();
        let recorded: Vec<Tensor> = (0..8).map(|_| start.clone()).collect();
        let mut state = SamplerState::new(start.clone());
        for pair in levels.windows(2) {
            calls.set(0);
            PASSES.set(0);
            let noise = Noise::Recorded(recorded.clone());
            sampler.step(&mut state, pair[0], pair[1], &denoiser, &noise).unwrap();
            let (passes, calls) = (PASSES.get(), calls.get());
            assert!(calls > 0 && passes <= 2 * calls, "{config:?}: {passes} in {calls} calls");
            let single = matches!(config, SamplerConfig::Ddpm { .. } | SamplerConfig::Ddim { .. });
            assert!(!single || passes == 1, "{config:?}: {passes}");
        }
    }
}

#[test]
fn a_denoiser_of_a_network_takes_one_pass() {
    let schedule = schedule();
    let level = schedule.level(500).unwrap();
    let network = |x: &Tensor, _: &Tensor| Ok(x.clone());
    let denoiser = NetworkDenoiser::new(network, Prediction::Velocity, Clock::Table(schedule));
    let denoiser = denoiser.unwrap().with_threshold(Threshold::UNIT).unwrap();
    let x = Tensor::new(vec![vec![0.3, -0.2]], &Device::Cpu).unwrap();
    PASSES.set(0);
    denoiser.denoise(&x, &[level]).unwrap();
    assert_eq!(PASSES.get(), 1);
}
