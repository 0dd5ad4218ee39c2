//! Orientation, aspect and labels proved on phantoms whose world position is known.

use super::*;
use crate::palette::{Palette, distinct_colour};
use mrisynth_volume::{Affine, Direction, LabelMap};

/// All pixels of a panel have sides of one millimetre in these tests.
const SIDE_PX: usize = 120;

fn all_orientations() -> Vec<Orientation> {
    let letters = "RLAPSI".chars();
    let codes = letters.clone().flat_map(|a| {
        let letters = letters.clone();
        letters.clone().flat_map(move |b| letters.clone().map(move |c| format!("{a}{b}{c}")))
    });
    codes.filter_map(|code| code.parse().ok()).collect()
}

/// 100 × 120 × 110 mm around the world's origin, in voxels of 2 × 1 × 2.5 mm.
fn ras_geometry() -> Geometry {
    let affine = Affine::from_spacing_mm([2.0, 1.0, 2.5], [-49.0, -59.5, -53.75]).unwrap();
    Geometry::new([50, 120, 44], affine).unwrap()
}

fn of_world<T>(geometry: Geometry, value: impl Fn([f64; 3]) -> T) -> Volume<T> {
    Volume::from_fn(geometry, |index| {
        value(geometry.voxel_to_world().apply(index.map(|i| i as f64)))
    })
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// To the right, to the front and to the top.
const BLOB_MM: [f64; 3] = [25.0, 35.5, 31.25];

fn blob(world: [f64; 3]) -> f32 {
    if distance(world, BLOB_MM) < 10.0 { 100.0 } else { 1.0 + (world[0] * 0.1) as f32 }
}

fn options(convention: Convention) -> MontageOptions {
    let focus_mm = Some(BLOB_MM);
    let window = Window::Range { low: 0.0, high: 100.0 };
    MontageOptions { convention, focus_mm, window, longest_side_px: SIDE_PX }
}

fn panels(volume: &Volume, overlay: Option<&Overlay<'_>>, convention: Convention) -> Vec<Picture> {
    let picture = montage(volume, overlay, &options(convention)).unwrap();
    panels_of(&picture, &ras_geometry(), SIDE_PX)
}

/// Cuts the panels of a montage with 1 mm, or as many pixels as `longest_side_px` makes of it, back
/// out of it: the layout told a second time.
fn panels_of(montage: &Picture, ras: &Geometry, longest_side_px: usize) -> Vec<Picture> {
    use layout::{GAP, MARGIN, MIN_CELL, MIN_WIDTH};
    let spacing_mm = ras.spacing_mm();
    let extent_mm = [0, 1, 2].map(|a| ras.shape()[a] as f64 * spacing_mm[a]);
    let longest_mm = extent_mm.into_iter().fold(0.0, f64::max);
    let [x, y, z] = extent_mm.map(|mm| (mm * longest_side_px as f64 / longest_mm).round() as usize);
    let cells = [y, x, x].map(|width| width.max(MIN_CELL) + 2 * MARGIN);
    let mut left = MIN_WIDTH.saturating_sub(2 * GAP + cells.iter().sum::<usize>()) / 2;
    let mut panels = Vec::new();
    for ([width, height], cell) in [[y, z], [x, z], [x, y]].into_iter().zip(cells) {
        let start = [left + (cell - width) / 2, MARGIN + (z.max(y) - height) / 2];
        let mut panel = Picture::black(width, height).unwrap();
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            panel.set(x, y, montage.pixel(start[0] + x, start[1] + y));
        }
        panels.push(panel);
        left += cell + GAP;
    }
    panels
}

/// The mean column and row, and the width and height, of the pixels that fulfil a condition.
fn spot(picture: &Picture, inside: impl Fn([u8; 3]) -> bool) -> ([f64; 2], [usize; 2]) {
    let mut found = Vec::new();
    for y in 0..picture.height() {
        found.extend(
            (0..picture.width()).map(|x| [x, y]).filter(|&[x, y]| inside(picture.pixel(x, y))),
        );
    }
    assert!(!found.is_empty(), "no such pixel");
    let mean = [0, 1].map(|a| found.iter().map(|p| p[a] as f64).sum::<f64>() / found.len() as f64);
    let extent = [0, 1].map(|a| {
        let along = found.iter().map(|p| p[a]);
        along.clone().max().unwrap() - along.min().unwrap() + 1
    });
    (mean, extent)
}

fn is_bright([r, g, b]: [u8; 3]) -> bool {
    r == g && g == b && r > 128
}

fn is_coloured([r, g, b]: [u8; 3]) -> bool {
    r != g || g != b
}

