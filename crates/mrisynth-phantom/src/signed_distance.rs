//! Signed distances to simple solids: negative inside, in millimetres, exact near the surface.
//!
//! # Source
//! Quilez, *Distance functions* (iquilezles.org): the bound for ellipsoids and the polynomial smooth
//! minimum.

/// A point or a direction: right, front, top, in millimetres.
pub(crate) type Point = [f32; 3];

pub(crate) fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn norm(a: Point) -> f32 {
    dot(a, a).sqrt()
}

pub(crate) fn unit(a: Point) -> Point {
    let length = norm(a).max(1e-6);
    a.map(|v| v / length)
}

fn cross(a: Point, b: Point) -> Point {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The minimum, its crease rounded over a width of `k` millimetres.
pub(crate) fn smooth_min(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.min(b) - h * h * k * 0.25
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(crate) fn smooth_step(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// An ellipsoid in any direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ellipsoid {
    centre: Point,
    axes: [Point; 3],
    inverse_radii: Point,
    smallest: f32,
}

impl Ellipsoid {
    /// With its axes along those of the head.
    pub(crate) fn new(centre: Point, radii: Point) -> Self {
        Self::along(centre, radii, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    }

    /// With the first radius along `first`, the second in the plane of `first` and `second`.
    pub(crate) fn along(centre: Point, radii: Point, first: Point, second: Point) -> Self {
        let first = unit(first);
        let third = unit(cross(first, second));
        let axes = [first, cross(third, first), third];
        let smallest = radii[0].min(radii[1]).min(radii[2]);
        Self { centre, axes, inverse_radii: radii.map(|r| 1.0 / r), smallest }
    }

    /// The same, all radii times a factor.
    pub(crate) fn scaled(mut self, factor: f32) -> Self {
        self.inverse_radii = self.inverse_radii.map(|r| r / factor);
        self.smallest *= factor;
        self
    }

    pub(crate) fn distance(&self, p: Point) -> f32 {
        let q = minus(p, self.centre);
        let a = [0, 1, 2].map(|i| dot(self.axes[i], q) * self.inverse_radii[i]);
        let k0 = norm(a);
        let k1 = norm([0, 1, 2].map(|i| a[i] * self.inverse_radii[i]));
        if k1 < 1e-6 { -self.smallest } else { k0 * (k0 - 1.0) / k1 }
    }
}

/// A chain of round cones: a polyline that has a radius at each node.
#[derive(Clone, Debug)]
pub(crate) struct Tube {
    nodes: Vec<(Point, f32)>,
    /// How much longer a millimetre counts along each axis: above 1 the tube is thinner there.
    metric: Point,
}

impl Tube {
    /// From nodes of x, y, z and radius.
    pub(crate) fn new(nodes: &[[f32; 4]]) -> Self {
        let nodes = nodes.iter().map(|&[x, y, z, r]| ([x, y, z], r)).collect();
        Self { nodes, metric: [1.0; 3] }
    }

    /// Flattened: `metric` 1.5 along an axis makes the section 1.5 times thinner along it.
    pub(crate) fn flattened(mut self, metric: Point) -> Self {
        self.metric = metric;
        self
    }

    /// The same with each radius times `factor` plus `grown`, and moved.
    pub(crate) fn changed(mut self, factor: f32, grown: f32, by: Point) -> Self {
        for (node, radius) in &mut self.nodes {
            *node = [0, 1, 2].map(|i| node[i] + by[i]);
            *radius = (*radius * factor + grown).max(0.3);
        }
        self
    }

    pub(crate) fn distance(&self, p: Point) -> f32 {
        let weigh = |v: Point| [0, 1, 2].map(|i| v[i] * self.metric[i]);
        let mut nearest = f32::INFINITY;
        for pair in self.nodes.windows(2) {
            let ((a, ra), (b, rb)) = (pair[0], pair[1]);
            let (ab, ap) = (weigh(minus(b, a)), weigh(minus(p, a)));
            let t = (dot(ab, ap) / dot(ab, ab).max(1e-6)).clamp(0.0, 1.0);
            let gap = norm(minus(ap, ab.map(|v| v * t))) - (ra + t * (rb - ra));
            nearest = nearest.min(gap);
        }
        nearest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sphere_has_its_exact_distance() {
        let ball = Ellipsoid::new([1.0, 2.0, 3.0], [5.0; 3]);
        for (p, expected) in [([1.0, 2.0, 10.0], 2.0), ([1.0, 5.0, 3.0], -2.0)] {
            assert!((ball.distance(p) - expected).abs() < 1e-5);
        }
        assert_eq!(ball.distance([1.0, 2.0, 3.0]), -5.0);
    }

    #[test]
    fn an_ellipsoid_turns_with_its_axes() {
        let e = Ellipsoid::along([0.0; 3], [9.0, 3.0, 2.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
        let end = 9.0 / 2.0_f32.sqrt();
        assert!(e.distance([end, end, 0.0]).abs() < 1e-4);
        assert!(e.distance([0.0, 0.0, 3.0]).abs() < 1e-4);
    }

    #[test]
    fn a_tube_has_its_radius_along_its_line() {
        let tube = Tube::new(&[[0.0, 0.0, 0.0, 2.0], [10.0, 0.0, 0.0, 4.0]]);
        assert!((tube.distance([5.0, 7.0, 0.0]) - 4.0).abs() < 1e-5);
        assert!((tube.distance([-3.0, 0.0, 0.0]) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_smooth_minimum_is_the_minimum_far_from_the_crease() {
        assert_eq!(smooth_min(1.0, 5.0, 2.0), 1.0);
        assert!(smooth_min(1.0, 1.0, 2.0) < 1.0);
    }
}
