use super::*;

fn oblique() -> Geometry {
    let affine = Affine::from_rows([
        [-0.92, 0.11, 0.35, 88.5],
        [0.05, 1.04, -0.62, -101.25],
        [0.21, 0.33, 2.05, -60.0],
        [0.0, 0.0, 0.0, 1.0],
    ])
    .unwrap();
    Geometry::new([17, 22, 9], affine).unwrap()
}

fn assert_near(a: [f64; 3], b: [f64; 3]) {
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} is not {b:?}");
}

#[test]
fn every_orientation_is_reached_and_undone() {
    let grid = oblique();
    assert_eq!(grid.orientation().to_string(), "LAS");
    for code in ["RAS", "LPS", "SRP", "ILA", "PSR", "LIA", "AIL", "SAR"] {
        let orientation: Orientation = code.parse().unwrap();
        let turned = grid.reoriented(orientation);
        assert_eq!(turned.orientation(), orientation);
        assert_near(turned.centre_mm(), grid.centre_mm());
        let back = turned.reoriented(grid.orientation());
        assert!(back.matches(&grid, 1e-9));
    }
}

#[test]
fn with_shape_keeps_the_field_of_view() {
    let (grid, new) = (oblique(), oblique().with_shape([34, 11, 5]).unwrap());
    for end in [0.0, 1.0] {
        let edge =
            |g: &Geometry| g.voxel_to_world().apply(g.shape().map(|n| -0.5 + end * n as f64));
        assert_near(edge(&new), edge(&grid));
    }
}

#[test]
fn with_spacing_keeps_the_centre_and_rounds_the_extent() {
    let affine = Affine::from_spacing_mm([1.0; 3], [-90.0, -126.0, -72.0]).unwrap();
    let grid = Geometry::new([181, 217, 181], affine).unwrap();
    let new = grid.with_spacing_mm([1.5; 3]).unwrap();
    assert_eq!(new.shape(), [121, 145, 121]);
    assert_near(new.spacing_mm(), [1.5; 3]);
    assert_near(new.centre_mm(), grid.centre_mm());
}

#[test]
fn cropping_keeps_voxels_in_place() {
    let grid = oblique();
    let region = VoxelBox { start: [3, -2, 4], shape: [5, 30, 2] };
    let cropped = grid.cropped(region).unwrap();
    assert_near(
        cropped.voxel_to_world().apply([1.0, 1.0, 1.0]),
        grid.voxel_to_world().apply([4.0, -1.0, 5.0]),
    );
    // 17 → 10 cuts 3 below and 4 above; 9 → 12 adds 2 below and 1 above.
    let centred = grid.centre_cropped([10, 22, 12]).unwrap();
    assert_near(centred.origin_mm(), grid.voxel_to_world().apply([3.0, 0.0, -2.0]));
}

#[test]
fn refused_grids_name_the_argument() {
    let grid = oblique();
    for spacing in [[0.0, 1.0, 1.0], [-1.0; 3], [f64::NAN; 3], [f64::INFINITY; 3]] {
        assert!(grid.with_spacing_mm(spacing).unwrap_err().to_string().contains("spacing_mm"));
    }
    for shape in [[0, 1, 1], [usize::MAX; 3], [1 << 11; 3]] {
        assert!(grid.with_shape(shape).unwrap_err().to_string().contains("shape"), "{shape:?}");
        assert!(grid.centre_cropped(shape).is_err());
    }
    assert!(grid.with_spacing_mm([1e-9; 3]).is_err());
    assert!(Geometry::new([usize::MAX; 3], Affine::identity()).is_err());
}

#[test]
fn boxes_grow_and_are_cut() {
    let region = VoxelBox { start: [1, 0, 5], shape: [2, 3, 4] }.with_margin(2);
    assert_eq!(region, VoxelBox { start: [-1, -2, 3], shape: [6, 7, 8] });
    let inside = region.within([4, 100, 7]).unwrap();
    assert_eq!(inside, VoxelBox { start: [0, 0, 3], shape: [4, 5, 4] });
    assert!(region.within([4, 4, 3]).is_none());
}

#[test]
fn geometry_round_trips_through_json_exactly() {
    let text = serde_json::to_string(&oblique()).unwrap();
    assert_eq!(serde_json::from_str::<Geometry>(&text).unwrap(), oblique());
    let singular =
        r#"{"shape":[2,2,2],"voxel_to_world":[[1,0,0,0],[1,0,0,0],[0,0,1,0],[0,0,0,1]]}"#;
    assert!(
        serde_json::from_str::<Geometry>(singular).unwrap_err().to_string().contains("singular")
    );
}
