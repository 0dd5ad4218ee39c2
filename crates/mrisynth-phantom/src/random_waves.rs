//! Smooth random fields in space: sums of plane waves of a band of wavelengths.

use keyed_random::{Key, Stream};

use crate::signed_distance::Point;

/// Waves are added eight at a time.
const LANES: usize = 8;

/// Eight waves: wave numbers in turns per millimetre, phases in turns, amplitudes.
#[derive(Clone, Copy, Debug)]
struct Waves8 {
    turns: [[f32; LANES]; 3],
    phase: [f32; LANES],
    amplitude: [f32; LANES],
}

/// A random field of variance 1 with wavelengths from a band, the same everywhere and in every
/// direction.
#[derive(Clone, Debug)]
pub(crate) struct RandomWaves {
    groups: Vec<Waves8>,
}

impl RandomWaves {
    /// `8 · groups` waves with wavelengths between `shortest_mm` and `longest_mm`.
    pub(crate) fn new(key: Key, groups: usize, [shortest_mm, longest_mm]: [f32; 2]) -> Self {
        let mut stream = key.stream();
        let amplitude = (2.0 / (groups * LANES) as f32).sqrt();
        let wave = |stream: &mut Stream| {
            let direction = random_direction(stream);
            let wavelength = shortest_mm + (longest_mm - shortest_mm) * stream.uniform_f32();
            (direction.map(|d| d / wavelength), stream.uniform_f32())
        };
        let group = |_| {
            let mut made = Waves8 {
                turns: [[0.0; LANES]; 3],
                phase: [0.0; LANES],
                amplitude: [amplitude; LANES],
            };
            for lane in 0..LANES {
                let (turns, phase) = wave(&mut stream);
                made.phase[lane] = phase;
                for axis in 0..3 {
                    made.turns[axis][lane] = turns[axis];
                }
            }
            made
        };
        Self { groups: (0..groups).map(group).collect() }
    }

    /// The field at a point.
    #[inline]
    pub(crate) fn at(&self, p: Point) -> f32 {
        let mut sum = [0.0_f32; LANES];
        for g in &self.groups {
            for i in 0..LANES {
                let turns =
                    g.turns[0][i] * p[0] + g.turns[1][i] * p[1] + g.turns[2][i] * p[2] + g.phase[i];
                sum[i] += g.amplitude[i] * sine_of_turns(turns);
            }
        }
        sum.iter().sum()
    }
}

/// A unit vector, every direction alike.
pub(crate) fn random_direction(stream: &mut Stream) -> Point {
    let v = [stream.normal_f32(), stream.normal_f32(), stream.normal_f32()];
    crate::signed_distance::unit(v)
}

/// sin(2π x) to within 0.001: a parabola and its square, in IEEE arithmetic alone, so that the
/// anatomy is the same on every machine.
#[inline(always)]
fn sine_of_turns(x: f32) -> f32 {
    /// Adding and subtracting 1.5 · 2²³ rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    let r = x - ((x + ROUND) - ROUND);
    let y = 16.0 * r * (0.5 - r.abs());
    y * (0.775 + 0.225 * y.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_within_a_thousandth() {
        for i in -4000..4000 {
            let x = i as f32 / 1000.0;
            let exact = (std::f32::consts::TAU * x).sin();
            assert!((sine_of_turns(x) - exact).abs() < 1.2e-3, "{x}");
        }
    }

    #[test]
    fn the_field_has_variance_one_and_depends_on_the_key() {
        let waves = RandomWaves::new(Key::new(1), 4, [10.0, 14.0]);
        let other = RandomWaves::new(Key::new(2), 4, [10.0, 14.0]);
        let points = (0..20_000).map(|i| [i as f32 * 3.1, (i % 91) as f32, (i % 37) as f32]);
        let mean_square = points.clone().map(|p| waves.at(p).powi(2)).sum::<f32>() / 20_000.0;
        assert!((mean_square - 1.0).abs() < 0.15, "{mean_square}");
        assert!(points.take(5).any(|p| waves.at(p) != other.at(p)));
    }
}
