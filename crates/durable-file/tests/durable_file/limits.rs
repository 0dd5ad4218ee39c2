//! Disks that are full and folders that are read-only.
#![expect(unsafe_code, reason = "std cannot limit the size of files, nor change user or umask")]

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use durable_file::{DurableFile, Error, Operation, write, write_with};

use crate::{child, names_in};

const LIMIT: usize = 64 * 1024;

/// From here on, no file of this process can grow beyond [`LIMIT`].
fn limit_file_size() {
    let limit = libc::rlimit { rlim_cur: LIMIT as libc::rlim_t, rlim_max: LIMIT as libc::rlim_t };
    // SAFETY: `limit` is a valid `rlimit`; ignoring a signal installs no handler.
    let results = unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit)
    };
    assert_eq!(results, 0);
}

fn assert_failed_write(error: &Error, path: &Path) {
    let Error::Io { path: named, operation, source } = error else { panic!("{error}") };
    assert_eq!((named.as_path(), *operation), (path, Operation::Write));
    assert_eq!(source.kind(), ErrorKind::FileTooLarge);
}

#[test]
fn a_disk_that_takes_no_more_is_an_error_and_the_old_file_stays() {
    let Some(folder) = child::folder() else {
        let folder = tempfile::tempdir().unwrap();
        let test = "limits::a_disk_that_takes_no_more_is_an_error_and_the_old_file_stays";
        return child::run(test, folder.path());
    };
    let path = folder.join("file");
    fs::write(&path, "old").unwrap();
    limit_file_size();
    let intact = || {
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names_in(&folder), ["file"]);
    };
    let too_much = vec![1; LIMIT + 1];

    // In the buffer, so that only the commit finds out.
    assert_failed_write(&write(&path, &too_much).unwrap_err(), &path);
    intact();

    // Past the buffer, reported by the write itself.
    let result = write_with(&path, |file| file.write_all(&too_much.repeat(10)));
    assert_failed_write(&result.unwrap_err(), &path);
    intact();

    // By a writer that ignores it, as encoders do that finish when dropped.
    let mut file = DurableFile::create(&path).unwrap();
    assert!(file.write_all(&too_much.repeat(10)).is_err());
    assert_failed_write(&file.commit().unwrap_err(), &path);
    intact();

    let receipt = write(&path, &too_much[..LIMIT]).unwrap();
    assert_eq!(receipt.bytes, LIMIT as u64);
}

/// Mounts a file system of [`LIMIT`] bytes on `folder`, for this thread alone. False where the
/// system does not let it, as it does not let users other than root.
#[cfg(target_os = "linux")]
fn mount_small_disk(folder: &Path) -> bool {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    let folder = CString::new(folder.as_os_str().as_bytes()).unwrap();
    let size = CString::new(format!("size={LIMIT}")).unwrap();
    // SAFETY: all strings end in zero and outlive the calls. The thread gets a view of mounts of its
    // own first, and none that it makes is passed on to others.
    unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(
                std::ptr::null(),
                c"/".as_ptr(),
                std::ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                std::ptr::null(),
            ) == 0
            && libc::mount(
                c"tmpfs".as_ptr(),
                folder.as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                size.as_ptr().cast(),
            ) == 0
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_and_the_old_file_stays() {
    let Some(folder) = child::folder() else {
        let folder = tempfile::tempdir().unwrap();
        let test = "limits::a_full_disk_is_an_error_and_the_old_file_stays";
        return child::run(test, folder.path());
    };
    if !mount_small_disk(&folder) {
        // To the real standard error: the harness keeps what `eprintln!` says of a passed test.
        let said = b"SKIPPED: no small disk can be mounted here\n";
        std::io::stderr().write_all(said).unwrap();
        return;
    }
    let path = folder.join("file");
    fs::write(&path, "old").unwrap();
    for megabytes in [0.1, 3.0] {
        let too_much = vec![1; (megabytes * 1e6) as usize];
        let Error::Io { path: named, operation, source } = write(&path, &too_much).unwrap_err()
        else {
            panic!("a full disk is an error of the system")
        };
        assert_eq!((named, operation), (path.clone(), Operation::Write));
        assert_eq!(source.kind(), ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names_in(&folder), ["file"]);
    }
    write(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn a_read_only_folder_is_an_error_of_the_temporary_file() {
    let Some(folder) = child::folder() else {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("read-only");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), "old").unwrap();
        for path in [root.path(), &folder] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o555)).unwrap();
        }
        let test = "limits::a_read_only_folder_is_an_error_of_the_temporary_file";
        child::run(test, &folder);
        for path in [root.path(), &folder] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        return;
    };
    // Permissions do not stop root, so root becomes nobody.
    // SAFETY: neither call has preconditions; they change this process only.
    if unsafe { libc::geteuid() } == 0 {
        // SAFETY: as above.
        assert_eq!(unsafe { libc::setuid(65534) }, 0);
    }
    for name in ["file", "new"] {
        let error = write(folder.join(name), b"new").unwrap_err();
        let Error::Io { path, operation, source } = error else { panic!("{error}") };
        assert_eq!((path, operation), (folder.join(name), Operation::CreateTemporaryFile));
        assert_eq!(source.kind(), ErrorKind::PermissionDenied);
    }
    assert_eq!(fs::read(folder.join("file")).unwrap(), b"old");
    assert_eq!(names_in(&folder), ["file"]);
}

#[test]
fn the_umask_decides_the_permissions_of_a_new_file() {
    let Some(folder) = child::folder() else {
        let folder = tempfile::tempdir().unwrap();
        return child::run(
            "limits::the_umask_decides_the_permissions_of_a_new_file",
            folder.path(),
        );
    };
    let path = folder.join("file");
    for (umask, expected) in [(0o000, 0o666), (0o027, 0o640), (0o077, 0o600)] {
        // SAFETY: it has no preconditions, and this process runs no other test.
        unsafe { libc::umask(umask) };
        write(&path, b"").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, expected);
        fs::remove_file(&path).unwrap();
    }
    // An old file's permissions are kept even where the umask would not give them.
    drop(fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
    write(&path, b"").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o664);
}
