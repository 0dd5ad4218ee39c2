//! What the documentation tells people to type and to click: examples, their flags, links, READMEs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{all_files, complain, root, text_of};

/// A call of an example: its name and the flags behind it.
#[derive(Debug, PartialEq)]
struct Call {
    example: String,
    flags: Vec<String>,
}

/// Every call of an example in a text, line by line, as `--example NAME -- …` or as a program in `release/examples`.
fn calls(text: &str) -> Vec<Call> {
    let joined = text.replace("\\\n//!", " ").replace("\\\n", " ");
    let mut found = Vec::new();
    for line in joined.lines() {
        for (marker, is_cargo) in [("--example ", true), ("release/examples/", false)] {
            for (at, _) in line.match_indices(marker) {
                let rest = &line[at + marker.len()..];
                let ends = ["`", " #", " | ", " > ", "; ", " && "];
                let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
                let mut words = rest[..end].split_whitespace();
                let Some(example) = words.next() else { continue };
                if is_cargo {
                    words.find(|word| *word == "--");
                }
                let flags = words.filter_map(flag).collect();
                found.push(Call { example: example.trim_end_matches('"').to_owned(), flags });
            }
        }
    }
    found
}

/// The name of a flag such as `--steps` or `[--steps=25]`.
fn flag(word: &str) -> Option<String> {
    let name = word.trim_start_matches('[').strip_prefix("--")?.split('=').next()?;
    let name = name.trim_end_matches([']', ',', '"', '.']);
    (!name.is_empty()).then(|| name.to_owned())
}

/// The long flags that a program derives with clap.
fn flags_of(source: &str) -> BTreeSet<String> {
    let mut flags = BTreeSet::from(["help".to_owned()]);
    for attribute in source.split("#[arg(").skip(1) {
        let Some((body, rest)) = attribute.split_once(")]") else { continue };
        let parts: Vec<&str> = body.split(',').map(str::trim).collect();
        if let Some(named) = parts.iter().find_map(|part| part.strip_prefix("long = \"")) {
            flags.insert(named.trim_end_matches('"').to_owned());
        } else if parts.contains(&"long") {
            let is_field = |line: &&str| !line.is_empty() && !line.starts_with(['#', '/']);
            let field = rest.lines().map(str::trim).find(is_field).unwrap_or_default();
            let name = field.trim_start_matches("pub ").split(':').next().unwrap_or_default();
            flags.insert(name.replace('_', "-"));
        }
    }
    flags
}

/// The source of an example, files of its own folder included; none if there is no such example.
fn source_of(example: &str) -> Option<String> {
    let folder = Path::new("examples").join(example);
    let is_of = |path: &&PathBuf| {
        **path == folder.with_extension("rs")
            || path.starts_with(&folder) && path.extension().is_some_and(|e| e == "rs")
    };
    let source: String = all_files().iter().filter(is_of).filter_map(|p| text_of(p)).collect();
    (!source.is_empty()).then_some(source)
}

fn call_complaints(path: &str, text: &str) -> Vec<String> {
    let of = |call: Call| match source_of(&call.example) {
        None => vec![format!("{path}: there is no example {}", call.example)],
        Some(source) => {
            let known = flags_of(&source);
            let strange = call.flags.into_iter().filter(|flag| !known.contains(flag));
            strange.map(|flag| format!("{path}: {} has no --{flag}", call.example)).collect()
        }
    };
    calls(text).into_iter().flat_map(of).collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        title.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
    };
    headings.map(anchor).collect()
}

fn link_complaints(path: &Path, text: &str) -> Vec<String> {
    let folder = path.parent().expect("a file lies in a folder");
    let mut complaints = Vec::new();
    for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if link.starts_with("http") {
            continue;
        }
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { path.to_owned() } else { folder.join(file) };
        let page = if target.extension().is_some_and(|e| e == "md") {
            std::fs::read_to_string(root().join(&target)).unwrap_or_default()
        } else {
            String::new()
        };
        let is_there = root().join(&target).exists();
        if !is_there || !(anchor.is_empty() || anchors(&page).contains(anchor)) {
            complaints.push(format!("{}: {link} leads nowhere", path.display()));
        }
    }
    complaints
}

/// The pages that people read, and the headers of the examples.
fn pages() -> Vec<(PathBuf, String)> {
    let is_page = |path: &&PathBuf| match path.extension().and_then(|ending| ending.to_str()) {
        Some("md") => !path.starts_with("tests") && !path.starts_with("benches"),
        Some("rs") => path.starts_with("examples"),
        _ => false,
    };
    let files = all_files();
    files.iter().filter(is_page).filter_map(|p| Some((p.clone(), text_of(p)?))).collect()
}

#[test]
fn commands_in_the_documentation_name_examples_and_flags_that_there_are() {
    let pages = pages();
    assert!(pages.iter().map(|(_, text)| calls(text).len()).sum::<usize>() > 50);
    let of = |(path, text): &(PathBuf, String)| call_complaints(&path.display().to_string(), text);
    complain(&pages.iter().flat_map(of).collect::<Vec<_>>());
}

#[test]
fn links_of_the_documentation_lead_somewhere() {
    let pages = pages();
    let pages = pages.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "md"));
    complain(&pages.flat_map(|(path, text)| link_complaints(path, text)).collect::<Vec<_>>());
}

#[test]
fn every_crate_has_a_readme_whose_program_is_tested() {
    let tested = text_of(Path::new("tests/documentation.rs")).expect("text");
    let manifests = all_files();
    let crates = manifests.iter().filter(|path| {
        path.starts_with("crates") && path.ends_with("Cargo.toml") && path.iter().count() == 3
    });
    let readmes = crates.map(|manifest| manifest.with_file_name("README.md").display().to_string());
    let untested = readmes.filter(|readme| {
        text_of_existing(readme).is_none_or(|text| !text.contains("```rust"))
            || !tested.contains(readme.as_str())
    });
    complain(
        &untested.map(|readme| format!("{readme}: no program that is tested")).collect::<Vec<_>>(),
    );
}

fn text_of_existing(path: &str) -> Option<String> {
    std::fs::read_to_string(root().join(path)).ok()
}

#[test]
fn the_rules_can_fail() {
    let source = "#[arg(long, default_value_t = 1)]\n    /// How many.\n    step_count: u64,\n\
                  #[arg(long = \"limit\")]\n limits: Vec<u8>,\n#[arg(short)]\n quiet: bool,\n";
    let flags = ["help", "limit", "step-count"].map(str::to_owned);
    assert_eq!(flags_of(source), BTreeSet::from(flags));
    let text = "cargo run --release --example train -- --out=a \\\n  --steps 2 # --not\n\
                `target/release/examples/sample --seed 1` and --example mask";
    let call = |example: &str, flags: &[&str]| Call {
        example: example.to_owned(),
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
    };
    let expected = [call("train", &["out", "steps"]), call("mask", &[]), call("sample", &["seed"])];
    assert_eq!(calls(text), expected);
    assert_eq!(call_complaints("a.md", "--example no-such --").len(), 1);
    assert_eq!(call_complaints("a.md", "--example train -- --no-such 1 --steps 2").len(), 1);
    let links = "[a](docs) [b](README.md#no-such) [c](no-such.md) [d](docs/metrics.md#groups)";
    assert_eq!(link_complaints(Path::new("README.md"), links).len(), 2);
    assert_eq!(anchors("## A scan, and `back`\n"), BTreeSet::from(["a-scan-and-back".to_owned()]));
}
