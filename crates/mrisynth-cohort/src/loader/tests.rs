use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use mrisynth_volume::{Affine, Geometry, GridRequest, LabelMap, Volume, WriteOptions};

use super::*;
use crate::visit::Visit;

const ON: Observer<'static> = &|_, _| ControlFlow::Continue(());

/// Visits with T1w, FLAIR and mask, on grids of different sizes.
fn cohort(folder: &Path, n: usize) -> Manifest {
    let visit = |i: usize| {
        let affine = Affine::from_spacing_mm([1.0, 1.0, 1.5], [-5.0, -6.0, -7.0]).unwrap();
        let geometry = Geometry::new([10 + i % 3, 9, 8], affine).unwrap();
        let write = |suffix: &str, k: usize| {
            let name = format!("sub-{i:02}_{suffix}.nii.gz");
            let value =
                |[x, y, z]: [usize; 3]| ((x * 31 + y * 17 + z * 7 + i * 13) * k % 97) as f32;
            let scan = Volume::from_fn(geometry, value);
            scan.write(folder.join(&name), &WriteOptions::default()).unwrap();
            (suffix.to_owned(), name.into())
        };
        let mask = format!("sub-{i:02}_dseg.nii.gz");
        let labels = LabelMap::from_fn(geometry, |[x, ..]| if x < 5 { 17 } else { 53 });
        labels.write(folder.join(&mask), &WriteOptions::default()).unwrap();
        let images = [write("T1w", 101), write("FLAIR", 211)].into();
        Visit {
            subject: format!("sub-{i:02}"),
            images,
            mask: Some(mask.into()),
            ..Visit::default()
        }
    };
    Manifest::new(folder, (0..n).map(visit).collect())
}

fn config() -> LoaderConfig {
    let grid =
        GridRequest { spacing_mm: Some([1.5; 3]), shape: Some([8, 6, 7]), ..Default::default() };
    let preparation =
        Preparation { images: vec!["T1w".into(), "FLAIR".into()], grid, ..Preparation::default() };
    let augmentation = AugmentationConfig::all();
    LoaderConfig { preparation, augmentation, patch: None, batch_size: 3, seed: 5 }
}

struct Fixture {
    folder: tempfile::TempDir,
    manifest: Manifest,
    cache: Cache,
}

fn fixture(n: usize) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let manifest = cohort(folder.path(), n);
    let cache = Cache::open(folder.path().join("cache")).unwrap();
    Fixture { folder, manifest, cache }
}

impl Fixture {
    fn loader(&self, config: &LoaderConfig) -> Result<Loader> {
        Loader::new(&self.manifest, config, &self.cache, ON)
    }

