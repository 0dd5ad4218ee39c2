//! Power failures between any two steps, and a failure of every step, on a model of a disk.

mod model_disk;

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::Replacement;
use crate::error::{Error, Operation, Result};
use crate::target::Target;
use model_disk::{Entries, ModelDisk, OLD_FILE, Step, after_power_failure, entries_after};

const OLD: &[u8] = b"old";
const NEW: &[u8] = b"the new content";

fn target_path() -> &'static Path {
    Path::new("folder/target")
}

/// The folder with the old file, or empty.
fn folder(old: bool) -> Entries {
    Entries::from_iter(old.then(|| (target_path().to_owned(), OLD_FILE)))
}

fn some_permissions() -> Permissions {
    std::env::current_exe().unwrap().metadata().unwrap().permissions()
}

/// The code under test: replaces the target in three writes.
fn replace(disk: &ModelDisk, old: bool) -> Result<()> {
    let path = target_path().to_owned();
    let permissions = old.then(some_permissions);
    let target = Target { given: path.clone(), path, permissions };
    let mut file = Replacement::begin(disk.clone(), target, None)?;
    for piece in NEW.chunks(6) {
        // Errors are left for the commit to find.
        let _ = file.write_all(piece).and_then(|()| file.flush());
    }
    assert_eq!(file.commit()?.bytes, NEW.len() as u64);
    Ok(())
}

fn steps_of_a_replacement(old: bool) -> Vec<Step> {
    let disk = ModelDisk::default();
    replace(&disk, old).unwrap();
    disk.steps()
}

#[derive(Debug, PartialEq)]
enum Verdict {
    /// Whole at every cut; the contents seen.
    Whole(BTreeSet<Option<Vec<u8>>>),
    /// Neither the old content nor the new one after so many steps.
    Broken { after: usize, content: Option<Vec<u8>> },
    /// Whole, but all steps done and the new content not certain.
    NotDurable,
}

/// Cuts the power after every number of steps, in every way the model allows.
fn verdict(steps: &[Step], old: bool) -> Verdict {
    let old_content = old.then(|| OLD.to_vec());
    let new_content = Some(NEW.to_vec());
    let mut seen = BTreeSet::new();
    for after in 0..=steps.len() {
        let found = after_power_failure(&folder(old), OLD, &steps[..after], target_path());
        let wrong =
            found.iter().find(|content| **content != old_content && **content != new_content);
        if let Some(content) = wrong {
            return Verdict::Broken { after, content: content.clone() };
        }
        if after == steps.len() && found != BTreeSet::from([new_content.clone()]) {
            return Verdict::NotDurable;
        }
        seen.extend(found);
    }
    Verdict::Whole(seen)
}

fn without(steps: &[Step], unwanted: impl Fn(&Step) -> bool) -> Vec<Step> {
    let rest: Vec<Step> = steps.iter().filter(|step| !unwanted(step)).cloned().collect();
    assert!(rest.len() < steps.len(), "there was nothing to leave out");
    rest
}

#[test]
fn a_power_failure_at_any_moment_leaves_the_old_file_or_the_new_one() {
    for old in [true, false] {
        let both = BTreeSet::from([old.then(|| OLD.to_vec()), Some(NEW.to_vec())]);
        assert_eq!(verdict(&steps_of_a_replacement(old), old), Verdict::Whole(both));
    }
}

#[test]
fn the_model_breaks_a_file_that_is_not_fsynced_before_the_rename() {
    let steps = steps_of_a_replacement(true);
    let is_fsync = |step: &Step| matches!(step, Step::SyncFile { .. });
    let none = without(&steps, is_fsync);
    assert!(matches!(verdict(&none, true), Verdict::Broken { .. }));

    // Too late is as bad as never.
    let late = [none, steps.iter().filter(|s| is_fsync(s)).cloned().collect()].concat();
    assert!(matches!(verdict(&late, true), Verdict::Broken { .. }));
}

#[test]
fn the_model_breaks_a_file_of_which_the_last_write_comes_after_the_fsync() {
    let mut steps = steps_of_a_replacement(true);
    let fsync = steps.iter().position(|s| matches!(s, Step::SyncFile { .. })).unwrap();
    let write = steps.iter().rposition(|s| matches!(s, Step::Write { .. })).unwrap();
    assert!(write < fsync);
    steps[write..=fsync].rotate_left(fsync - write);
    assert!(matches!(verdict(&steps, true), Verdict::Broken { .. }));
}

#[test]
fn the_model_loses_a_rename_that_is_not_fsynced() {
    let steps = without(&steps_of_a_replacement(true), |step| *step == Step::SyncFolder);
    assert_eq!(verdict(&steps, true), Verdict::NotDurable);
}

#[test]
fn the_model_breaks_a_file_written_under_its_own_name() {
    let name = target_path().to_owned();
    let steps = [
        Step::Create { file: 1, name },
        Step::Write { file: 1, bytes: NEW.to_vec() },
        Step::SyncFile { file: 1 },
        Step::SyncFolder,
    ];
    assert!(matches!(verdict(&steps, true), Verdict::Broken { after: 1, .. }));
}

#[test]
fn a_failure_of_any_step_is_reported_and_leaves_the_old_file_and_no_temporary_one() {
    let steps = steps_of_a_replacement(true);
    let operations: Vec<Operation> = steps.iter().filter_map(Step::operation).collect();
    assert_eq!(operations.len(), steps.len(), "nothing is removed after a success: {steps:?}");
    for (number, expected) in operations.into_iter().enumerate() {
        let disk = ModelDisk::failing_at(number);
        let error = replace(&disk, true).unwrap_err();
        let Error::Io { path, operation, source } = &error else { panic!("{error}") };
        assert_eq!((path.as_path(), *operation), (target_path(), expected));
        assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{error}");

        let left = entries_after(&folder(true), &disk.steps());
        let names: Vec<&PathBuf> = left.keys().collect();
        assert_eq!(names, [target_path()], "{expected}");
        let replaced = expected == Operation::FsyncFolder;
        assert_eq!(left[target_path()] != OLD_FILE, replaced, "{expected}");
    }
}

#[test]
fn a_dropped_file_and_its_name_are_gone() {
    let disk = ModelDisk::default();
    let path = target_path().to_owned();
    let target = Target { given: path.clone(), path, permissions: None };
    let mut file = Replacement::begin(disk.clone(), target, None).unwrap();
    file.write_all(NEW).unwrap();
    drop(file);
    assert!(matches!(disk.steps().last(), Some(Step::Remove { .. })));
    assert_eq!(entries_after(&folder(true), &disk.steps()), folder(true));
}
