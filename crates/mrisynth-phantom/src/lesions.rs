//! What diseases and age add: lesions of multiple sclerosis, hyperintensities of age, a tumour.

use keyed_random::Key;

use crate::morphology::Morphology;
use crate::random_waves::{RandomWaves, random_direction};
use crate::signed_distance::{Ellipsoid, Point, minus, norm};
use crate::subject::{Diagnosis, Subject};

/// The label of the necrotic core of a tumour. The three are outside FreeSurfer's table, and in the
/// order of the BraTS labels 1, 2 and 3.
pub const NECROSIS: i32 = 30_001;
/// The label of the oedema around a tumour.
pub const OEDEMA: i32 = 30_002;
/// The label of the part of a tumour that takes up contrast agent.
pub const ENHANCING: i32 = 30_003;

/// The lesions of one subject at one time.
#[derive(Debug)]
pub(crate) struct Lesions {
    plaques: Vec<Ellipsoid>,
    age_spots: Vec<Ellipsoid>,
    /// How far the caps of the ventricles reach, in millimetres.
    cap_mm: f32,
    ripple: RandomWaves,
    tumour: Option<Tumour>,
}

#[derive(Debug)]
struct Tumour {
    centre: Point,
    necrosis_mm: f32,
    rim_mm: f32,
    oedema_mm: f32,
    shape: RandomWaves,
}

/// What a lesion makes of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lesion {
    Plaque,
    PeriventricularCap,
    AgeSpot,
    Necrosis,
    Enhancing,
    Oedema,
}

impl Lesions {
    pub(crate) fn new(subject: &Subject, m: &Morphology) -> Self {
        let key = subject.key();
        let sclerosis = subject.diagnosis == Diagnosis::MultipleSclerosis;
        let plaques = if sclerosis { plaques(key, subject.years as f32) } else { Vec::new() };
        let tumour = (subject.diagnosis == Diagnosis::Glioblastoma)
            .then(|| Tumour::new(key, subject.years as f32));
        Self {
            plaques,
            age_spots: age_spots(key, m.white_matter_load),
            cap_mm: 0.5 + 2.6 * m.white_matter_load,
            ripple: RandomWaves::new(key.with("caps"), 1, [12.0, 30.0]),
            tumour,
        }
    }

    /// Where the tissue at a point was before the tumour pushed it aside.
    pub(crate) fn before_displacement(&self, p: Point) -> Point {
        let Some(t) = &self.tumour else { return p };
        let from_centre = minus(p, t.centre);
        let reach = 1.9 * (t.necrosis_mm + t.rim_mm);
        let squared = (norm(from_centre) / reach).powi(2);
        // The map stays one to one: its slope along a radius is at least 0.6.
        let pull = 0.38 / (1.0 + squared * squared);
        [0, 1, 2].map(|i| p[i] - pull * from_centre[i])
    }

    /// The tumour at a point: what it is there, and the distance to its nearest surface.
    pub(crate) fn tumour(&self, p: Point, white: bool) -> (Option<Lesion>, f32) {
        let Some(t) = &self.tumour else { return (None, f32::INFINITY) };
        let r = norm(minus(p, t.centre));
        if r > 2.0 * t.oedema_mm {
            return (None, f32::INFINITY);
        }
        let ripple = t.shape.at(p);
        let core = r + 1.8 * ripple - t.necrosis_mm;
        let rim = r + 2.2 * ripple - t.necrosis_mm - t.rim_mm * (1.0 + 0.25 * ripple);
        // Oedema spreads along white matter and spares the grey.
        let oedema = r + 5.0 * ripple - t.oedema_mm;
        let margin = core.abs().min(rim.abs()).min(oedema.abs());
        let found = if core < 0.0 {
            Some(Lesion::Necrosis)
        } else if rim < 0.0 {
            Some(Lesion::Enhancing)
        } else if oedema < 0.0 && white {
            Some(Lesion::Oedema)
        } else {
            None
        };
        (found, margin)
    }

