use super::*;
use crate::Posterior;

fn of(betas: Betas, steps: usize) -> Schedule {
    Schedule::new(&ScheduleConfig { steps, betas, ..Default::default() }).unwrap()
}

#[test]
fn cosine_follows_its_closed_form_up_to_where_it_is_cut() {
    let schedule = of(Betas::COSINE, 250);
    let f = |u: f64| ((u + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
    for t in 0..249 {
        let want = f((t + 1) as f64 / 250.0) / f(0.0);
        assert!((schedule.alphas_cumprod()[t] - want).abs() < 1e-14, "{t}");
    }
    assert_eq!(schedule.betas()[249], 0.999);
}

#[test]
fn zero_terminal_snr_ends_in_pure_noise_and_keeps_the_first_level() {
    let config = ScheduleConfig { rescale_zero_terminal_snr: true, ..Default::default() };
    let (rescaled, plain) = (Schedule::new(&config).unwrap(), of(Betas::default(), 1000));
    assert_eq!(rescaled.level(999).unwrap(), Level::PURE_NOISE);
    assert!((rescaled.alphas_cumprod()[0] - plain.alphas_cumprod()[0]).abs() < 1e-15);
    assert_eq!(rescaled.betas()[999], 1.0);
}

#[test]
fn a_level_of_the_table_is_at_its_timestep_and_others_lie_between() {
    let zero_snr = ScheduleConfig { rescale_zero_terminal_snr: true, ..Default::default() };
    for schedule in
        [of(Betas::default(), 1000), of(Betas::COSINE, 250), Schedule::new(&zero_snr).unwrap()]
    {
        for t in 0..schedule.steps() {
            assert_eq!(schedule.timestep(schedule.level(t).unwrap()), t as f64);
        }
        let (a, b) = (schedule.level(40).unwrap(), schedule.level(41).unwrap());
        let between = Level::variance_exploding((a.sigma() * b.sigma()).sqrt());
        assert!((schedule.timestep(between) - 40.5).abs() < 1e-9);
        assert_eq!(schedule.timestep(Level::CLEAN), 0.0);
        assert_eq!(schedule.timestep(Level::PURE_NOISE), (schedule.steps() - 1) as f64);
    }
}

#[test]
fn buffers_hold_the_posterior_of_neighbours() {
    let schedule = of(Betas::ScaledLinear { start: 0.0005, end: 0.0195 }, 1000);
    let buffers = schedule.gaussian_diffusion_buffers();
    assert_eq!(buffers.len(), 13);
    for t in [1, 2, 500, 999] {
        let [level, next] = [t, t - 1].map(|t| schedule.level(t).unwrap());
        let law = Posterior::between(level, next).unwrap();
        for (name, want) in [
            ("posterior_mean_coef1", law.of_x0),
            ("posterior_mean_coef2", law.of_x),
            ("posterior_variance", law.small),
            ("betas", law.large),
        ] {
            let got = f64::from(buffers[name][t]);
            assert!((got - want).abs() < 1e-7 * want.abs().max(1e-3), "{name} {t}: {got} {want}");
        }
    }
}
