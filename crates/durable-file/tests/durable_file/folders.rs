//! Folders that are made, exist, or cannot be made.

use std::fs;
use std::path::Path;

use durable_file::{Error, Operation, create_folder};

#[test]
fn a_chain_of_missing_folders_is_made_and_making_it_again_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let inner = root.path().join("a/b/c");
    create_folder(&inner).unwrap();
    fs::write(inner.join("file"), "kept").unwrap();
    create_folder(&inner).unwrap();
    create_folder(inner.join("../d/")).unwrap();
    assert_eq!(fs::read(inner.join("file")).unwrap(), b"kept");
    assert!(root.path().join("a/b/d").is_dir());
}

#[test]
fn the_current_folder_exists() {
    create_folder("").unwrap();
    create_folder(".").unwrap();
}

#[test]
fn a_folder_on_or_under_a_file_is_refused_and_the_error_names_the_file() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "kept").unwrap();
    for path in [file.clone(), file.join("folder")] {
        let error = create_folder(path).unwrap_err();
        let Error::Io { path, operation, .. } = error else { panic!("{error}") };
        assert_eq!((path, operation), (file.clone(), Operation::CreateFolder));
    }
    assert_eq!(fs::read(&file).unwrap(), b"kept");
}

#[test]
fn many_threads_may_make_the_same_folders() {
    let root = tempfile::tempdir().unwrap();
    let make = |run: u32| create_folder(root.path().join(format!("{run}/x/y/z")));
    for run in 0..20 {
        std::thread::scope(|scope| {
            let makers: Vec<_> = (0..4).map(|_| scope.spawn(move || make(run))).collect();
            makers.into_iter().for_each(|maker| maker.join().unwrap().unwrap());
        });
    }
    assert!(Path::new(root.path()).join("19/x/y/z").is_dir());
}
