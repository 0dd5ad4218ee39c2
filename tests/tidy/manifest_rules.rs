//! What the manifests of the workspace must say, and what they may use.

use std::collections::{BTreeMap, BTreeSet};

/// `crate → crates of ours it may use`, from the table in the architecture page.
pub(crate) fn allowed_edges(architecture: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows = architecture.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let names = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let of = names(cells[0]).remove(0);
        (of, cells.last().map(|cell| names(cell).into_iter().collect()).unwrap_or_default())
    })
    .collect()
}

pub(crate) fn edge_complaints(
    manifest: &toml::Table,
    allowed: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let name = manifest["package"]["name"].as_str().expect("package has a name").to_owned();
    let Some(may_use) = allowed.get(&name) else {
        return vec![format!("{name}: is not in the crate map of docs/ARCHITECTURE.md")];
    };
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    let names = dependencies.into_iter().flatten().map(|(used, _)| used);
    names
        .filter(|used| allowed.contains_key(*used) && !may_use.contains(*used))
        .map(|used| format!("{name}: uses {used}, which the crate map does not allow"))
        .collect()
}

/// What `cargo tree` names that only GPUs need.
pub(crate) fn gpu_complaints(tree: &str) -> Vec<String> {
    let of_gpus = |line: &&str| {
        ["cudarc", "candle-kernels", "cudaforge"].iter().any(|name| line.starts_with(name))
    };
    let found: BTreeSet<_> = tree.lines().filter(of_gpus).collect();
    found.iter().map(|line| format!("{line}: is in the default build")).collect()
}

pub(crate) fn package_complaints(path: &str, manifest: &toml::Table) -> Vec<String> {
    let mut complaints = Vec::new();
    let package = manifest["package"].as_table().expect("package is a table");
    for field in ["version", "edition", "rust-version", "license"] {
        let inherits = package.get(field).and_then(|v| v.get("workspace")).is_some();
        if !inherits {
            complaints.push(format!("{path}: {field} is not the workspace's"));
        }
    }
    let published = package.get("publish").and_then(toml::Value::as_bool) != Some(false);
    if published != path.starts_with("crates/") {
        complaints.push(format!("{path}: only what lies in crates/ is published"));
    }
    if !manifest.contains_key("lints") {
        complaints.push(format!("{path}: has no lints"));
    }
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, spec) in manifest.get(kind).and_then(toml::Value::as_table).into_iter().flatten()
        {
            if spec.get("workspace").is_none() {
                complaints.push(format!("{path}: {name} has a version of its own"));
            }
        }
    }
    complaints
}

#[test]
fn the_rules_can_fail() {
    let allowed = allowed_edges("| `a` | thing | `b` |\n| `b` | thing | – |\n");
    let manifest = |name: &str, uses: &str| -> toml::Table {
        format!("[package]\nname='{name}'\n[dependencies]\n{uses} = '1'").parse().expect("TOML")
    };
    assert!(edge_complaints(&manifest("a", "b"), &allowed).is_empty());
    assert_eq!(edge_complaints(&manifest("b", "a"), &allowed).len(), 1);
    assert_eq!(edge_complaints(&manifest("c", "a"), &allowed).len(), 1);
    assert!(package_complaints("crates/c/Cargo.toml", &manifest("c", "a")).len() >= 5);
    assert_eq!(gpu_complaints("toml v1.0.0\ncudarc v0.19.0\ncudarc v0.19.0 (*)\n").len(), 2);
}
