//! Stages that depend on each other, each of which is done once.
//!
//! A stage works in a folder of its own, `ROOT/NAME/`, where a marker says what it was made of:
//!
//! | marker | what happens |
//! |---|---|
//! | done, of the same inputs, and every output is as it was | nothing |
//! | done, of the same inputs, but outputs are missing or changed | those are removed, and the stage goes on |
//! | begun, of the same inputs | the stage goes on with what lies in its folder |
//! | of other inputs | the folder is emptied, and the stage begins |
//!
//! What a stage is made of is a digest over its settings and the digests of the stages it depends on, so
//! that a changed setting reaches exactly what depends on it. A stage that cannot be done for want of
//! something, such as subjects, is skipped: its marker says why.

mod event;
mod work;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use durable_file::{
    Sha256Digest, create_folder, remove_folder, remove_leftovers, sha256_of_bytes, sha256_of_file,
};
use mrisynth_training::Stop;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use event::StageEvent;
pub(crate) use work::Work;

use crate::error::{Error, Result};

const FORMAT: &str = "mrisynth-study-stage";
const VERSION: u32 = 1;
const MARKER: &str = "stage.json";
const LOCK: &str = ".lock";

/// Something to be done once.
pub(crate) trait Stage {
    /// What it is called, and its folder.
    fn name(&self) -> &str;

    /// The stages that it depends on.
    fn inputs(&self) -> Vec<String>;

    /// All else that its result depends on.
    fn settings(&self) -> Result<Value>;

    /// Does it, or goes on with what lies in the folder.
    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd>;
}

/// How a stage ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StageEnd {
    /// All is done; its outputs, below the folder of the stage.
    Done(Vec<PathBuf>),
    /// Somebody asked to stop; it can go on.
    Stopped,
    /// There is too little to do it with, for this reason; it counts as done.
    Skipped(String),
}

/// What is known of a stage in its folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    format: String,
    version: u32,
    stage: String,
    /// Over all that follows but the outputs.
    digest: String,
    inputs: BTreeMap<String, String>,
    settings: Value,
    /// By path below the folder; none until the stage is done.
    outputs: Option<BTreeMap<PathBuf, String>>,
    /// Why nothing was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
}

