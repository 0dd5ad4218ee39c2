//! The folds of the cortex: sulci as sheets that hang from the hull into the brain.
//!
//! A narrow band of random waves on the hull, carried inwards along its normals, is zero on sheets
//! about half a wavelength apart; the value over its slope is the distance to the nearest sheet. A
//! sulcus is what lies close to a sheet and not deeper than the sulcus goes. Part of the waves is
//! the same in everybody and in both hemispheres, so that subjects have sulci in common.

use std::sync::LazyLock;

use keyed_random::Key;

use crate::hull;
use crate::lattice::Lattice;
use crate::morphology::Morphology;
use crate::random_waves::RandomWaves;
use crate::signed_distance::{Point, norm, smooth_min, smooth_step};

/// The box around the cerebrum in the template.
const LOW: Point = [-72.0, -84.0, -48.0];
const HIGH: Point = [72.0, 86.0, 66.0];
const SPACING_MM: f32 = 2.0;

/// Depth below the hull, and the unit vector towards the nearest surface of hull or fissure.
static HULL: LazyLock<Lattice<4>> = LazyLock::new(|| {
    let depths = Lattice::of(LOW, HIGH, SPACING_MM, |p| {
        let depth = -hull::cerebrum(p);
        [depth, depth.min(hull::interhemispheric(p))]
    });
    depths.derive(|_, [depth, _], slope| {
        let inwards = slope.map(|s| s[1]);
        let length = norm(inwards).max(0.2);
        [depth, -inwards[0] / length, -inwards[1] / length, -inwards[2] / length]
    })
});

/// Depth in millimetres below the unfolded hull of the cerebrum, fissures not counted.
pub(crate) fn depth_below_hull(p: Point) -> f32 {
    HULL.at(p)[0]
}

/// The folds of one subject.
#[derive(Debug)]
pub(crate) struct Folding {
    /// Signed distances to the primary and the secondary sheets, depth of the primary sulci,
    /// variation of the thickness; how far the Sylvian fissure winds here.
    fields: Lattice<7>,
    sulcus_mm: f32,
    shrinkage_mm: f32,
    thickness: f32,
}

/// Where a point lies in the folded cortex.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CortexPosition {
    /// Distance to the pial surface, positive inside the brain.
    pub(crate) below_pia: f32,
    /// Thickness of the cortex here.
    pub(crate) thickness: f32,
}

impl Folding {
    pub(crate) fn new(key: Key, morphology: &Morphology) -> Self {
        let everybody = Key::new(0).with("folds that subjects share");
        let shared = RandomWaves::new(everybody, 3, [25.0, 32.0]);
        let own = RandomWaves::new(key.with("folds"), 3, [25.0, 32.0]);
        let shared_fine = RandomWaves::new(everybody.with("secondary"), 3, [15.0, 20.0]);
        let own_fine = RandomWaves::new(key.with("secondary folds"), 3, [15.0, 20.0]);
        let warp = [0, 1, 2]
            .map(|i| RandomWaves::new(key.with("fold warp").with_index(i), 1, [28.0, 45.0]));
        let depth = RandomWaves::new(key.with("fold depth"), 1, [25.0, 50.0]);
        let thickness = RandomWaves::new(key.with("thickness"), 1, [20.0, 60.0]);
        let values: Lattice<7> = HULL.derive(|p, [below, nx, ny, nz], _| {
            let inside = below.min(hull::interhemispheric(p)).clamp(-4.0, 26.0);
            let onto = 0.8 * inside;
            let q = [p[0] + onto * nx, p[1] + onto * ny, p[2] + onto * nz];
            let wound = [0, 1, 2].map(|i| warp[i].at(apart(q)));
            let q = [0, 1, 2].map(|i| q[i] + 2.2 * wound[i]);
            // Both hemispheres share folds; far from the midplane, where it shows no seam.
            let mirrored = [q[0].abs(), q[1], q[2]];
            let primary = 0.82 * shared.at(mirrored) + 0.57 * own.at(apart(q));
            let secondary = 0.5 * shared_fine.at(mirrored) + 0.87 * own_fine.at(apart(q));
            let deep = (19.5 + 5.0 * depth.at(q)) * morphology.fold_depth;
            let thick = thickness.at(q).clamp(-2.0, 2.0);
            let [wx, wy, wz] = wound;
            [primary, secondary, deep.clamp(7.0, 28.0), thick, wx, wy, wz]
        });
        let fields = values.derive(|_, [primary, secondary, deep, thick, wx, wy, wz], slope| {
            let distance = |value: f32, channel: usize| {
                (value / norm(slope.map(|s| s[channel])).max(1e-3)).clamp(-9.0, 9.0)
            };
            [distance(primary, 0), distance(secondary, 1), deep, thick, wx, wy, wz]
        });
        Self {
            fields,
            sulcus_mm: morphology.sulcus_mm,
            shrinkage_mm: morphology.shrinkage_mm,
            thickness: morphology.cortex,
        }
    }

    /// Where a point lies, `hull_depth` below the hull.
    pub(crate) fn position(&self, p: Point, hull_depth: f32) -> CortexPosition {
        let [primary, secondary, deep, thick, wx, wy, wz] = self.fields.at(p);
        let fissure = hull::interhemispheric(p) - 0.5 - 0.8 * self.sulcus_mm;
        let depth = (hull_depth - self.shrinkage_mm).min(fissure);
        // Sulci gape towards the surface.
        let gape = (1.0 - depth.max(0.0) / 5.0).max(0.0);
        let width = self.sulcus_mm * (1.0 + 1.6 * gape * gape);
        // No sulcus cuts into what joins the hemispheres.
        let medial = 1.0 - smooth_step(12.0, 20.0, p[0].abs());
        let joined = 4.0 * medial * (-hull::core_section(p)).max(0.0);
        let blade = |distance: f32, deep: f32, width: f32| {
            let beyond = (depth + joined - deep).max(0.0);
            (distance * distance + beyond * beyond).sqrt() - width
        };
        let primary_sulcus = blade(primary, deep, width);
        let secondary_sulcus = blade(secondary, 0.20 * deep, 0.8 * width);
        let winding = [p[0] + 1.8 * wx, p[1] + 2.0 * wy, p[2] + 2.2 * wz];
        let sylvian = hull::sylvian(winding) - 0.6 - 0.9 * self.sulcus_mm;
        let sulci = smooth_min(primary_sulcus, secondary_sulcus, 1.0);
        let below_pia = smooth_min(smooth_min(depth, sulci, 1.6), sylvian, 1.6);
        // Thicker on the crowns, thinner at the bottoms of sulci.
        let crown = 0.35 - 0.06 * depth.clamp(0.0, 12.0);
        let thickness = self.thickness * (2.95 + 0.28 * thick + crown);
        CortexPosition { below_pia, thickness: thickness.clamp(1.7, 4.2) }
    }
}

/// The hemispheres moved apart, so that what is random differs across the midplane.
fn apart([x, y, z]: Point) -> Point {
    [x + 60.0 * x.signum(), y, z]
}