    /// The lesion of white matter at a point, and the distance to the nearest surface of one.
    pub(crate) fn of_white_matter(&self, p: Point, to_ventricle: f32) -> (Option<Lesion>, f32) {
        let nearest = |lesions: &[Ellipsoid]| {
            lesions.iter().map(|l| l.distance(p)).fold(f32::INFINITY, f32::min)
        };
        let plaque = nearest(&self.plaques);
        let spot = nearest(&self.age_spots);
        let cap = if to_ventricle < 9.0 {
            to_ventricle - self.cap_mm * (0.55 + 0.75 * self.ripple.at(p))
        } else {
            f32::INFINITY
        };
        let margin = plaque.abs().min(spot.abs()).min(cap.abs());
        let found = if plaque < 0.0 {
            Some(Lesion::Plaque)
        } else if cap < 0.0 {
            Some(Lesion::PeriventricularCap)
        } else if spot < 0.0 {
            Some(Lesion::AgeSpot)
        } else {
            None
        };
        (found, margin)
    }
}

impl Tumour {
    fn new(key: Key, years: f32) -> Self {
        let mut chance = key.with("tumour").stream();
        let side = if chance.bool(0.5) { 1.0 } else { -1.0 };
        let mut uniform = |low: f32, high: f32| low + (high - low) * chance.uniform_f32();
        let centre = [side * uniform(26.0, 38.0), uniform(-42.0, 44.0), uniform(8.0, 34.0)];
        let grown = (1.0 + 0.6 * years).min(2.0);
        let necrosis_mm = uniform(6.0, 11.0) * grown;
        let rim_mm = uniform(3.0, 5.0);
        let oedema_mm = necrosis_mm + rim_mm + uniform(9.0, 17.0);
        let shape = RandomWaves::new(key.with("tumour shape"), 2, [11.0, 30.0]);
        Self { centre, necrosis_mm, rim_mm, oedema_mm, shape }
    }
}

/// Ellipsoids that stand upright on the lateral ventricles (Dawson's fingers), and a few elsewhere.
fn plaques(key: Key, years: f32) -> Vec<Ellipsoid> {
    const MOST: u64 = 70;
    let key = key.with("plaques");
    let first = 16.0 + 22.0 * key.stream().uniform_f32();
    let plaque = |i: u64| {
        let mut chance = key.with_index(i).stream();
        // Six new ones every year, each of which grows for a while.
        let age = years - (i as f32 - first) / 6.0;
        if age < 0.0 {
            return None;
        }
        let side = if chance.bool(0.5) { 1.0 } else { -1.0 };
        let mut uniform = |low: f32, high: f32| low + (high - low) * chance.uniform_f32();
        let periventricular = uniform(0.0, 1.0) < 0.65;
        let centre = if periventricular {
            let y = uniform(-36.0, 36.0);
            let x = 15.0 + 0.008 * y * y + uniform(-2.0, 6.0);
            [side * x, y, 20.0 - 0.009 * y * y + uniform(-6.0, 5.0)]
        } else {
            [side * uniform(18.0, 44.0), uniform(-45.0, 45.0), uniform(14.0, 40.0)]
        };
        let size = uniform(1.8, 4.2) * (0.6 + 0.4 * age.min(1.0));
        let outwards = [side, uniform(-0.3, 0.3), uniform(0.0, 0.8)];
        let stretch = if periventricular { 1.9 } else { 1.2 };
        Some(Ellipsoid::along(centre, [stretch * size, size, size], outwards, [0.0, 1.0, 0.0]))
    };
    (0..MOST).filter_map(plaque).collect()
}

/// Small spots of the deep white matter, more with age.
fn age_spots(key: Key, load: f32) -> Vec<Ellipsoid> {
    const MOST: u64 = 40;
    let count = (2.0 + 22.0 * load) as u64;
    let spot = |i: u64| {
        let mut chance = key.with("age spots").with_index(i).stream();
        let side = if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        let mut uniform = |low: f32, high: f32| low + (high - low) * chance.uniform_f32();
        let centre = [side * uniform(20.0, 40.0), uniform(-42.0, 42.0), uniform(16.0, 36.0)];
        let size = uniform(1.1, 1.6 + 1.4 * load);
        let along = random_direction(&mut key.with("age spot axes").with_index(i).stream());
        Ellipsoid::along(centre, [1.6 * size, size, size], along, [0.1, 0.3, 1.0])
    };
    (0..count.min(MOST)).map(spot).collect()
}