/// Does stages in order, each after those that it depends on; says whether all are done.
///
/// # Errors
/// [`Error::Argument`] for two stages of one name, one that depends on none before it, and a folder that
/// another process works in; those of the stages. What was done stays done.
pub(crate) fn run_stages(
    root: &Path,
    stages: &[Box<dyn Stage + '_>],
    stop: &Stop,
    observer: &mut dyn FnMut(&StageEvent<'_>),
) -> Result<bool> {
    create_folder(root)?;
    let _lock = lock(root)?;
    let mut digests = BTreeMap::<String, String>::new();
    for (number, stage) in stages.iter().enumerate() {
        let stage = stage.as_ref();
        let begun = Marker::begun(stage, &digests)?;
        if digests.insert(stage.name().to_owned(), begun.digest.clone()).is_some() {
            return Err(Error::argument("stage", stage.name(), "each name once"));
        }
        let folder = root.join(stage.name());
        if let Some(found) = make_ready(&folder, &begun)? {
            let stage = stage.name();
            match &found.skipped {
                Some(reason) => observer(&StageEvent::Skipped { stage, reason }),
                None => observer(&StageEvent::Found { stage }),
            }
            continue;
        }
        if stop.is_requested() {
            return Ok(false);
        }
        observer(&StageEvent::Begun { stage: stage.name(), number, of: stages.len() });
        let mut work = Work { root, stage: stage.name(), stop, observer: &mut *observer };
        match stage.run(&mut work)? {
            StageEnd::Stopped => return Ok(false),
            StageEnd::Done(outputs) => {
                begun.done(&folder, &outputs)?.write(&folder)?;
                observer(&StageEvent::Done { stage: stage.name() });
            }
            StageEnd::Skipped(reason) => {
                observer(&StageEvent::Skipped { stage: stage.name(), reason: &reason });
                let skipped = Marker { skipped: Some(reason), ..begun.done(&folder, &[])? };
                skipped.write(&folder)?;
            }
        }
    }
    Ok(true)
}

/// Why the stage in this folder was skipped; none where it was not.
pub(crate) fn reason_of_skipping(folder: &Path) -> Result<Option<String>> {
    Ok(Marker::read(folder)?.and_then(|marker| marker.skipped))
}

/// Prepares the folder of a stage, and gives its marker when the stage is done.
fn make_ready(folder: &Path, begun: &Marker) -> Result<Option<Marker>> {
    let found = Marker::read(folder)?.filter(|found| found.digest == begun.digest);
    let Some(found) = found else {
        if folder.exists() {
            remove_folder(folder)?;
        }
        create_folder(folder)?;
        begun.write(folder)?;
        return Ok(None);
    };
    remove_leftovers(folder)?;
    let Some(outputs) = &found.outputs else { return Ok(None) };
    let mut is_whole = true;
    for (output, digest) in outputs {
        let path = folder.join(output);
        if path.is_file() && sha256_of_file(&path)?.to_string() == *digest {
            continue;
        }
        is_whole = false;
        if path.is_file() {
            std::fs::remove_file(&path).map_err(|e| Error::io(&path, "remove", e))?;
        }
    }
    if !is_whole {
        begun.write(folder)?;
        return Ok(None);
    }
    Ok(Some(found))
}

impl Marker {
    fn begun(stage: &dyn Stage, digests: &BTreeMap<String, String>) -> Result<Self> {
        let input = |name: String| match digests.get(&name) {
            Some(digest) => Ok((name, digest.clone())),
            None => Err(Error::argument("an input of a stage", name, "a stage before it")),
        };
        let inputs: BTreeMap<_, _> =
            stage.inputs().into_iter().map(input).collect::<Result<_>>()?;
        let (name, settings) = (stage.name().to_owned(), stage.settings()?);
        // Objects of JSON values are ordered by their keys.
        let all = json!({
            "format": FORMAT, "version": VERSION, "stage": name, "inputs": inputs,
            "settings": settings,
        });
        let digest: Sha256Digest = sha256_of_bytes(all.to_string().as_bytes());
        Ok(Self {
            format: FORMAT.into(),
            version: VERSION,
            stage: name,
            digest: digest.to_string(),
            inputs,
            settings,
            outputs: None,
            skipped: None,
        })
    }

    fn done(self, folder: &Path, outputs: &[PathBuf]) -> Result<Self> {
        let of = |output: &PathBuf| {
            let digest = sha256_of_file(folder.join(output))?;
            Ok((output.clone(), digest.to_string()))
        };
        let outputs = outputs.iter().map(of).collect::<Result<_>>()?;
        Ok(Self { outputs: Some(outputs), ..self })
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(MARKER);
        let marker = serde_json::to_value(self)
            .map_err(|e| Error::format(&path, "the marker", e, "what JSON holds"))?;
        write_json(&path, &marker)
    }

    /// The marker in a folder; none where there is none, or one that an older version left.
    fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(MARKER);
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, "read", e))?;
        let json: Value = serde_json::from_str(&text)
            .map_err(|e| Error::format(&path, "the content", e, "the marker of a stage"))?;
        let version = json["version"].as_u64();
        if json["format"] != FORMAT || version.is_none_or(|found| found > u64::from(VERSION)) {
            let found = format!("{} version {}", json["format"], json["version"]);
            return Err(Error::format(&path, "format", found, format!("{FORMAT} {VERSION}")));
        }
        Ok(serde_json::from_value(json).ok())
    }
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|e| Error::format(path, "the content", e, "what JSON holds"))?;
    durable_file::write(path, json.as_bytes())?;
    Ok(())
}

/// Every file below a folder that has one of these endings, relative to `from`, in order.
pub(crate) fn files_below(folder: &Path, from: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let fault = |e| Error::io(&next, "list", e);
        for entry in std::fs::read_dir(&next).map_err(fault)? {
            let path = entry.map_err(fault)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|end| path.to_string_lossy().ends_with(end))
                && let Ok(path) = path.strip_prefix(from)
            {
                found.push(path.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Two processes must not work in one folder.
fn lock(root: &Path) -> Result<File> {
    let path = root.join(LOCK);
    let fault = |e| Error::io(&path, "lock", e);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let expected = "a folder that no other process works in";
            Err(Error::argument("the folder of the stages", root.display(), expected))
        }
        Err(TryLockError::Error(source)) => Err(fault(source)),
    }
}

#[cfg(test)]
mod tests;
