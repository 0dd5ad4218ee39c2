//! Which visit is the n-th of an endless, shuffled sequence.

use std::sync::Mutex;

use keyed_random::Key;

/// A shuffled order for every pass over a cohort; the last one looked at is kept.
#[derive(Debug)]
pub(super) struct Order {
    key: Key,
    n: usize,
    kept: Mutex<Option<(u64, Vec<usize>)>>,
}

impl Order {
    pub(super) fn new(key: Key, n: usize) -> Self {
        Self { key, n, kept: Mutex::new(None) }
    }

    /// The pass that an item of the sequence belongs to, and its visit.
    pub(super) fn at(&self, item: u64) -> (u64, usize) {
        let n = self.n.max(1) as u64;
        let (epoch, place) = (item / n, (item % n) as usize);
        // Whatever a thread did before it panicked, what is kept is whole.
        let mut kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if kept.as_ref().is_none_or(|(known, _)| *known != epoch) {
            *kept = Some((epoch, self.key.with_index(epoch).stream().permutation(self.n)));
        }
        let visit = kept.as_ref().and_then(|(_, order)| order.get(place).copied());
        (epoch, visit.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pass_has_every_visit_once_in_an_order_of_its_own() {
        let order = Order::new(Key::new(3), 20);
        let pass =
            |epoch: u64| -> Vec<usize> { (0..20).map(|i| order.at(20 * epoch + i).1).collect() };
        let (first, second) = (pass(0), pass(1));
        assert_ne!(first, second);
        assert_eq!(pass(0), first, "also when asked again");
        let mut sorted = second;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..20));
        assert_eq!(order.at(u64::MAX).0, u64::MAX / 20);
    }
}
