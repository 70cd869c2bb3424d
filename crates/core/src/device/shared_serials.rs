//! Serial numbers that have been seen on two devices at once: they tell neither of them from the other, then or later.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a serial number stands for, if it identifies: one unit of a model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unit {
    /// The model's vendor.
    pub vendor: u16,
    /// The model itself.
    pub product: u16,
    /// Its serial number, as the device has it.
    pub serial: String,
}

/// Those that are known, of which any thread may ask. A clone is the same memory.
#[derive(Clone, Debug, Default)]
pub struct SharedSerials(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    units: HashSet<Unit>,
    /// Those found out first come first.
    order: VecDeque<Unit>,
}

impl SharedSerials {
    /// So many are remembered: whoever plugs in made-up pairs without end takes no more memory than that. What was found out first is
    /// forgotten first, and is found out again when both are there again.
    pub(crate) const MOST: usize = 1024;

    /// Those that an earlier run has found out, in that order.
    pub(crate) fn of(units: impl IntoIterator<Item = Unit>) -> Self {
        let shared = Self::default();
        for unit in units {
            shared.insert(unit);
        }
        shared
    }

    /// Remembers one. False where it is known already.
    pub(super) fn insert(&self, unit: Unit) -> bool {
        let mut known = self.lock();
        if !known.units.insert(unit.clone()) {
            return false;
        }
        known.order.push_back(unit);
        if known.order.len() > Self::MOST
            && let Some(first) = known.order.pop_front()
        {
            known.units.remove(&first);
        }
        true
    }

    /// Whether this serial number is known to stand for no unit.
    pub(super) fn contains(&self, unit: &Unit) -> bool {
        self.lock().units.contains(unit)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing under this lock panics but where memory ends.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(number: usize) -> Unit {
        Unit { vendor: 0x0403, product: 0x6001, serial: number.to_string() }
    }

    #[test]
    fn what_was_found_out_first_is_forgotten_first() {
        let shared = SharedSerials::of((0..SharedSerials::MOST).map(unit));
        assert!(!shared.insert(unit(0)), "it is known, and no younger for it");
        assert!(shared.insert(unit(SharedSerials::MOST)));
        let known = |number| shared.contains(&unit(number));
        assert_eq!([known(0), known(1), known(SharedSerials::MOST)], [false, true, true]);
    }
}
