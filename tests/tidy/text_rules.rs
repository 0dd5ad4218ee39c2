//! What text must be like, wherever it stands.

/// A source file, tests aside, ends by this line.
const MAX_LINES: usize = 400;
/// An example that grows past this is missing something in a library.
const MAX_EXAMPLE_LINES: usize = 180;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "types", "misc"];

/// Lines before the test module that ends the file.
fn lines_without_tests(text: &str) -> usize {
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
}

pub(crate) fn length_complaint(path: &str, text: &str) -> Option<String> {
    let is_test =
        path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("tests.rs");
    let limit = if path.starts_with("examples/") { MAX_EXAMPLE_LINES } else { MAX_LINES };
    let lines = lines_without_tests(text);
    (!is_test && lines > limit).then(|| format!("{path}: {lines} lines, the limit is {limit}"))
}

pub(crate) fn name_complaint(path: &str) -> Option<String> {
    let mut names = path.split('/').map(|part| part.trim_end_matches(".rs"));
    names.find(|name| EMPTY_NAMES.contains(name)).map(|name| format!("{path}: {name} says nothing"))
}

/// Paths of one machine and hosts of registries have no place in a repository.
pub(crate) fn leak_complaints(path: &str, text: &str) -> Vec<String> {
    // Written in pieces so that this file does not complain about itself.
    let leaks = [
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("py", "pi.org"),
        concat!("crates", ".io/"),
        concat!("registry.", "npmjs"),
        concat!("deb", ".debian"),
    ];
    let found = leaks.iter().filter(|leak| text.contains(**leak));
    found.map(|leak| format!("{path}: contains {leak}")).collect()
}

pub(crate) fn source_complaint(path: &str, text: &str) -> Option<String> {
    let is_source = |line: &str| matches!(line.trim(), "//! # Source" | "/// # Source");
    (!text.lines().any(is_source)).then(|| format!("{path}: names no `# Source`"))
}

pub(crate) fn ignored_complaints(path: &str, text: &str) -> Vec<String> {
    let bare = concat!("#[ig", "nore]");
    let found = text.lines().enumerate().filter(|(_, line)| line.contains(bare));
    found.map(|(n, _)| format!("{path}:{}: a test ignored without a reason", n + 1)).collect()
}

#[test]
fn the_rules_can_fail() {
    assert!(length_complaint("crates/a/src/b.rs", &"x\n".repeat(401)).is_some());
    assert!(length_complaint("crates/a/src/b.rs", &"x\n".repeat(400)).is_none());
    assert!(name_complaint("crates/a/src/utils.rs").is_some());
    assert_eq!(leak_complaints("a", concat!("see /ro", "ot/x")).len(), 1);
    assert!(source_complaint("a.rs", "//! Nothing.\nfn f() {}\n").is_some());
    assert_eq!(ignored_complaints("a.rs", concat!("#[ig", "nore]\n")).len(), 1);
}
