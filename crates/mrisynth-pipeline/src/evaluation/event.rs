//! What an evaluation tells of itself while it goes on.

/// Something that an evaluation tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvaluationEvent {
    /// So much of one of its parts is done; a part begins with nothing done and ends with all of it.
    Progress {
        /// The part, in words: `reading`, `near copies`.
        what: &'static str,
        /// Scans, pairs or groups done.
        done: usize,
        /// Scans, pairs or groups in all.
        of: usize,
    },
}

/// Whoever listens.
pub(super) type Observer<'a> = dyn FnMut(&EvaluationEvent) + 'a;

/// Goes through items and tells before and after each how many are done.
pub(super) fn told<T, R, E>(
    items: impl ExactSizeIterator<Item = T>,
    what: &'static str,
    observer: &mut Observer<'_>,
    mut of_item: impl FnMut(T) -> Result<R, E>,
) -> Result<Vec<R>, E> {
    let of = items.len();
    let mut found = Vec::with_capacity(of);
    observer(&EvaluationEvent::Progress { what, done: 0, of });
    for item in items {
        found.push(of_item(item)?);
        observer(&EvaluationEvent::Progress { what, done: found.len(), of });
    }
    Ok(found)
}
