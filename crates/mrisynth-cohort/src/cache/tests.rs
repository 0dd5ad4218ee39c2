use std::fs;

use mrisynth_volume::{Affine, Geometry, IntensityMap, LinearMap};

use super::*;

fn prepared() -> Prepared {
    let geometry = Geometry::new([2, 3, 4], Affine::identity()).unwrap();
    let map = IntensityMap::Linear(LinearMap { slope: 0.1, offset: -1.0, clip: None });
    Prepared {
        images: (0..48).map(|i| i as f32 / 7.0).collect(),
        mask: Some((0..24).map(|i| i * 1000 - 7).collect()),
        geometry,
        intensity: vec![map.clone(), map],
    }
}

fn stored() -> (tempfile::TempDir, Cache, String) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache")).unwrap();
    let key = Cache::key(&Preparation::default(), &["a".into()]).unwrap();
    cache.store(&key, &prepared()).unwrap();
    (folder, cache, key)
}

#[test]
fn an_entry_comes_back_to_the_bit() {
    let (_folder, cache, key) = stored();
    let entry = Entry::open(&cache.path_of(&key), &key).unwrap();
    entry.check().unwrap();
    assert_eq!(entry.prepared(), prepared());
    let without = Prepared { mask: None, ..prepared() };
    cache.store(&key, &without).unwrap();
    assert_eq!(entry.prepared(), prepared(), "a map outlives the file's replacement");
    assert_eq!(Entry::open(&cache.path_of(&key), &key).unwrap().prepared(), without);
}

#[test]
fn other_sources_and_other_settings_are_other_entries() {
    let key = |images: &str, sources: &[&str]| {
        let preparation = Preparation { images: vec![images.into()], ..Preparation::default() };
        let sources: Vec<String> = sources.iter().map(|s| (*s).to_owned()).collect();
        Cache::key(&preparation, &sources).unwrap()
    };
    let keys = [
        key("T1w", &["a", "b"]),
        key("T2w", &["a", "b"]),
        key("T1w", &["b", "a"]),
        key("T1w", &["ab"]),
    ];
    for (i, one) in keys.iter().enumerate() {
        assert!(keys[i + 1..].iter().all(|other| other != one));
    }
}

#[test]
fn every_kind_of_damage_is_told() {
    let (_folder, cache, key) = stored();
    let path = cache.path_of(&key);
    let whole = fs::read(&path).unwrap();
    let fault = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        cache.damaged().unwrap().pop().map(|(_, error)| error.to_string()).unwrap_or_default()
    };
    assert_eq!(fault(&whole), "");
    // Wherever a file is cut, and wherever a byte is changed, somebody notices.
    for length in (0..whole.len()).step_by(5) {
        assert_ne!(fault(&whole[..length]), "", "cut to {length} bytes");
    }
    for place in (0..whole.len()).step_by(5) {
        let mut changed = whole.clone();
        changed[place] ^= 0x15;
        assert_ne!(fault(&changed), "", "byte {place}");
    }
    let text = String::from_utf8_lossy(&whole[16..]);
    let newer = text.find("\"version\":1").unwrap() + 16 + 10;
    let mut changed = whole.clone();
    changed[newer] = b'7';
    assert!(fault(&changed).contains("version 7"));
    let other = cache.path_of(&"0".repeat(64));
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, &whole).unwrap();
    fs::remove_file(&path).unwrap();
    let damaged = cache.damaged().unwrap();
    assert!(damaged[0].1.to_string().contains("the key is"), "{damaged:?}");
}

#[test]
fn what_dead_processes_left_is_removed_and_what_live_ones_write_is_not() {
    let (folder, cache, _) = stored();
    let place = cache.folder().join("00");
    fs::create_dir_all(&place).unwrap();
    let (old, young) = (place.join(".durable-1.tmp"), place.join(".durable-2.tmp"));
    for path in [&old, &young] {
        fs::write(path, b"half").unwrap();
    }
    let long_ago = std::time::SystemTime::now() - 2 * ABANDONED;
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    Cache::open(folder.path().join("cache")).unwrap();
    assert!(!old.exists() && young.exists());
}

#[test]
fn digests_are_kept_for_files_that_have_not_changed() {
    let (folder, cache, _) = stored();
    let path = folder.path().join("scan");
    let set = |text: &str, seconds: u64| {
        fs::write(&path, text).unwrap();
        let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    };
    set("one", 1000);
    let digests = SourceDigests::read(&cache).unwrap();
    let one = digests.of(&path).unwrap();
    digests.write(&cache).unwrap();
    // The same length and time: not read again.
    set("two", 1000);
    let again = SourceDigests::read(&cache).unwrap();
    assert_eq!(again.of(&path).unwrap(), one);
    set("two", 2000);
    assert_ne!(again.of(&path).unwrap(), one);
    // Just changed: read, and not noted.
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    set("new", now);
    let new = again.of(&path).unwrap();
    set("old", now);
    assert_ne!(again.of(&path).unwrap(), new);
    fs::write(cache.folder().join("sources.json"), "{").unwrap();
    assert!(SourceDigests::read(&cache).is_ok());
    assert!(matches!(again.of(&folder.path().join("none")), Err(Error::Io { .. })));
}
