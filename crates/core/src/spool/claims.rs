//! Instances of which a snapshot has told, while the record of their attach may still come.

use std::collections::VecDeque;
use std::fmt;

use super::Record;
use crate::device::Address;

/// So many are remembered, and stored.
const MOST: usize = 128;
/// For so long: udev gives up an event after three minutes, and addresses come again.
const LATEST_MS: u64 = 600_000;

/// Their names and addresses, and when they were told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(VecDeque<(String, Address, u64)>);

impl Claims {
    /// An attach has been told.
    pub fn add(&mut self, name: &str, address: Address, now_ms: u64) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((name.to_owned(), address, now_ms));
    }

    /// Whether this record is of one of them. It is, once.
    pub fn take(&mut self, record: &Record) -> bool {
        let is_of = |(name, address, at): &(String, Address, u64)| {
            name == record.name()
                && *address == record.address
                && record.timestamp_ms.saturating_sub(*at) < LATEST_MS
        };
        let at = self.0.iter().position(is_of);
        at.is_some_and(|at| self.0.remove(at).is_some())
    }

    /// Reads what [`fmt::Display`] has written; what cannot be read is left out, and of too many the first.
    pub fn parse(text: &str) -> Self {
        let claim = |text: &str| {
            let mut parts = text.split('@');
            let name = parts.next()?.to_owned();
            let (bus, device) = parts.next()?.split_once(':')?;
            let address = Address { bus: bus.parse().ok()?, device: device.parse().ok()? };
            Some((name, address, parts.next()?.parse().ok()?))
        };
        let mut latest: VecDeque<_> = text.rsplit(',').filter_map(claim).take(MOST).collect();
        latest.make_contiguous().reverse();
        Self(latest)
    }
}

/// `1-4.2@1:5@1700000000000`, joined by commas.
impl fmt::Display for Claims {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, Address { bus, device }, ms)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(out, "{comma}{name}@{bus}:{device}@{ms}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::record::tests::TEXT;

    #[test]
    fn a_claim_is_taken_once_and_lasts_ten_minutes() {
        let record = Record::parse(4711, TEXT.as_bytes()).expect("a record");
        let mut claims = Claims::default();
        claims.add("1-4.2", record.address, record.timestamp_ms);
        claims.add("1-4.3", record.address, record.timestamp_ms);
        assert_eq!(Claims::parse(&claims.to_string()), claims);
        assert!(claims.take(&record) && !claims.take(&record));
        claims.add("1-4.2", record.address, record.timestamp_ms - LATEST_MS);
        assert!(!claims.take(&record), "its address has come again");
        for _ in 0..1000 {
            claims.add("1-1", record.address, 0);
        }
        assert_eq!((claims.0.len(), Claims::parse("nonsense,@,1-4@x:1@2")), (MOST, Claims::default()));
    }

    #[test]
    fn of_too_many_the_latest_are_read() {
        let claims = |numbers: std::ops::Range<usize>| {
            numbers.map(|port| format!("1-{port}@1:1@0")).collect::<Vec<_>>().join(",")
        };
        assert_eq!(Claims::parse(&claims(0..MOST + 3)).to_string(), claims(3..MOST + 3));
    }
}
