//! Counters that any thread adds to, and nobody waits for: one for each of a fixed number of words, which are a label's values.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters, one for each of a fixed number of words.
#[derive(Debug)]
pub(super) struct Counters<const N: usize> {
    words: [&'static str; N],
    counts: [AtomicU64; N],
}

impl<const N: usize> Counters<N> {
    pub(super) fn new(words: [&'static str; N]) -> Self {
        Self { words, counts: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    fn slot(&self, word: &str) -> Option<&AtomicU64> {
        let at = self.words.iter().position(|known| *known == word)?;
        self.counts.get(at)
    }

    pub(super) fn count(&self, word: &str) {
        if let Some(slot) = self.slot(word) {
            slot.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn set(&self, word: &str, value: u64) {
        if let Some(slot) = self.slot(word) {
            slot.store(value, Ordering::Relaxed);
        }
    }

    /// Each word with its number.
    pub(super) fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.words.into_iter().zip(self.counts.iter().map(read))
    }
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_has_its_number_from_the_start_and_no_other_has_one() {
        let counters = Counters::new(["one", "two"]);
        for word in ["two", "three", "two"] {
            counters.count(word);
        }
        assert_eq!(counters.read().collect::<Vec<_>>(), [("one", 0), ("two", 2)]);
        counters.set("one", 7);
        assert_eq!(counters.read().next(), Some(("one", 7)));
    }
}
