use mrisynth_volume::{Affine, Geometry, IntensityMap, LinearMap};

use super::*;

/// A grid whose left–right axis is the second and runs to the left.
fn sample() -> Prepared {
    let columns = [[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
    let geometry =
        Geometry::new([6, 5, 4], Affine::from_columns(columns, [2.0, 3.0, 4.0]).unwrap()).unwrap();
    let labels = [0, 17, 53, 16];
    let map = IntensityMap::Linear(LinearMap { slope: 1.0, offset: 0.0, clip: None });
    Prepared {
        images: (0..240).map(|i| (i * 7919 % 240) as f32 / 240.0).collect(),
        mask: Some((0..120).map(|i| labels[i / 7 % 4]).collect()),
        geometry,
        intensity: vec![map.clone(), map],
    }
}

fn applied(config: &AugmentationConfig, drawn: &Augmentation) -> Prepared {
    let mut changed = sample();
    config.apply(drawn, Key::new(1), &mut changed).unwrap();
    changed
}

#[test]
fn a_flip_is_exact_along_the_axis_that_runs_left_to_right_and_swaps_sides() {
    let config = AugmentationConfig { flip: Some(Flip::default()), ..Default::default() };
    let drawn = Augmentation { flip: true, ..Augmentation::default() };
    let (before, mut after) = (sample(), applied(&config, &drawn));
    let at = |c: usize, x: usize, y: usize, z: usize| z + 4 * (y + 5 * (x + 6 * c));
    for (x, y, z) in [(0, 0, 0), (5, 1, 3), (2, 4, 1)] {
        assert_eq!(after.images[at(1, x, y, z)], before.images[at(1, x, 4 - y, z)]);
        let (now, was) = (after.mask.as_ref().unwrap(), before.mask.as_ref().unwrap());
        let swapped = [(17, 53), (53, 17), (16, 16), (0, 0)];
        let expected = swapped.iter().find(|(a, _)| *a == was[at(0, x, 4 - y, z)]).unwrap().1;
        assert_eq!(now[at(0, x, y, z)], expected);
    }
    config.apply(&drawn, Key::new(1), &mut after).unwrap();
    assert_eq!(after, before, "two flips are none");
}

#[test]
fn movements_go_where_they_say() {
    let still = AffineDraw { rotation_deg: [0.0; 3], scale: [1.0; 3], translation_mm: [0.0; 3] };
    let moved = |affine| {
        let drawn = Augmentation { affine: Some(affine), ..Augmentation::default() };
        applied(&AugmentationConfig::default(), &drawn)
    };
    assert_eq!(moved(still), sample());
    // One millimetre up is one voxel along the first axis.
    let up = moved(AffineDraw { translation_mm: [0.0, 0.0, 1.0], ..still });
    assert_eq!(up.images[..100], sample().images[20..120]);
    let least = sample().images[..120].iter().copied().fold(f32::INFINITY, f32::min);
    assert!(up.images[100..120].iter().all(|&v| v == least), "outside is the least of the channel");
    assert_eq!(up.mask.unwrap()[100..], [0; 20]);
    // Half a turn about the axis to the front reverses the two others.
    let turned = moved(AffineDraw { rotation_deg: [0.0, 180.0, 0.0], ..still });
    let at = |x: usize, y: usize, z: usize| z + 4 * (y + 5 * x);
    assert!((turned.images[at(1, 0, 2)] - sample().images[at(4, 4, 2)]).abs() < 1e-5);
    // Twice the size of the field read: the centre stays.
    let wide = moved(AffineDraw { scale: [3.0, 1.0, 1.0], ..still });
    assert!((wide.images[at(3, 2, 1)] - sample().images[at(3, 2, 1)]).abs() < 1e-6);
    assert_eq!(wide.images[at(3, 0, 1)], least);
}

#[test]
fn intensities_stay_in_the_range_of_their_channel() {
    let config = AugmentationConfig::all();
    for seed in 0..50 {
        let key = Key::new(seed);
        let drawn = config.draw(key, 2);
        let mut changed = sample();
        changed.images[120..].iter_mut().for_each(|v| *v = *v * 2.0 - 1.0);
        config.apply(&drawn, key, &mut changed).unwrap();
        assert!(changed.images[..120].iter().all(|v| (0.0..1.0).contains(v)));
        assert!(changed.images[120..].iter().all(|v| (-1.0..1.0).contains(v)));
        let again = config.draw(key, 2);
        assert_eq!(drawn, again);
        let mut twice = sample();
        twice.images[120..].iter_mut().for_each(|v| *v = *v * 2.0 - 1.0);
        config.apply(&again, key, &mut twice).unwrap();
        assert_eq!(twice, changed);
    }
}

#[test]
fn gamma_bias_and_noise_follow_their_formulas() {
    let config = AugmentationConfig::default();
    let gamma = Augmentation { gamma: Some(vec![2.0, 1.0]), ..Augmentation::default() };
    let (after, before) = (applied(&config, &gamma), sample());
    let first = &before.images[..120];
    let (low, high) = first.iter().fold((1.0_f32, 0.0_f32), |(l, h), &v| (l.min(v), h.max(v)));
    let expected = low + (high - low) * ((first[50] - low) / (high - low)).powi(2);
    assert!((after.images[50] - expected).abs() < 1e-6);
    // The first term is z alone: the field is 1 in the middle and e^(−c) at z = 0.
    let mut terms = vec![0.0; intensity::N_TERMS];
    terms[0] = 0.2;
    let bias = Augmentation { bias: Some(vec![terms.clone(), terms]), ..Augmentation::default() };
    let after = applied(&config, &bias);
    let expected = low + (first[52] - low) * (-0.2_f32).exp();
    assert!((after.images[52] - expected).abs() < 1e-6);
    let noise = Augmentation { noise: Some(vec![0.01, 0.0]), ..Augmentation::default() };
    let after = applied(&config, &noise);
    assert_eq!(after.images[120..], before.images[120..]);
    let mean_square =
        (0..120).map(|i| (after.images[i] - before.images[i]).powi(2)).sum::<f32>() / 120.0;
    assert!((mean_square.sqrt() - 0.01).abs() < 0.003, "{}", mean_square.sqrt());
}

#[test]
fn one_setting_leaves_the_draws_of_the_others_alone() {
    let all = AugmentationConfig::all();
    let without = AugmentationConfig { flip: None, gamma: None, ..all.clone() };
    let mut happened = [0; 5];
    for seed in 0..400 {
        let (a, b) = (all.draw(Key::new(seed), 3), without.draw(Key::new(seed), 3));
        assert_eq!((&a.affine, &a.bias, &a.noise), (&b.affine, &b.bias, &b.noise));
        let these =
            [a.flip, a.affine.is_some(), a.gamma.is_some(), a.bias.is_some(), a.noise.is_some()];
        these.iter().zip(&mut happened).for_each(|(&on, n)| *n += i32::from(on));
    }
    for (n, p) in happened.iter().zip([0.5, 0.75, 0.5, 0.5, 0.5]) {
        assert!((f64::from(*n) - 400.0 * p).abs() < 40.0, "{happened:?}");
    }
}

/// Other draws stay as they are.
#[test]
fn turns_are_about_the_chosen_axes_alone() {
    let config = |about: [bool; 3]| AugmentationConfig {
        affine: Some(AffineJitter { probability: 1.0, rotated_about: about, ..Default::default() }),
        ..AugmentationConfig::default()
    };
    let draw = |about| config(about).draw(Key::new(3), 1).affine.unwrap();
    let (all, thin) = (draw([true; 3]), draw([false, false, true]));
    assert!(all.rotation_deg.iter().all(|angle| *angle != 0.0));
    assert_eq!(thin.rotation_deg, [0.0, 0.0, all.rotation_deg[2]]);
    assert_eq!((thin.scale, thin.translation_mm), (all.scale, all.translation_mm));
}

#[test]
fn every_refused_setting_is_named() {
    let refused = |json: &str| {
        let config: AugmentationConfig = serde_json::from_str(json).unwrap();
        config.check().unwrap_err().to_string()
    };
    for (json, field) in [
        (r#"{"flip": {"probability": 1.5}}"#, "flip.probability"),
        (r#"{"flip": {"labels": {"table": {"1": 2}}}}"#, "flip.labels"),
        (r#"{"affine": {"probability": -0.1}}"#, "affine.probability"),
        (r#"{"affine": {"rotation_deg": 200}}"#, "affine.rotation_deg"),
        (r#"{"affine": {"scaling": 1}}"#, "affine.scaling"),
        (r#"{"affine": {"translation_mm": -1}}"#, "affine.translation_mm"),
        (r#"{"gamma": {"probability": 2}}"#, "gamma.probability"),
        (r#"{"gamma": {"log_gamma": 6}}"#, "gamma.log_gamma"),
        (r#"{"bias": {"probability": 2}}"#, "bias.probability"),
        (r#"{"bias": {"coefficient": -1}}"#, "bias.coefficient"),
        (r#"{"noise": {"probability": 2}}"#, "noise.probability"),
        (r#"{"noise": {"std": 11}}"#, "noise.std"),
    ] {
        assert!(refused(json).starts_with(field), "{}", refused(json));
    }
    let json = r#"{"flip": {"labels": {"table": {"1": 2, "2": 1}}}}"#;
    assert!(serde_json::from_str::<AugmentationConfig>(json).unwrap().check().is_ok());
    assert!(AugmentationConfig::all().check().is_ok());
}
