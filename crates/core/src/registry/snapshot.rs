//! What a snapshot decides, and a sighting, which is one of a single device.

use std::collections::HashSet;
use std::time::Instant;

use super::doubt::Contradiction;
use super::{Cause, Registry, Trust, Verdict};
use crate::device::Address;
use crate::event::{Backend, Synthetic};
use crate::notice::GapCause;
use crate::platform::Entry;

impl Registry {
    /// A snapshot. `touched` are the devices about which uevents came while it was taken.
    pub fn snapshot(&mut self, scan: &[Entry], touched: &HashSet<&str>, now: Instant) -> Verdict {
        let contradictions = self.contradictions(scan, touched, now);
        self.forget_ended(scan);
        let mut verdict = Verdict::default();
        let synthetic = match self.trust {
            Trust::NextSnapshot(synthetic) => {
                self.trust =
                    if self.uevents_open { Trust::Uevents { heard: false } } else { Trust::Snapshots };
                verdict.rescan = (synthetic == Synthetic::Gap).then_some(self.grace);
                Some(synthetic)
            }
            Trust::Snapshots => None,
            Trust::Uevents { .. } => {
                let proven = self.doubts.weigh(&contradictions, now, self.grace);
                if !proven {
                    verdict.rescan = (!contradictions.is_empty()).then_some(self.grace);
                    return verdict;
                }
                self.trust = Trust::Snapshots;
                verdict.gap = Some(GapCause::Unheard);
                Some(Synthetic::Gap)
            }
        };
        self.doubts.clear();
        let cause = Cause { backend: Backend::Snapshot, synthetic };
        // All ends before any begin, so that an address or a serial number that has moved is free; what hangs on a
        // hub goes before it and comes after it.
        for (name, contradiction) in contradictions.iter().rev() {
            if !matches!(contradiction, Contradiction::Present { .. }) {
                self.end(name, cause, &mut verdict);
            }
        }
        for (name, contradiction) in contradictions {
            if let Contradiction::Present { address, mark } | Contradiction::Replaced { address, mark } =
                contradiction
            {
                self.begin(&name, address, Some(mark), cause, &mut verdict);
            }
        }
        verdict
    }

    /// A device has come, and was there when this was noticed, which may be told late. Marks must grow with time: by them it is seen
    /// whether what was in its place came before it.
    #[cfg_attr(target_os = "linux", allow(dead_code, reason = "there are uevents"))]
    pub fn sighted(&mut self, entry: &Entry) -> Verdict {
        let mut verdict = Verdict::default();
        let (name, mark) = (entry.name.as_str(), entry.mark);
        let Some(address) = entry.address.filter(|_| self.trust == Trust::Snapshots) else { return verdict };
        // A snapshot has shown it, or what came after it. About what it was told too late for, the next one decides.
        if self.sightings.get(name).is_some_and(|last| *last >= mark) {
            return verdict;
        }
        let cause = Cause { backend: Backend::Snapshot, synthetic: None };
        self.end(name, cause, &mut verdict);
        self.begin(name, address, Some(mark), cause, &mut verdict);
        verdict
    }

    /// Where the scan and the live instances differ, hubs before what hangs on them.
    fn contradictions(
        &mut self,
        scan: &[Entry],
        touched: &HashSet<&str>,
        now: Instant,
    ) -> Vec<(String, Contradiction)> {
        let mut found = Vec::new();
        let mut seen = HashSet::with_capacity(scan.len());
        for entry in scan {
            let name = entry.name.as_str();
            seen.insert(name);
            // No address: name and mark are known and as they were.
            let Some(address) = entry.address.filter(|_| !touched.contains(name)) else { continue };
            let mark = entry.mark;
            if let Some(live) = self.live.get_mut(name) {
                if live.address == address && live.mark.is_none_or(|known| known == mark) {
                    live.mark = Some(mark);
                } else {
                    found.push((name.to_owned(), Contradiction::Replaced { address, mark }));
                }
            } else if !self.has_ended(name, address, mark, now) {
                found.push((name.to_owned(), Contradiction::Present { address, mark }));
            }
        }
        for (name, live) in &self.live {
            if !seen.contains(name.as_str()) && !touched.contains(name.as_str()) {
                found.push((name.clone(), Contradiction::Absent { instance: live.id }));
            }
        }
        found.sort_by_cached_key(|(name, _)| {
            // usb1, 1-4, 1-4.2: root hubs have no dash, and what hangs on a hub has the longer name.
            (name.contains('-'), name.len(), name.clone())
        });
        found
    }

    /// Whether what sysfs shows is only what a `remove` has ended. After a gap that is believed for a moment only.
    fn has_ended(&mut self, name: &str, address: Address, mark: u64, now: Instant) -> bool {
        let grace = self.grace;
        let Some(ended) = self.ended.get_mut(name) else { return false };
        let same = match ended.instance.mark {
            Some(known) => known == mark,
            None => ended.instance.address == address,
        };
        let believed = !ended.before_gap || now.duration_since(ended.at) < grace;
        if same && believed {
            ended.instance.mark = Some(mark);
        }
        same && believed
    }

    fn forget_ended(&mut self, scan: &[Entry]) {
        if self.ended.is_empty() {
            return;
        }
        let shown: HashSet<&str> = scan.iter().map(|entry| entry.name.as_str()).collect();
        self.ended.retain(|name, _| shown.contains(name.as_str()));
    }
}
