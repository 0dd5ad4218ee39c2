//! Choices among finitely many: integers, elements, orders, subsets.

use std::collections::HashMap;
use std::num::NonZero;
use std::ops::RangeInclusive;

use crate::Stream;

impl Stream {
    /// An integer below `bound`, each exactly as likely.
    ///
    /// Takes one element, and another with probability below `bound` / 2⁶⁴.
    ///
    /// # Source
    /// Lemire, "Fast random integer generation in an interval", 2019.
    ///
    /// # Examples
    /// ```
    /// # use std::num::NonZero;
    /// use keyed_random::Key;
    ///
    /// let faces = const { NonZero::new(6).unwrap() };
    /// let mut stream = Key::new(1).with("dice").stream();
    /// assert_eq!([(); 5].map(|()| 1 + stream.below(faces)), [5, 5, 4, 2, 2]);
    /// ```
    pub fn below(&mut self, bound: NonZero<u64>) -> u64 {
        let bound = bound.get();
        let scaled = |word: u64| {
            let product = u128::from(word) * u128::from(bound);
            ((product >> 64) as u64, product as u64)
        };
        let (mut integer, mut fraction) = scaled(self.next_u64());
        if fraction < bound {
            // Refusing 2⁶⁴ mod bound of the words leaves equally many for every integer.
            let surplus = bound.wrapping_neg() % bound;
            while fraction < surplus {
                (integer, fraction) = scaled(self.next_u64());
            }
        }
        integer
    }

    /// An integer of the range, each exactly as likely; none of an empty range.
    pub fn range(&mut self, range: RangeInclusive<i64>) -> Option<i64> {
        if range.is_empty() {
            return None;
        }
        let (first, last) = range.into_inner();
        let offset = match NonZero::new(last.wrapping_sub(first).wrapping_add(1) as u64) {
            Some(count) => self.below(count),
            None => self.next_u64(), // all 2⁶⁴ integers
        };
        Some(first.wrapping_add(offset as i64))
    }

    /// An element of the slice, each exactly as likely; none of an empty slice.
    pub fn choose<'a, T>(&mut self, elements: &'a [T]) -> Option<&'a T> {
        let count = NonZero::new(elements.len() as u64)?;
        elements.get(self.below(count) as usize)
    }

    /// Puts the elements in random order, each order exactly as likely.
    ///
    /// # Source
    /// Fisher and Yates, from the front: place i is swapped with one of the places from i on.
    pub fn shuffle<T>(&mut self, elements: &mut [T]) {
        let count = elements.len();
        for place in 0..count {
            let other = self.place_from(place, count);
            elements.swap(place, other);
        }
    }

    /// The integers below `count` in random order.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        self.shuffle(&mut order);
        order
    }

    /// `amount` different integers below `count` in random order, or all if there are not so many.
    ///
    /// They are the first of [`Stream::permutation`], at a cost in `amount` alone.
    pub fn sample_indices(&mut self, count: usize, amount: usize) -> Vec<usize> {
        // The permutation's array, less the places that hold their own index. Only looked up in:
        // the map's own order, which is random, reaches nothing.
        let mut moved = HashMap::new();
        let take = |place: usize| {
            let other = self.place_from(place, count);
            let displaced = moved.remove(&place).unwrap_or(place);
            if other == place { displaced } else { moved.insert(other, displaced).unwrap_or(other) }
        };
        (0..amount.min(count)).map(take).collect()
    }

    /// One of the places from `first` up to `count`, which is more.
    fn place_from(&mut self, first: usize, count: usize) -> usize {
        NonZero::new((count - first) as u64).map_or(first, |rest| first + self.below(rest) as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use crate::{Key, Stream};

    fn stream() -> Stream {
        Key::new(9).with("choice").stream()
    }

    #[test]
    fn integers_stay_below_their_bound() {
        for bound in [1, 2, 3, 1 << 32, (1 << 63) + 1, u64::MAX] {
            let mut stream = stream();
            let bound = NonZero::new(bound).unwrap();
            assert!((0..1000).all(|_| stream.below(bound) < bound.get()));
        }
    }

    #[test]
    fn ranges_are_kept_at_both_ends() {
        let mut stream = stream();
        let drawn: Vec<i64> = (0..200).filter_map(|_| stream.range(-2..=2)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&-2), Some(&2)));
        assert_eq!(stream.range(i64::MIN..=i64::MIN), Some(i64::MIN));
        assert!(stream.range(i64::MIN..=i64::MAX).is_some());
    }

    #[test]
    fn nothing_is_drawn_from_nothing() {
        let mut stream = stream();
        let empty: [u8; 0] = [];
        assert_eq!(stream.choose(&empty), None);
        assert_eq!(stream.range(std::ops::RangeInclusive::new(3, 2)), None);
        assert_eq!(stream.permutation(0), []);
        assert_eq!(stream.sample_indices(0, 5), []);
        assert_eq!(stream.position(), 0);
    }

    #[test]
    fn probabilities_at_and_beyond_the_ends_are_certain() {
        let mut stream = stream();
        for p in [0.0, -1.0, f64::NAN] {
            assert!((0..1000).all(|_| !stream.bool(p)));
        }
        assert!((0..1000).all(|_| stream.bool(1.0)));
    }

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut order = stream().permutation(1000);
        assert_ne!(order, (0..1000).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_sample_is_the_front_of_the_permutation() {
        for count in 0..20 {
            let whole = stream().permutation(count);
            for amount in 0..25 {
                let sample = stream().sample_indices(count, amount);
                assert_eq!(sample, whole[..amount.min(count)]);
            }
        }
    }
}
