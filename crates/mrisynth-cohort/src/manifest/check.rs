//! What must hold between the cells of a row, and between rows.

use std::collections::HashMap;
use std::path::Path;

use crate::error::TableFault;
use crate::table::fault;
use crate::visit::Visit;

/// Adds what is wrong with rows, each given with its line.
pub(super) fn rows(visits: &[(usize, Visit)], faults: &mut Vec<TableFault>) {
    let mut seen = HashMap::<(&str, Option<&str>), usize>::new();
    let mut files = HashMap::<&Path, usize>::new();
    let mut sexes = HashMap::<&str, (usize, crate::Sex)>::new();
    for (line, visit) in visits {
        let Visit { subject, session, .. } = visit;
        if visit.files().next().is_none() {
            faults.push(fault(*line, "", "neither image nor mask", "at least one file"));
        }
        if subject.is_empty() {
            continue; // told already
        }
        if subject.contains(['/', '\\']) || subject.trim() != subject {
            let expected = "a name without slashes, or spaces at its ends";
            faults.push(fault(*line, "subject", &format!("{subject:?}"), expected));
        }
        if let Some(first) = seen.insert((subject, session.as_deref()), *line) {
            let visit = format!("{subject} {}", session.as_deref().unwrap_or_default());
            let expected = format!("a visit once; the other is on line {first}");
            faults.push(fault(*line, "subject", visit.trim(), &expected));
        }
        for (column, path) in visit.files() {
            if let Some(first) = files.insert(path, *line) {
                let found = path.display().to_string();
                let expected = format!("a file once; the other is on line {first}");
                faults.push(fault(*line, column, &found, &expected));
            }
        }
        if let Some(sex) = visit.sex {
            let (first, known) = *sexes.entry(subject).or_insert((*line, sex));
            if known != sex {
                let expected = format!("{known}, as {subject} has on line {first}");
                faults.push(fault(*line, "sex", &sex.to_string(), &expected));
            }
        }
    }
}
