//! The `format` and `version` that every JSON file of ours begins with.

use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};

/// A format of ours and the newest version that this crate reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) name: &'static str,
    pub(crate) version: u64,
}

impl Format {
    /// Refuses another format and a newer version, by name.
    pub(crate) fn check(self, path: &Path, json: &Value) -> Result<()> {
        let field = |field, found: &Value, expected: String| Error::Format {
            path: path.to_owned(),
            field,
            found: found.to_string(),
            expected,
        };
        if json["format"] != self.name {
            return Err(field("format", &json["format"], format!("{:?}", self.name)));
        }
        match json["version"].as_u64() {
            Some(found) if found > self.version => Err(Error::Newer {
                path: path.to_owned(),
                format: self.name,
                found,
                supported: self.version,
            }),
            Some(1..) => Ok(()),
            _ => Err(field("version", &json["version"], "a number from 1".into())),
        }
    }
}

/// Reads a JSON file, or nothing where there is none.
pub(crate) fn read_json(path: &Path) -> Result<Option<Value>> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| Error::Json { path: path.to_owned(), source }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::io(path, "read", source)),
    }
}

/// JSON as people read it, with a line end.
pub(crate) fn pretty(path: &Path, value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let json = |source| Error::Json { path: path.to_owned(), source };
    let mut text = serde_json::to_vec_pretty(value).map_err(json)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_and_other_formats_are_refused_by_name() {
        let format = Format { name: "mrisynth-thing", version: 2 };
        let check = |json| format.check(Path::new("a.json"), &json).map_err(|e| e.to_string());
        let json =
            |name: &str, version: u64| serde_json::json!({"format": name, "version": version});
        assert!(check(json("mrisynth-thing", 1)).is_ok());
        assert!(check(json("mrisynth-thing", 2)).is_ok());
        let newer = check(json("mrisynth-thing", 3)).unwrap_err();
        assert!(newer.contains("mrisynth-thing version 3"), "{newer}");
        assert!(check(json("mrisynth-other", 1)).unwrap_err().contains("mrisynth-other"));
        assert!(check(serde_json::json!({})).is_err());
        assert!(check(json("mrisynth-thing", 0)).is_err());
    }
}
