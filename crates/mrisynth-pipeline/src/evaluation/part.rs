//! Everybody, and the groups that are looked at by themselves.

use std::collections::BTreeSet;

use mrisynth_metrics::Record;

use super::scan_set::ScanSet;
use crate::error::Result;

/// Some of the real and of the synthetic scans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The criterion and its value, such as site and B; none of everybody.
    group: Option<(String, String)>,
    /// The real and the synthetic scans that belong to it.
    pub(super) members: [Vec<usize>; 2],
}

impl Part {
    /// Whether these are all scans.
    pub(super) fn is_everybody(&self) -> bool {
        self.group.is_none()
    }

    /// The record, marked with the group it is of.
    pub(super) fn mark(&self, record: Record) -> Record {
        match &self.group {
            Some((key, name)) => record.in_group(key, name),
            None => record,
        }
    }
}

/// Everybody first, then the groups of site, sex, diagnosis and age with enough scans in both sets;
/// a warning for each of the others.
pub(super) fn parts(
    sets: [&ScanSet; 2],
    least: usize,
    warnings: &mut Vec<String>,
) -> Result<Vec<Part>> {
    let least = least.max(2);
    let everybody = sets.map(|scans| (0..scans.len()).collect());
    let mut parts = vec![Part { group: None, members: everybody }];
    for (real, synthetic) in sets[0].groupings()?.iter().zip(&sets[1].groupings()?) {
        let key = real.key();
        if real.groups().is_empty() || synthetic.groups().is_empty() {
            if real.groups().len() != synthetic.groups().len() {
                warnings.push(format!("no groups by {key}: only one of the sets says it"));
            }
            continue;
        }
        let names: BTreeSet<&String> =
            real.groups().keys().chain(synthetic.groups().keys()).collect();
        for name in names {
            let members = [real, synthetic].map(|g| g.groups().get(name).cloned());
            let members = members.map(Option::unwrap_or_default);
            let [n, m] = [members[0].len(), members[1].len()];
            if n.min(m) < least {
                warnings.push(format!(
                    "{key} {name}: {n} real and {m} synthetic scans, fewer than {least}; left out"
                ));
                continue;
            }
            parts.push(Part { group: Some((key.to_owned(), name.clone())), members });
        }
    }
    Ok(parts)
}
