//! What stands at the path, what it is called, and who else is writing it.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use durable_file::{DurableFile, Error, Operation, sha256_of_file, write, write_with};

use crate::names_in;

/// The step and the kind of an error, after checking that it names `path`.
fn refusal(error: &Error, path: &Path) -> (Operation, ErrorKind) {
    let Error::Io { path: named, operation, source } = error else { panic!("{error}") };
    assert_eq!(named, path);
    assert!(error.to_string().contains(&operation.to_string()), "{error}");
    (*operation, source.kind())
}

#[test]
fn the_receipt_tells_length_and_digest_of_what_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume");
    let mut file = DurableFile::create_hashed(&path).unwrap();
    // Through the buffer, and past it.
    for length in [1, 1000, 200_000, 70_000, 70_000, 3] {
        file.write_all(&vec![length as u8; length]).unwrap();
    }
    let receipt = file.commit().unwrap();
    assert_eq!(receipt.bytes, 341_004);
    assert_eq!(fs::metadata(&path).unwrap().len(), 341_004);
    assert_eq!(receipt.sha256, Some(sha256_of_file(&path).unwrap()));
    assert_eq!(write(&path, b"").unwrap().sha256, None);
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn the_name_is_exactly_the_one_given() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["sub-1.5mm.nii", ".hidden", "a b", "ünï cödé", "no-suffix"] {
        write(folder.path().join(name), name.as_bytes()).unwrap();
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), name.as_bytes());
    }
    assert_eq!(names_in(folder.path()).len(), 5);
}

#[test]
fn the_longest_name_can_be_written_and_one_longer_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let longest = folder.path().join("n".repeat(255));
    write(&longest, b"old").unwrap();
    write(&longest, b"new").unwrap();
    assert_eq!(fs::read(&longest).unwrap(), b"new");
    let too_long = folder.path().join("n".repeat(256));
    let error = DurableFile::create(&too_long).unwrap_err();
    assert_eq!(refusal(&error, &too_long).0, Operation::LookUp);
    assert_eq!(names_in(folder.path()).len(), 1);
}

#[test]
fn until_the_commit_the_old_file_stands_and_the_new_one_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "old").unwrap();
    let mut file = DurableFile::create(&path).unwrap();
    file.write_all(b"new").unwrap();
    file.flush().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    let names = names_in(folder.path());
    assert_eq!(names.len(), 2);
    assert!(names[0].to_str().unwrap().starts_with(".durable-"), "{names:?}");
    file.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names_in(folder.path()), ["file"]);
}

#[test]
fn a_drop_an_error_or_a_panic_leaves_the_old_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "old").unwrap();

    let mut file = DurableFile::create(&path).unwrap();
    file.write_all(&[0; 500_000]).unwrap();
    drop(file);

    let error = write_with(&path, |file| {
        file.write_all(b"new")?;
        Err(io::Error::new(ErrorKind::InvalidData, "slope is NaN"))
    });
    let error = error.unwrap_err();
    let Error::Content { path: named, source } = &error else { panic!("{error}") };
    assert_eq!((named, source.kind()), (&path, ErrorKind::InvalidData));
    assert!(error.to_string().ends_with("file: cannot produce the content: slope is NaN"));

    let panicking = || write_with(&path, |_| panic!("on purpose"));
    assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());

    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names_in(folder.path()), ["file"]);
}

#[test]
fn a_path_without_a_file_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for end in ["missing/", "missing/."] {
        let path = folder.path().join(end);
        let error = write(&path, b"").unwrap_err();
        assert!(matches!(&error, Error::NoFileName { path: named } if *named == path), "{error}");
    }
    let error = write("", b"").unwrap_err();
    assert_eq!(error.to_string(), r#""" does not end in a file name"#);
    assert_eq!(names_in(folder.path()).len(), 0);
}

#[test]
fn a_folder_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join(".."), folder.path().join("")] {
        let error = write(&path, b"").unwrap_err();
        let Error::NotAFile { path: named, found: "a folder" } = error else { panic!("{error}") };
        assert_eq!(named, path);
    }
}