    fn entries(&self) -> Vec<std::path::PathBuf> {
        let places = fs::read_dir(self.cache.folder()).unwrap().map(|e| e.unwrap().path());
        let files = places.filter(|p| p.is_dir()).flat_map(|p| fs::read_dir(p).unwrap());
        let mut paths: Vec<_> = files.map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

fn steps(stream: BatchStream, n: usize) -> Vec<Batch> {
    stream.take(n).map(Result::unwrap).collect()
}

#[test]
fn order_and_augmentation_depend_on_seed_and_step_alone() {
    let fixture = fixture(7);
    let loader = fixture.loader(&config()).unwrap();
    let whole: Vec<Batch> = (0..9).map(|step| loader.batch(step).unwrap()).collect();
    assert_eq!(whole[0].shape, [3, 2, 8, 6, 7]);
    assert_eq!(whole[0].images.len(), 3 * 2 * 8 * 6 * 7);
    assert_eq!(whole[0].masks.as_ref().map(Vec::len), Some(3 * 8 * 6 * 7));
    for readers in [1, 2, 3, 5] {
        assert_eq!(steps(loader.stream(0, readers), 9), whole, "{readers} readers");
        // Resumed at step 4, by a new process as it were.
        let again = fixture.loader(&config()).unwrap();
        assert_eq!(steps(again.stream(4, readers), 5), whole[4..]);
    }
    // Another batch size, the same items.
    let ones = fixture.loader(&LoaderConfig { batch_size: 1, ..config() }).unwrap();
    let n = whole[0].images.len() / 3;
    for item in 0..9 {
        let one = ones.batch(item as u64).unwrap();
        let (step, place) = (item / 3, item % 3);
        assert_eq!(one.images, whole[step].images[place * n..(place + 1) * n]);
        assert_eq!(one.samples[0], whole[step].samples[place]);
    }
    let other = fixture.loader(&LoaderConfig { seed: 6, ..config() }).unwrap();
    assert_ne!(other.batch(0).unwrap(), whole[0]);
    // Each pass over the cohort has each visit once.
    let rows = |range: std::ops::Range<usize>| {
        let samples = whole.iter().flat_map(|batch| &batch.samples);
        let mut rows: Vec<usize> =
            samples.map(|s| s.row).skip(range.start).take(range.len()).collect();
        rows.sort_unstable();
        rows
    };
    assert!(rows(0..7).into_iter().eq(0..7) && rows(7..14).into_iter().eq(0..7));
}

#[test]
fn all_scans_that_cannot_be_used_are_told_together() {
    let mut fixture = fixture(8);
    let path = |name: &str| fixture.folder.path().join(name);
    fs::remove_file(path("sub-00_T1w.nii.gz")).unwrap();
    fs::remove_file(path("sub-00_dseg.nii.gz")).unwrap();
    let bytes = fs::read(path("sub-01_T1w.nii.gz")).unwrap();
    fs::write(path("sub-01_T1w.nii.gz"), &bytes[..bytes.len() / 2]).unwrap();
    fixture.manifest.visits[2].mask = None;
    fixture.manifest.visits[3].images.remove("FLAIR");
    fs::write(path("sub-04_FLAIR.nii.gz"), b"").unwrap();
    let halves = Volume::read(path("sub-05_T1w.nii.gz")).unwrap().map(|v: &f32| v + 0.5);
    halves.write(path("sub-05_dseg.nii.gz"), &WriteOptions::default()).unwrap();
    halves.map(|_| f32::NAN).write(path("sub-06_T1w.nii.gz"), &WriteOptions::default()).unwrap();
    let error = fixture.loader(&config()).unwrap_err();
    let Error::Scans { faults } = &error else { panic!("{error}") };
    let subjects: Vec<&str> = faults.iter().map(|fault| fault.subject.as_str()).collect();
    let expected = ["sub-00", "sub-00", "sub-01", "sub-02", "sub-03", "sub-04", "sub-05", "sub-06"];
    assert_eq!(subjects, expected, "{error}");
    for part in ["sub-00_dseg.nii.gz", "has no mask", "has no FLAIR", "whole number", "NaN"] {
        assert!(error.to_string().contains(part), "{part} is not in {error}");
    }
    fixture.manifest.visits.drain(..7);
    assert_eq!(fixture.loader(&config()).unwrap().n_visits(), 1);
}

#[test]
fn shapes_that_differ_and_settings_out_of_their_domain_are_told() {
    let mut fixture = fixture(4);
    let mut free = config();
    free.preparation.grid = GridRequest::default();
    let error = fixture.loader(&free).unwrap_err().to_string();
    assert!(error.contains("sub-01: [11, 9, 8] voxels, the first visit has [10, 9, 8]"), "{error}");
    assert!(error.contains("sub-02: [12, 9, 8]") && !error.contains("sub-03"), "{error}");
    let none = LoaderConfig { batch_size: 0, ..config() };
    assert!(matches!(fixture.loader(&none), Err(Error::Argument { field: "batch_size", .. })));
    fixture.manifest.visits.clear();
    assert!(matches!(fixture.loader(&config()), Err(Error::Argument { .. })));
}

#[test]
fn an_interrupted_preparation_goes_on_where_it_was() {
    let fixture = fixture(12);
    let stop: Observer<'_> =
        &|done, _| if done < 4 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
    let stopped = Loader::new(&fixture.manifest, &config(), &fixture.cache, stop);
    assert!(matches!(stopped, Err(Error::Stopped { total: 12, done }) if done >= 4));
    let before = fixture.entries();
    let times = |paths: &[std::path::PathBuf]| -> Vec<_> {
        paths.iter().map(|p| fs::metadata(p).unwrap().modified().unwrap()).collect()
    };
    let made = times(&before);
    // A killed writer leaves a temporary file, and perhaps an entry that a bad disk shortened.
    let bytes = fs::read(&before[0]).unwrap();
    fs::write(&before[0], &bytes[..100]).unwrap();
    let loader = fixture.loader(&config()).unwrap();
    assert_eq!((loader.n_visits(), fixture.entries().len()), (12, 12));
    assert_eq!(times(&before)[1..], made[1..], "what was whole is not made again");
    assert_eq!(fs::read(&before[0]).unwrap(), bytes);
    assert!(fixture.cache.damaged().unwrap().is_empty());
}

#[test]
fn damage_during_a_run_is_repaired_unless_the_sources_changed() {
    let fixture = fixture(2);
    let plain = LoaderConfig { augmentation: AugmentationConfig::default(), ..config() };
    let loader = fixture.loader(&plain).unwrap();
    let expected = fixture.loader(&plain).unwrap().batch(0).unwrap();
    let spoil = || {
        for path in fixture.entries() {
            let mut bytes = fs::read(&path).unwrap();
            let place = bytes.len() - 100;
            bytes[place] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    };
    spoil();
    assert_eq!(fixture.cache.damaged().unwrap().len(), 2);
    assert_eq!(loader.batch(0).unwrap(), expected);
    assert!(fixture.cache.damaged().unwrap().is_empty());
    spoil();
    let fresh = fixture.loader(&plain).unwrap();
    for i in 0..2 {
        let path = fixture.folder.path().join(format!("sub-{i:02}_T1w.nii.gz"));
        let changed: Volume = Volume::read(&path).unwrap();
        changed.map(|v| v * 0.5 + 1.0).write(&path, &WriteOptions::default()).unwrap();
    }
    let error = fresh.batch(0).unwrap_err().to_string();
    assert!(error.contains("sources have changed"), "{error}");
}

#[test]
fn other_settings_and_other_sources_make_other_entries() {
    let fixture = fixture(2);
    fixture.loader(&config()).unwrap();
    fixture.loader(&LoaderConfig { seed: 99, ..config() }).unwrap();
    assert_eq!(fixture.entries().len(), 2);
    let mut without = config();
    without.preparation.mask = false;
    let loader = fixture.loader(&without).unwrap();
    assert_eq!(fixture.entries().len(), 4);
    assert_eq!(loader.batch(0).unwrap().masks, None);
}

#[test]
fn voxels_beside_a_header_are_sources_too() {
    let folder = tempfile::tempdir().unwrap();
    let affine = Affine::from_spacing_mm([1.0; 3], [0.0; 3]).unwrap();
    let write = |factor: usize| {
        let value = |[x, y, z]: [usize; 3]| (factor * (x * 7 + y * 3 + z) % 17) as f32;
        let scan = Volume::from_fn(Geometry::new([4, 5, 6], affine).unwrap(), value);
        scan.write(folder.path().join("a.nii"), &WriteOptions::default()).unwrap();
        // A pair is a single file cut after its header, with another magic.
        let bytes = fs::read(folder.path().join("a.nii")).unwrap();
        let mut header = bytes[..348].to_vec();
        header[344..348].copy_from_slice(b"ni1\0");
        header[108..112].copy_from_slice(&0.0_f32.to_le_bytes());
        fs::write(folder.path().join("a.hdr"), header).unwrap();
        fs::write(folder.path().join("a.img"), &bytes[352..]).unwrap();
    };
    let images = [("T1w".to_owned(), "a.hdr".into())].into();
    let visit = Visit { subject: "sub-1".into(), images, ..Visit::default() };
    let manifest = Manifest::new(folder.path(), vec![visit]);
    let cache = Cache::open(folder.path().join("cache")).unwrap();
    let preparation = Preparation { mask: false, ..Preparation::default() };
    let config = LoaderConfig { preparation, ..LoaderConfig::default() };
    let batch = || Loader::new(&manifest, &config, &cache, ON).unwrap().batch(0).unwrap();
    write(1);
    let before = batch();
    write(5);
    assert_ne!(batch().images, before.images);
}

#[test]
fn a_stream_that_is_dropped_or_never_read_ends_its_threads() {
    let fixture = fixture(3);
    let loader = fixture.loader(&config()).unwrap();
    for readers in [1, 4] {
        drop(loader.stream(0, readers));
        let mut stream = loader.stream(0, readers);
        assert!(stream.next().unwrap().is_ok());
        drop(stream);
        // Joined: nobody but the loader holds what readers look at.
        assert_eq!(Arc::strong_count(&loader.shared), 1);
    }
    // Errors come in their place, and the stream goes on.
    for path in fixture.entries() {
        fs::remove_file(path).unwrap();
    }
    for visit in &fixture.manifest.visits {
        fs::remove_file(fixture.manifest.resolve(visit.mask.as_ref().unwrap())).unwrap();
    }
    let mut stream = loader.stream(0, 2);
    assert!((0..3).all(|_| stream.next().unwrap().is_err()));
}

#[test]
fn the_observer_hears_of_every_visit() {
    let fixture = fixture(5);
    let told = AtomicUsize::new(0);
    let count: Observer<'_> = &|done, total| {
        assert!(done <= total && total == 5);
        told.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    Loader::new(&fixture.manifest, &config(), &fixture.cache, count).unwrap();
    assert_eq!(told.into_inner(), 5);
}

#[test]
fn a_patch_is_a_part_of_the_whole_in_its_place() {
    let fixture = fixture(3);
    let whole = fixture.loader(&config()).unwrap();
    let small = [4, 6, 5];
    let cut = fixture.loader(&LoaderConfig { patch: Some(small), ..config() }).unwrap();
    assert_eq!((whole.shape(), cut.shape()), ([8, 6, 7], small));
    let mut starts = BTreeSet::new();
    for step in 0..20 {
        let (whole, cut) = (whole.batch(step).unwrap(), cut.batch(step).unwrap());
        assert_eq!(cut.shape, [3, 2, 4, 6, 5]);
        for (place, sample) in cut.samples.iter().enumerate() {
            let patch = sample.patch.unwrap();
            assert_eq!(patch.shape, small);
            starts.insert(patch.start);
            let [x0, y0, z0] = patch.start;
            for (x, y, z) in [(0, 0, 0), (3, 5, 4), (1, 2, 3)] {
                let there = ((x0 + x) * 6 + y0 + y) * 7 + z0 + z;
                let here = (x * 6 + y) * 5 + z;
                for channel in 0..2 {
                    let at = |n: usize, i: usize| (place * 2 + channel) * n + i;
                    assert_eq!(cut.images[at(120, here)], whole.images[at(336, there)]);
                }
                let masks = (cut.masks.as_ref().unwrap(), whole.masks.as_ref().unwrap());
                assert_eq!(masks.0[place * 120 + here], masks.1[place * 336 + there]);
            }
        }
    }
    // 5 × 1 × 3 places, 60 draws.
    assert_eq!(starts.len(), 15);
    for patch in [[9, 6, 7], [8, 0, 7]] {
        let refused = fixture.loader(&LoaderConfig { patch: Some(patch), ..config() });
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(&format!("{patch:?}")) && message.contains("[8, 6, 7]"));
    }
}