#[test]
fn all_48_stored_orientations_give_the_same_planes() {
    let expected = panels(&of_world(ras_geometry(), blob), None, Convention::Radiological);
    let orientations = all_orientations();
    assert_eq!(orientations.len(), 48);
    for orientation in orientations {
        let volume = of_world(ras_geometry().reoriented(orientation), blob);
        let found = panels(&volume, None, Convention::Radiological);
        assert!(found == expected, "{orientation}");
    }
}

#[test]
fn right_anterior_and_superior_are_where_they_are_lettered() {
    let volume = of_world(ras_geometry(), blob);
    for convention in [Convention::Radiological, Convention::Neurological] {
        let drawn = panels(&volume, None, convention);
        for (plane, picture) in PLANES.into_iter().zip(drawn) {
            let panel = Panel::new(plane, convention, &ras_geometry(), [0; 3], 1.0);
            let ([x, y], _) = spot(&picture, is_bright);
            let (x, y) = (x / picture.width() as f64, y / picture.height() as f64);
            let to_sides = [x, 1.0 - x, y, 1.0 - y]; // as the sides are lettered
            for (side, distance) in panel.sides.into_iter().zip(to_sides) {
                let near =
                    matches!(side, Direction::Right | Direction::Anterior | Direction::Superior);
                assert_eq!(distance < 0.45, near, "{plane:?} {convention:?} {side:?} {distance}");
            }
        }
    }
}

#[test]
fn the_letters_are_those_of_the_convention() {
    let letters = |convention| {
        PLANES.map(|plane| {
            let panel = Panel::new(plane, convention, &ras_geometry(), [0; 3], 1.0);
            panel.sides.iter().map(|side| side.letter()).collect::<String>()
        })
    };
    // Left, right, top, bottom.
    assert_eq!(letters(Convention::Radiological), ["APSI", "RLSI", "RLAP"]);
    assert_eq!(letters(Convention::Neurological), ["APSI", "LRSI", "LRAP"]);
}

#[test]
fn the_convention_mirrors_the_coronal_and_the_axial_plane() {
    let volume = of_world(ras_geometry(), blob);
    let radiological = panels(&volume, None, Convention::Radiological);
    let neurological = panels(&volume, None, Convention::Neurological);
    assert_eq!(radiological[0], neurological[0]);
    for (a, b) in radiological.iter().zip(&neurological).skip(1) {
        assert_ne!(a, b);
        for (x, y) in (0..a.height()).flat_map(|y| (0..a.width()).map(move |x| (x, y))) {
            assert_eq!(a.pixel(x, y), b.pixel(a.width() - 1 - x, y));
        }
    }
}

#[test]
fn a_ball_in_flat_voxels_is_round() {
    let affine = Affine::from_spacing_mm([1.0, 1.0, 3.0], [-60.0, -60.0, -60.0]).unwrap();
    let geometry = Geometry::new([121, 121, 41], affine).unwrap();
    let ball = |world| (80.0 - distance(world, [0.0; 3])).max(0.0) as f32;
    for orientation in ["RAS", "PSR", "LIA"] {
        let geometry = geometry.reoriented(orientation.parse().unwrap());
        let window = Window::Range { low: 0.0, high: 80.0 }; // grey 128 at a radius of 40 mm
        let options = MontageOptions { window, longest_side_px: 369, ..Default::default() };
        let picture = montage(&of_world(geometry, ball), None, &options).unwrap();
        for panel in panels_of(&picture, &geometry.reoriented(Orientation::RAS), 369) {
            let (_, [width, height]) = spot(&panel, is_bright);
            // 3 pixels per mm; a chord of the ball across 3 mm is flat by up to 0.03 mm.
            assert!(width.abs_diff(240) <= 2 && height.abs_diff(240) <= 2, "{width} {height}");
        }
    }
}

#[test]
fn labels_lie_over_what_they_label() {
    let inside = |world| i32::from(distance(world, BLOB_MM) < 10.0) * 17;
    let volume = of_world(ras_geometry(), blob);
    let labels = of_world(ras_geometry(), inside);
    let palette = Palette::Listed([(17, [17, 0, 255])].into());
    let overlay = Overlay { labels: &labels, palette, opacity: 1.0 };
    let plain = panels(&volume, None, Convention::Radiological);
    let expected = panels(&volume, Some(&overlay), Convention::Radiological);
    for (plain, coloured) in plain.iter().zip(&expected) {
        let (at, size) = spot(coloured, |rgb| rgb == [17, 0, 255]);
        let (bright_at, bright_size) = spot(plain, is_bright);
        for a in 0..2 {
            assert!((at[a] - bright_at[a]).abs() < 0.6, "{at:?} {bright_at:?}");
            assert!(size[a].abs_diff(bright_size[a]) <= 2, "{size:?} {bright_size:?}");
        }
    }
    for orientation in all_orientations() {
        let labels = of_world(ras_geometry().reoriented(orientation), inside);
        let overlay = Overlay { labels: &labels, ..overlay.clone() };
        let found = panels(&volume, Some(&overlay), Convention::Radiological);
        assert!(found == expected, "{orientation}");
    }
}

