//! Numbers as sines and cosines.

use super::config::ScalarField;

/// Row by row `[u, sin(π u), …, sin(2^(k−1) π u), cos(π u), …]` with u = −1 at `low` and 1 at
/// `high`; zeros for a missing number.
pub(super) fn features(field: &ScalarField, values: &[Option<f64>]) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len() * field.n_features());
    for value in values {
        let Some(value) = value else {
            out.resize(out.len() + field.n_features(), 0.0);
            continue;
        };
        let u = 2.0 * (value - field.low) / (field.high - field.low) - 1.0;
        let phase = |k: usize| std::f64::consts::PI * u * (1_u64 << k) as f64;
        out.push(u as f32);
        out.extend((0..field.n_frequencies).map(|k| phase(k).sin() as f32));
        out.extend((0..field.n_frequencies).map(|k| phase(k).cos() as f32));
    }
    out
}
