//! A disk of one folder that records what is asked of it, fails on demand, and can lose power.
//!
//! The power failure is the weakest POSIX allows: every write since the file's last fsync survives
//! whole, in part, as zeros or not at all; every entry of the folder since its last fsync survives
//! or not; each independently of the others and of their order.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::disk::Disk;
use crate::error::Operation;

/// Files are numbered in the order of their creation; this is the one that was there before.
pub(super) const OLD_FILE: usize = 0;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Create { file: usize, name: PathBuf },
    OpenFolder,
    Write { file: usize, bytes: Vec<u8> },
    SetPermissions,
    SyncFile { file: usize },
    Rename { from: PathBuf, to: PathBuf },
    SyncFolder,
    Remove { name: PathBuf },
}

impl Step {
    pub(super) fn operation(&self) -> Option<Operation> {
        Some(match self {
            Self::Create { .. } => Operation::CreateTemporaryFile,
            Self::OpenFolder => Operation::OpenFolder,
            Self::Write { .. } => Operation::Write,
            Self::SetPermissions => Operation::SetPermissions,
            Self::SyncFile { .. } => Operation::Fsync,
            Self::Rename { .. } => Operation::Rename,
            Self::SyncFolder => Operation::FsyncFolder,
            Self::Remove { .. } => return None,
        })
    }
}

#[derive(Debug, Default)]
struct Record {
    steps: Vec<Step>,
    files: usize,
    asked: usize,
    fails_at: Option<usize>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct ModelDisk(Rc<RefCell<Record>>);

impl ModelDisk {
    /// A disk that refuses the step with this number.
    pub(super) fn failing_at(step: usize) -> Self {
        let record = Record { fails_at: Some(step), ..Record::default() };
        Self(Rc::new(RefCell::new(record)))
    }

    /// What was done, without what was refused.
    pub(super) fn steps(&self) -> Vec<Step> {
        self.0.borrow().steps.clone()
    }

    fn ask(&self, step: Step) -> io::Result<()> {
        let mut record = self.0.borrow_mut();
        record.asked += 1;
        if record.fails_at == Some(record.asked - 1) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        record.steps.push(step);
        Ok(())
    }
}

pub(super) struct ModelFile {
    disk: ModelDisk,
    file: usize,
}

impl Write for ModelFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.ask(Step::Write { file: self.file, bytes: bytes.to_vec() })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for ModelDisk {
    type File = ModelFile;
    type Folder = ();

    fn create_new(&self, path: &Path, _private: bool) -> io::Result<ModelFile> {
        self.0.borrow_mut().files += 1;
        let file = OLD_FILE + self.0.borrow().files;
        self.ask(Step::Create { file, name: path.to_owned() })?;
        Ok(ModelFile { disk: self.clone(), file })
    }

    fn open_folder(&self, _: &Path) -> io::Result<()> {
        self.ask(Step::OpenFolder)
    }

    fn set_permissions(&self, _: &ModelFile, _: &Permissions) -> io::Result<()> {
        self.ask(Step::SetPermissions)
    }

    fn sync_file(&self, file: &ModelFile) -> io::Result<()> {
        self.ask(Step::SyncFile { file: file.file })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Step::Rename { from: from.to_owned(), to: to.to_owned() })
    }

    fn sync_folder(&self, _: &()) -> io::Result<()> {
        self.ask(Step::SyncFolder)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask(Step::Remove { name: path.to_owned() })
    }
}

/// The names in the folder and the files they stand for.
pub(super) type Entries = BTreeMap<PathBuf, usize>;

/// What one step does to the entries, all of it or nothing.
///
/// A rename names its file by number, so that it can survive where the entry it came from is lost.
struct Change {
    step: usize,
    removed: Option<PathBuf>,
    added: Option<(PathBuf, usize)>,
}

impl Change {
    fn apply(&self, entries: &mut Entries) {
        if let Some(name) = &self.removed {
            entries.remove(name);
        }
        if let Some((name, file)) = &self.added {
            entries.insert(name.clone(), *file);
        }
    }
}

fn changes(before: &Entries, steps: &[Step]) -> Vec<Change> {
    let mut running = before.clone();
    let mut changes = Vec::new();
    for (step, done) in steps.iter().enumerate() {
        let (removed, added) = match done {
            Step::Create { file, name } => (None, Some((name.clone(), *file))),
            Step::Rename { from, to } => (Some(from.clone()), Some((to.clone(), running[from]))),
            Step::Remove { name } => (Some(name.clone()), None),
            _ => continue,
        };
        let change = Change { step, removed, added };
        change.apply(&mut running);
        changes.push(change);
    }
    changes
}

/// The folder as the running system sees it after these steps.
pub(super) fn entries_after(before: &Entries, steps: &[Step]) -> Entries {
    let mut entries = before.clone();
    changes(before, steps).iter().for_each(|change| change.apply(&mut entries));
    entries
}

/// Every content `target` may have, or `None` for no such file, if the power fails after `steps`.
pub(super) fn after_power_failure(
    before: &Entries,
    old: &[u8],
    steps: &[Step],
    target: &Path,
) -> BTreeSet<Option<Vec<u8>>> {
    let mut contents = BTreeSet::new();
    for entries in surviving_entries(before, steps) {
        match entries.get(target) {
            None => drop(contents.insert(None)),
            Some(&OLD_FILE) => drop(contents.insert(Some(old.to_vec()))),
            Some(&file) => contents.extend(surviving_contents(file, steps).into_iter().map(Some)),
        }
    }
    contents
}

/// The number of steps up to and including the last one equal to `sync`.
fn synced_by(sync: &Step, steps: &[Step]) -> usize {
    steps.iter().rposition(|step| step == sync).map_or(0, |last| last + 1)
}

fn surviving_entries(before: &Entries, steps: &[Step]) -> Vec<Entries> {
    let synced = synced_by(&Step::SyncFolder, steps);
    let changes = changes(before, steps);
    let (certain, uncertain) = changes.split_at(changes.partition_point(|c| c.step < synced));
    (0..1_u32 << uncertain.len())
        .map(|survivors| {
            let mut entries = before.clone();
            certain.iter().for_each(|change| change.apply(&mut entries));
            for (bit, change) in uncertain.iter().enumerate() {
                if survivors & (1 << bit) != 0 {
                    change.apply(&mut entries);
                }
            }
            entries
        })
        .collect()
}

fn surviving_contents(file: usize, steps: &[Step]) -> BTreeSet<Vec<u8>> {
    let synced = synced_by(&Step::SyncFile { file }, steps);
    let mut contents = BTreeSet::from([Vec::new()]);
    let mut offset = 0;
    for (i, step) in steps.iter().enumerate() {
        let Step::Write { file: written, bytes } = step else { continue };
        if *written != file {
            continue;
        }
        let half = bytes.len() / 2;
        let survivals: &[&[u8]] = if i < synced { &[bytes] } else { &[bytes, &bytes[..half], &[]] };
        contents = contents
            .iter()
            .flat_map(|content| survivals.iter().map(|part| overwritten(content, offset, part)))
            .collect();
        offset += bytes.len();
    }
    // The length is written down separately: it may be right where the bytes are missing.
    let with_length = contents.iter().cloned().map(|mut content| {
        content.resize(offset, 0);
        content
    });
    with_length.collect::<BTreeSet<_>>().union(&contents).cloned().collect()
}

fn overwritten(content: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    if !bytes.is_empty() {
        content.resize(offset, 0);
        content.extend_from_slice(bytes);
    }
    content
}