#[test]
fn a_missing_folder_is_an_error_of_the_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/file");
    let error = write(&path, b"").unwrap_err();
    let expected = (Operation::CreateTemporaryFile, ErrorKind::NotFound);
    assert_eq!(refusal(&error, &path), expected);
}

#[test]
fn two_threads_writing_one_file_leave_one_content_whole_and_readers_see_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let contents = [vec![b'a'; 300_000], vec![b'b'; 150_000]];
    write(&path, &contents[0]).unwrap();
    let done = AtomicBool::new(false);
    let mut reads = 0;
    std::thread::scope(|scope| {
        let writers: Vec<_> = contents
            .iter()
            .map(|content| {
                scope.spawn(|| (0..10).try_for_each(|_| write(&path, content).map(drop)))
            })
            .collect();
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert!(contents.contains(&fs::read(&path).unwrap()));
                reads += 1;
            }
        });
        let results: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        results.into_iter().for_each(|result| result.unwrap().unwrap());
    });
    assert!(reads > 0);
    assert!(contents.contains(&fs::read(&path).unwrap()));
    assert_eq!(names_in(folder.path()), ["file"]);
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_path_under_a_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "kept").unwrap();
        for end in ["file/under", "file/", "file/."] {
            let path = folder.path().join(end);
            let error = write(&path, b"").unwrap_err();
            assert_eq!(refusal(&error, &path), (Operation::LookUp, ErrorKind::NotADirectory));
        }
        assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"kept");
        assert_eq!(names_in(folder.path()), ["file"]);
    }

    #[test]
    fn a_socket_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let error = write(&path, b"").unwrap_err();
        assert!(error.to_string().ends_with("expected a regular file or nothing"), "{error}");
        assert_eq!(names_in(folder.path()), ["socket"]);
    }

    #[test]
    fn a_link_stays_a_link_and_what_it_leads_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("data")).unwrap();
        fs::write(at("data/real"), "old").unwrap();
        symlink("data/real", at("link")).unwrap();
        symlink(at("link"), at("link-to-link")).unwrap();
        symlink("data/to-come", at("dangling")).unwrap();
        write(at("link-to-link"), b"new").unwrap();
        write(at("dangling"), b"come").unwrap();
        assert_eq!(fs::read(at("data/real")).unwrap(), b"new");
        assert_eq!(fs::read(at("data/to-come")).unwrap(), b"come");
        for link in ["link", "link-to-link", "dangling"] {
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink());
        }
        assert_eq!(names_in(&at("data")), ["real", "to-come"]);
    }

    #[test]
    fn links_that_lead_in_a_circle_or_to_a_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("b", at("a")).unwrap();
        symlink("a", at("b")).unwrap();
        symlink(".", at("here")).unwrap();
        let error = write(at("a"), b"").unwrap_err();
        assert_eq!(refusal(&error, &at("a")).0, Operation::LookUp);
        let error = write(at("here"), b"").unwrap_err();
        assert!(matches!(error, Error::NotAFile { found: "a folder", .. }));
        assert_eq!(names_in(folder.path()), ["a", "b", "here"]);
    }

    #[test]
    fn a_new_file_has_the_permissions_any_new_file_has() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write(&ours, b"").unwrap();
        fs::write(&plain, "").unwrap();
        assert_eq!(mode_of(&ours), mode_of(&plain));
    }

    #[test]
    fn a_replaced_file_keeps_its_permissions_and_its_successor_is_private_until_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for mode in [0o600, 0o640, 0o666, 0o754, 0o444, 0o200] {
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let file = DurableFile::create(&path).unwrap();
            let temporary = &names_in(folder.path())[0];
            assert_eq!(mode_of(&folder.path().join(temporary)), 0o600);
            file.commit().unwrap();
            assert_eq!(mode_of(&path), mode, "{mode:o}");
            fs::remove_file(&path).unwrap();
        }
    }

    // macOS refuses names that are not UTF-8.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_need_not_be_utf_8() {
        let folder = tempfile::tempdir().unwrap();
        let name = OsStr::from_bytes(b"sub-\xff\xfe.nii");
        write(folder.path().join(name), b"new").unwrap();
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"new");
        assert_eq!(names_in(folder.path()), [name]);
    }
}
