use mrisynth_cohort::{Cache, Loader, LoaderConfig, Manifest, Visit};
use mrisynth_volume::{GridRequest, LabelInterpolation, Orientation, WriteOptions};

use super::*;
use crate::data_config::SchemeSource;

/// Med-DDPM's section, for a head of 6×5×4 voxels.
fn med_ddpm() -> DataConfig {
    DataConfig {
        axes: "zyx".parse().unwrap(),
        grid: GridRequest { shape: Some([6, 5, 4]), ..GridRequest::default() },
        label_scheme: Some(SchemeSource::Named("med-ddpm-whole-head".into())),
        ..DataConfig::default()
    }
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// A grid that is neither axis-aligned nor isotropic nor in any common orientation.
fn oblique(shape: [usize; 3]) -> Geometry {
    let (cos, sin) = (0.96, 0.28);
    let columns = [[0.0, 0.0, -1.25], [-1.5 * cos, 1.5 * sin, 0.0], [0.8 * sin, 0.8 * cos, 0.0]];
    Geometry::new(shape, Affine::from_columns(columns, [31.0, -17.0, 44.0]).unwrap()).unwrap()
}

/// Med-DDPM reads an array `[x, y, z]` as nibabel gives it and hands the network `transpose(3, 1)` of
/// `[1, x, y, z]`, which is `[1, z, y, x]`: element `(k, j, i)` of the tensor is voxel `(i, j, k)` of
/// the file, without regard to its affine. A mask without any symmetry tells every other order apart.
#[test]
fn med_ddpm_sees_z_y_x_of_the_stored_array() {
    let conversion = Conversion::new(&med_ddpm()).unwrap();
    let label = |[x, y, z]: [usize; 3]| i32::from(x + 2 * y > 7) + i32::from(x * z > 8);
    for geometry in [Geometry::new([6, 5, 4], Affine::identity()).unwrap(), oblique([6, 5, 4])] {
        let mask = LabelMap::from_fn(geometry, label);
        let MaskOnGrid { channels, regrid } = conversion.condition(&mask).unwrap();
        assert!(regrid.is_exact());
        assert_eq!(channels.dims(), [1, 2, 4, 5, 6]);
        let channels = channels.get(0).unwrap();
        for (channel, id) in [(0, 1), (1, 2)] {
            let tensor = channels.get(channel).unwrap().to_vec3::<f32>().unwrap();
            for x in 0..6 {
                for y in 0..5 {
                    for z in 0..4 {
                        let coded = if label([x, y, z]) == id { 1.0 } else { -1.0 };
                        assert_eq!(tensor[z][y][x], coded, "{id} at {x} {y} {z}");
                    }
                }
            }
        }
    }
}

/// A network that answers its first mask channel must give the mask back, where it is in the world.
#[test]
fn what_follows_a_mask_lies_where_the_mask_does() {
    for axes in ["xyz", "zyx", "yzx"] {
        for orientation in [None, Some(Orientation::RAS), Some("PIR".parse().unwrap())] {
            let grid = GridRequest { orientation, ..med_ddpm().grid };
            let config = DataConfig { axes: axes.parse().unwrap(), grid, ..med_ddpm() };
            // A file that has as many voxels along each direction as the network's grid.
            let own = oblique([6, 5, 4]);
            let file = orientation.map_or(own, |turned| {
                let map = *oblique([4; 3]).reoriented(turned).voxel_to_world();
                Geometry::new([6, 5, 4], map).unwrap().reoriented(own.orientation())
            });
            let conversion = Conversion::new(&config).unwrap();
            let mask = LabelMap::from_fn(file, |[x, y, z]| i32::from(x + 2 * y + 3 * z > 9));
            let MaskOnGrid { channels, regrid } = conversion.condition(&mask).unwrap();
            let answer = channels.get(0).unwrap().narrow(0, 0, 1).unwrap();
            let volume = conversion.volumes(&answer, &regrid).unwrap().remove(0);
            assert_eq!(volume.geometry(), mask.geometry());
            let back: Vec<i32> = volume.voxels().iter().map(|v| *v as i32).collect();
            assert_eq!(back, mask.voxels(), "{axes} {orientation:?}");
        }
    }
}

/// A ramp along the world's axes, sampled on a finer and turned network grid, comes back as a ramp.
#[test]
fn positions_survive_anisotropic_grids() {
    let file = oblique([24, 20, 18]);
    let grid = GridRequest {
        orientation: Some("SPL".parse().unwrap()),
        spacing_mm: Some([1.1, 0.9, 1.0]),
        shape: Some([40, 28, 44]),
        crop_or_pad: false,
    };
    let config = DataConfig { grid, axes: "yzx".parse().unwrap(), ..DataConfig::default() };
    let conversion = Conversion::new(&config).unwrap();
    let regrid = conversion.regrid(&file).unwrap();
    // What a network would answer: the height in the world, as a part of 200 mm, in its range.
    let height = |geometry: &Geometry, voxel: [usize; 3]| {
        let [r, a, s] = geometry.voxel_to_world().apply(voxel.map(|v| v as f64));
        (0.2 * r - 0.3 * a + 0.5 * s) / 100.0
    };
    let target = *regrid.target();
    let [x, y, z] = target.shape();
    let on_grid = Volume::from_fn(target, |voxel| height(&target, voxel) as f32);
    let stored = Tensor::from_slice(on_grid.voxels(), (1, 1, z, y, x), &Device::Cpu).unwrap();
    let tensor = config.axes.grid_to_tensor(&stored.permute([0, 1, 4, 3, 2]).unwrap()).unwrap();
    assert_eq!(tensor.dims()[2..], config.tensor_shape().unwrap());
    let volume = conversion.volumes(&tensor.get(0).unwrap(), &regrid).unwrap().remove(0);
    assert_eq!(volume.geometry(), &file);
    let (mut inside, mut largest) = (0, 0.0_f64);
    for (index, &found) in volume.array().indexed_iter() {
        let voxel = [index.0, index.1, index.2];
        let at = regrid.target_to_source().inverse().apply(voxel.map(|v| v as f64));
        if (0..3).all(|axis| (0.0..=target.shape()[axis] as f64 - 1.0).contains(&at[axis])) {
            inside += 1;
            let expected = 0.5 + 0.5 * height(&file, voxel);
            largest = largest.max((f64::from(found) - expected).abs());
        }
    }
    assert!(inside > 4000, "{inside} voxels compared");
    assert!(largest < 1e-5, "off by {largest}");
}

/// What training sees of a visit is what sampling sees of its mask.
#[test]
fn a_loader_s_batch_and_a_mask_of_the_same_visit_agree() {
    let folder = tempfile::tempdir().unwrap();
    let file = oblique([9, 8, 7]);
    let mask = LabelMap::from_fn(file, |[x, y, z]| ((x * x + 2 * y + 5 * z) % 3) as i32);
    let image = Volume::from_fn(file, |[x, y, z]| (x + 10 * y + 100 * z) as f32);
    mask.write(folder.path().join("m.nii"), &WriteOptions::default()).unwrap();
    image.write(folder.path().join("i.nii"), &WriteOptions::default()).unwrap();
    let images = [("T1w".to_owned(), "i.nii".into())].into();
    let visit =
        Visit { subject: "sub-1".into(), images, mask: Some("m.nii".into()), ..Visit::default() };
    let manifest = Manifest::new(folder.path(), vec![visit]);
    for (axes, interpolation) in
        [("zyx", LabelInterpolation::Vote), ("yxz", LabelInterpolation::Nearest)]
    {
        let orientation = Some(Orientation::RAS);
        let config = DataConfig {
            axes: axes.parse().unwrap(),
            grid: GridRequest { orientation, ..med_ddpm().grid },
            labels: interpolation.into(),
            ..med_ddpm()
        };
        let conversion = Conversion::new(&config).unwrap();
        let cache = Cache::open(folder.path().join("cache")).unwrap();
        let loading = LoaderConfig { preparation: config.preparation(), ..LoaderConfig::default() };
        let on = |_, _| std::ops::ControlFlow::Continue(());
        let loader = Loader::new(&manifest, &loading, &cache, &on).unwrap();
        let batch = loader.batch(0).unwrap();
        let seen = conversion.conditions(&batch).unwrap().unwrap();
        let MaskOnGrid { channels, regrid } =
            conversion.condition(&LabelMap::read(folder.path().join("m.nii")).unwrap()).unwrap();
        assert_eq!((seen.dims(), flat(&seen)), (channels.dims(), flat(&channels)));
        assert_eq!(batch.samples[0].geometry, *regrid.target());

        // The image, by way of the network's grid: what the prepared volume says there.
        let tensor = conversion.images(&batch).unwrap();
        let volume = conversion.volumes_on_grid(&tensor.get(0).unwrap(), regrid.target()).unwrap();
        let straight = regrid.apply(&image, &config.resampling).unwrap();
        let (low, high) = straight
            .voxels()
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
        for (found, value) in volume[0].voxels().iter().zip(straight.voxels()) {
            assert!((found - (value - low) / (high - low)).abs() < 1e-5);
        }
    }
}

#[test]
fn a_grid_around_the_origin_serves_volumes_that_follow_no_mask() {
    let grid = GridRequest {
        orientation: Some("LPS".parse().unwrap()),
        spacing_mm: Some([1.0, 2.0, 3.0]),
        shape: Some([4, 5, 6]),
        crop_or_pad: false,
    };
    let config = DataConfig { grid, ..DataConfig::default() };
    let file = config.file_grid().unwrap();
    assert_eq!((file.shape(), file.orientation().to_string()), ([4, 5, 6], "LPS".to_owned()));
    assert!(file.centre_mm().iter().all(|mm| mm.abs() < 1e-12));
    let regrid = Conversion::new(&config).unwrap().regrid(&file).unwrap();
    assert!(regrid.is_exact());
}

#[test]
fn values_beyond_the_network_s_range_end_at_the_file_s() {
    let conversion = Conversion::new(&DataConfig {
        grid: GridRequest { shape: Some([3, 1, 1]), ..GridRequest::default() },
        file_range: [0.0, 1000.0],
        ..DataConfig::default()
    })
    .unwrap();
    let tensor = Tensor::new(&[-1.5_f32, 0.0, 2.0], &Device::Cpu).unwrap();
    let grid = Geometry::new([3, 1, 1], Affine::identity()).unwrap();
    let volume = conversion.volumes_on_grid(&tensor.reshape((1, 3, 1, 1)).unwrap(), &grid);
    assert_eq!(volume.unwrap()[0].voxels(), [0.0, 500.0, 1000.0]);
    let wrong = conversion.volumes_on_grid(&tensor.reshape((3, 1, 1, 1)).unwrap(), &grid);
    assert!(matches!(wrong, Err(Error::Argument { .. })));
}

/// The same anatomy in ids of another table makes the same channels.
#[test]
fn masks_may_come_with_the_labels_of_an_atlas() {
    let structures = ["ad-structures", "../../examples/schemes/aal.toml"];
    let [own, aal] = structures.map(|scheme| LabelScheme::open(scheme).unwrap());
    // Its masks may lack what the atlas lacks.
    let mut relaxed = own.config().clone();
    relaxed.channels.iter_mut().for_each(|channel| channel.required = false);
    let mut data = DataConfig {
        label_scheme: Some(SchemeSource::Inline(relaxed)),
        grid: GridRequest { shape: Some([4; 3]), ..GridRequest::default() },
        ..DataConfig::default()
    };
    // Hippocampus, amygdala, cortex, thalamus, deep grey matter, cerebellum, and nothing.
    let ids = [[17, 37], [18, 41], [3, 90], [49, 78], [50, 72], [47, 116], [0, 0]];
    let mask = |table: usize| {
        let label = |[x, y, z]: [usize; 3]| ids[(x + 3 * y + 5 * z) % ids.len()][table];
        LabelMap::from_fn(Geometry::new([4; 3], Affine::identity()).unwrap(), label)
    };
    let channels = |data: &DataConfig, table| {
        flat(&Conversion::new(data).unwrap().condition(&mask(table)).unwrap().channels)
    };
    let expected = channels(&data, 0);
    data.take_masks_in(&aal).unwrap();
    assert_eq!(channels(&data, 1), expected);

    data.take_masks_in(&own).unwrap();
    let tissues = LabelScheme::built_in("tissues").unwrap();
    let refused = data.take_masks_in(&tissues).unwrap_err().to_string();
    assert!(refused.contains("tissues") && refused.contains("hippocampus"), "{refused}");
    let masks_of_none = DataConfig::default().take_masks_in(&own).unwrap_err().to_string();
    assert!(masks_of_none.contains("ad-structures"), "{masks_of_none}");
}
