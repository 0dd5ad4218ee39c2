//! How fast errors fall as steps double.

use super::*;

/// From σ = 20 to 0.2, evenly in ln σ: nothing but the method's own error.
fn levels(steps: usize) -> Vec<Level> {
    let ratio = 0.01_f64;
    let sigma = |i: usize| 20.0 * ratio.powf(i as f64 / steps as f64);
    (0..=steps).map(|i| Level::variance_preserving(sigma(i))).collect()
}

/// The orders log₂(error(n) / error(2n)) of the covariance.
fn orders(config: SamplerConfig, stochastic: bool) -> Vec<f64> {
    let sampler = config.build().unwrap();
    let errors: Vec<f64> = [32, 64, 128, 256]
        .iter()
        .map(|&steps| {
            let levels = levels(steps);
            let law = propagated(&*sampler, &levels, stochastic);
            law.apart(&DATA.at(levels[steps])).1
        })
        .collect();
    errors.windows(2).map(|pair| (pair[0] / pair[1]).log2()).collect()
}

fn has_order(config: SamplerConfig, stochastic: bool, range: std::ops::Range<f64>) {
    let orders = orders(config, stochastic);
    assert!(range.contains(&orders[2]), "{config:?}: orders {orders:?}");
}

#[test]
fn euler_ddim_and_ddpm_are_of_first_order() {
    for (config, stochastic) in [
        (SamplerConfig::Ddim { eta: 0.0 }, false),
        (SamplerConfig::Ddim { eta: 0.5 }, true),
        (SamplerConfig::Ddpm { variance: Variance::FixedSmall }, true),
        (SamplerConfig::Ddpm { variance: Variance::FixedLarge }, true),
        (SamplerConfig::Euler { churn: Churn::default() }, false),
        (SamplerConfig::Flow { method: FlowMethod::Euler }, false),
    ] {
        has_order(config, stochastic, 0.9..1.15);
    }
}

#[test]
fn heun_and_dpm_solver_2m_are_of_second_order() {
    let (order, kind) = (DpmSolverOrder::Second, DpmSolverKind::Ode);
    for config in [
        SamplerConfig::Heun { churn: Churn::default() },
        SamplerConfig::DpmSolver { order, kind },
        SamplerConfig::Flow { method: FlowMethod::Heun },
    ] {
        has_order(config, false, 1.85..2.3);
    }
}

#[test]
fn pndm_is_of_second_order_at_least_on_steps_that_are_not_equal() {
    for start in [PndmStart::RungeKutta, PndmStart::Heun] {
        has_order(SamplerConfig::Pndm { start }, false, 1.85..4.5);
    }
}

#[test]
fn the_stochastic_dpm_solver_gains_from_its_second_guess() {
    let of = |order| {
        let config = SamplerConfig::DpmSolver { order, kind: DpmSolverKind::Sde };
        let levels = levels(128);
        let law = propagated(&*config.build().unwrap(), &levels, true);
        law.apart(&DATA.at(levels[128])).1
    };
    let (first, second) = (of(DpmSolverOrder::First), of(DpmSolverOrder::Second));
    assert!(second < first / 5.0, "{first} {second}");
    let (order, kind) = (DpmSolverOrder::Second, DpmSolverKind::Sde);
    has_order(SamplerConfig::DpmSolver { order, kind }, true, 0.9..2.6);
}
