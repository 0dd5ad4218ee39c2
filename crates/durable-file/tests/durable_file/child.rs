//! Tests that need a process of their own run themselves again in one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "DURABLE_FILE_TEST_FOLDER";

/// The folder to work in, if this process is the child.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// The test of this name, alone, as a child that works in `folder`.
pub(crate) fn command(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(FOLDER, folder);
    command
}

/// Runs the test of this name in a child and fails if it fails there, or did not run.
pub(crate) fn run(test: &str, folder: &Path) {
    let output = command(test, folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // What the child could not do must be seen, though its test has passed.
    if output.stderr.starts_with(b"SKIPPED") {
        std::io::stderr().write_all(&output.stderr).unwrap();
    }
}