#[test]
fn labels_on_another_grid_are_found_through_world_space() {
    let oblique = Affine::from_columns(
        [[1.8, 0.6, 0.2], [-0.5, 1.9, -0.3], [-0.2, 0.3, 2.1]],
        [-60.0, -75.0, -70.0],
    );
    let grid = Geometry::new([70, 70, 70], oblique.unwrap()).unwrap();
    let inside = |world| i32::from(distance(world, BLOB_MM) < 10.0);
    let labels = of_world(grid, inside);
    let volume = of_world(ras_geometry(), blob);
    let overlay = Overlay { opacity: 1.0, ..Overlay::new(&labels) };
    let plain = panels(&volume, None, Convention::Neurological);
    for (plain, coloured) in
        plain.iter().zip(panels(&volume, Some(&overlay), Convention::Neurological))
    {
        let ((at, _), (bright_at, _)) = (spot(&coloured, is_coloured), spot(plain, is_bright));
        assert!((0..2).all(|a| (at[a] - bright_at[a]).abs() < 1.0), "{at:?} {bright_at:?}");
    }
    // The other way round: an oblique scan under axis-aligned labels.
    let (volume, labels) = (of_world(grid, blob), of_world(ras_geometry(), inside));
    let overlay = Overlay { opacity: 1.0, ..Overlay::new(&labels) };
    let draw = |overlay| {
        let picture = montage(&volume, overlay, &options(Convention::Radiological)).unwrap();
        panels_of(&picture, &grid, SIDE_PX)
    };
    for (plain, coloured) in draw(None).iter().zip(draw(Some(&overlay))) {
        let ((at, _), (bright_at, _)) = (spot(&coloured, is_coloured), spot(plain, is_bright));
        assert!((0..2).all(|a| (at[a] - bright_at[a]).abs() < 1.0), "{at:?} {bright_at:?}");
    }
}

#[test]
fn half_opacity_is_half_way_between_grey_and_colour() {
    let (labels, volume) =
        (of_world(ras_geometry(), |_| 3), of_world(ras_geometry(), |_| 100.0_f32));
    let overlay = Overlay { labels: &labels, palette: Palette::Distinct, opacity: 0.5 };
    let drawn = panels(&volume, Some(&overlay), Convention::Radiological);
    let expected = distinct_colour(3).map(|c| (255.0 + 0.5 * (f32::from(c) - 255.0)).round() as u8);
    assert_eq!(drawn[1].pixel(50, 50), expected);
}

#[test]
fn degenerate_volumes_are_drawn() {
    let fills = [0.0, 1.0, -3.0, f32::NAN, f32::INFINITY, f32::MIN, 1e-40];
    for shape in [[1, 1, 1], [1, 5, 7], [40, 1, 1], [1, 1, 5000], [2, 3, 2]] {
        for spacing_mm in [[1.0, 1.0, 1.0], [1e-3, 1.0, 1e3], [1e-100, 1e100, 1.0]] {
            let affine = Affine::from_spacing_mm(spacing_mm, [0.0; 3]).unwrap();
            let geometry = Geometry::new(shape, affine).unwrap();
            for fill in fills {
                let volume = Volume::from_fn(geometry, |[x, ..]| if x == 0 { fill } else { 2.0 });
                let labels = LabelMap::from_fn(geometry, |_| i32::MIN);
                let overlay = Overlay::new(&labels);
                montage(&volume, Some(&overlay), &MontageOptions::default()).unwrap();
            }
        }
    }
}

#[test]
fn options_outside_their_domain_are_refused_by_name() {
    let volume = of_world(ras_geometry(), blob);
    let labels = of_world(ras_geometry(), |_| 1);
    let refused = |overlay: Option<&Overlay<'_>>, options: MontageOptions| {
        montage(&volume, overlay, &options).unwrap_err().to_string()
    };
    for focus in [[500.0, 0.0, 0.0], [f64::NAN, 0.0, 0.0], [0.0, 0.0, -55.1]] {
        let options = MontageOptions { focus_mm: Some(focus), ..Default::default() };
        assert!(refused(None, options).starts_with("focus_mm"));
    }
    for longest_side_px in [0, usize::MAX] {
        let options = MontageOptions { longest_side_px, ..Default::default() };
        assert!(refused(None, options).starts_with("longest_side_px"));
    }
    for opacity in [-0.1, 1.1, f32::NAN] {
        let overlay = Overlay { opacity, ..Overlay::new(&labels) };
        assert!(refused(Some(&overlay), MontageOptions::default()).starts_with("opacity"));
    }
}
