//! What becomes of records that were missed. Pure: no clock, no file.

use std::collections::HashMap;

use super::{Claims, Record};
use crate::device::Address;
use crate::event::Action;

/// When records are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Before the first snapshot. Devices that are there are left to that where nothing was told of them before: their start is
    /// the same with a helper and without.
    BeforeFirst {
        /// An earlier run of this boot has told what there was.
        continues: bool,
    },
    /// While the daemon runs.
    Later,
    /// There is nothing but records.
    Alone,
}

/// What is known beside the records.
pub(crate) struct Facts<'a> {
    /// The kernel's run; empty where it is not known.
    pub(crate) boot_id: &'a str,
    /// Devices that are attached, as far as it was told.
    pub(crate) attached: HashMap<String, Address>,
    /// The address of the device that sysfs has under a name.
    pub(crate) present: &'a dyn Fn(&str) -> Option<Address>,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is an event.
    Tell,
    /// It is no news, for this reason.
    Settle(Why),
    /// What comes next shows what it means.
    Wait,
}

/// Why a record is no news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is of another boot.
    OtherBoot,
    /// A snapshot has told of it.
    Told,
    /// The device is attached.
    Attached,
    /// The device is not attached.
    NotAttached,
    /// The first snapshot tells of it.
    LeftToSnapshot,
    /// It comes too late: there is another device by now.
    PortTaken,
}

/// Says what becomes of records that were missed, in the kernel's order.
pub(crate) fn plan(records: &[Record], when: When, claims: &mut Claims, facts: Facts<'_>) -> Vec<Fate> {
    let Facts { boot_id, mut attached, present } = facts;
    let mut fates = Vec::with_capacity(records.len());
    for (at, record) in records.iter().enumerate() {
        let (name, address) = (record.name(), record.address);
        let other_boot = !boot_id.is_empty() && !record.boot_id.is_empty() && record.boot_id != boot_id;
        let fate = match record.action {
            _ if other_boot => Fate::Settle(Why::OtherBoot),
            Action::Attach => attach(record, &records[at + 1..], when, claims, &attached, present),
            Action::Detach if attached.get(name) == Some(&address) => Fate::Tell,
            // Nobody else has told that it came: that it left is all that can be told.
            Action::Detach if when == When::Alone && !attached.contains_key(name) => Fate::Tell,
            Action::Detach => Fate::Settle(Why::NotAttached),
        };
        if fate == Fate::Tell {
            match record.action {
                Action::Attach => attached.insert(name.to_owned(), address),
                Action::Detach => attached.remove(name),
            };
        }
        fates.push(fate);
    }
    fates
}

fn attach(
    record: &Record,
    later: &[Record],
    when: When,
    claims: &mut Claims,
    attached: &HashMap<String, Address>,
    present: &dyn Fn(&str) -> Option<Address>,
) -> Fate {
    let (name, address) = (record.name(), record.address);
    let holder = attached.get(name);
    if holder == Some(&address) {
        return Fate::Settle(Why::Attached);
    }
    let next = later.iter().find(|later| later.name() == name && later.boot_id == record.boot_id);
    let ends = next.is_some_and(|next| next.action == Action::Detach && next.address == address);
    let is_there = || present(name) == Some(address);
    match when {
        // A snapshot may have told of it in an earlier run, too.
        When::BeforeFirst { .. } | When::Later if claims.take(record) => Fate::Settle(Why::Told),
        // The other one is there still: this record is older, and came too late for an earlier run.
        When::BeforeFirst { .. } if holder.is_some() && present(name) == holder.copied() => {
            Fate::Settle(Why::PortTaken)
        }
        When::BeforeFirst { continues: false } if !ends && is_there() => Fate::Settle(Why::LeftToSnapshot),
        When::BeforeFirst { .. } | When::Alone => Fate::Tell,
        When::Later if holder.is_some() && is_there() => Fate::Wait,
        When::Later if holder.is_some() => Fate::Settle(Why::PortTaken),
        When::Later if ends || is_there() => Fate::Tell,
        When::Later => Fate::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "1-4";

    fn at(device: u16) -> Address {
        Address { bus: 1, device }
    }

    fn records(steps: &[(Action, u16)]) -> Vec<Record> {
        let record = |(seqnum, (action, device)): (usize, &(Action, u16))| {
            let text = format!(
                "VERSION=1\nACTION={}\nBOOT_ID=boot\nSEQNUM={seqnum}\nTIMESTAMP=1\nDEVPATH=/devices/x/usb1/{NAME}\n\
                 BUSNUM=1\nDEVNUM={device}\nPRODUCT=1/2/3\nTYPE=0/0/0\n",
                action.as_str()
            );
            Record::parse(seqnum as u64, text.as_bytes()).expect("a record")
        };
        steps.iter().enumerate().map(record).collect()
    }

    /// With this device attached, and this one there.
    fn fates(
        steps: &[(Action, u16)],
        when: When,
        attached: Option<u16>,
        there: Option<u16>,
        claimed: Option<u16>,
    ) -> Vec<Fate> {
        let mut claims = Claims::default();
        if let Some(device) = claimed {
            claims.add(NAME, at(device), 0);
        }
        let facts = Facts {
            boot_id: "boot",
            attached: attached.map(|device| (NAME.to_owned(), at(device))).into_iter().collect(),
            present: &|_| there.map(at),
        };
        plan(&records(steps), when, &mut claims, facts)
    }

    use Action::{Attach, Detach};
    const CONTINUES: When = When::BeforeFirst { continues: true };
    const BEGINS: When = When::BeforeFirst { continues: false };

    #[test]
    fn before_the_first_snapshot_each_step_is_told() {
        let steps = [(Detach, 5), (Attach, 6), (Detach, 6), (Attach, 7)];
        assert_eq!(fates(&steps, CONTINUES, Some(5), Some(7), None), [Fate::Tell; 4]);
        assert_eq!(
            fates(&steps[1..], CONTINUES, None, None, None),
            [Fate::Tell; 3],
            "the snapshot ends the last one"
        );
    }

    #[test]
    fn what_is_there_when_nothing_was_told_before_is_the_snapshots() {
        let steps = [(Attach, 6), (Detach, 6), (Attach, 7)];
        let expected = [Fate::Tell, Fate::Tell, Fate::Settle(Why::LeftToSnapshot)];
        assert_eq!(fates(&steps, BEGINS, None, Some(7), None), expected);
    }

    #[test]
    fn what_is_attached_comes_no_second_time_and_what_is_not_does_not_leave() {
        for when in [CONTINUES, BEGINS, When::Later, When::Alone] {
            let found = fates(&[(Attach, 5), (Detach, 6)], when, Some(5), Some(5), None);
            assert_eq!(found, [Fate::Settle(Why::Attached), Fate::Settle(Why::NotAttached)], "{when:?}");
        }
    }

    #[test]
    fn later_an_attach_needs_its_device_or_its_detach_and_a_free_port() {
        let later =
            |steps: &[_], attached, there, claimed| fates(steps, When::Later, attached, there, claimed);
        assert_eq!(later(&[(Attach, 6)], None, Some(6), None), [Fate::Tell]);
        assert_eq!(later(&[(Attach, 6)], None, None, None), [Fate::Wait], "its detach may still come");
        assert_eq!(later(&[(Attach, 6), (Detach, 6)], None, None, None), [Fate::Tell; 2]);
        let late = [Fate::Settle(Why::PortTaken), Fate::Settle(Why::NotAttached)];
        assert_eq!(later(&[(Attach, 6), (Detach, 6)], Some(7), Some(7), None), late);
        let told = [Fate::Settle(Why::Told), Fate::Settle(Why::NotAttached)];
        assert_eq!(later(&[(Attach, 6), (Detach, 6)], None, None, Some(6)), told, "a snapshot was faster");
    }

    #[test]
    fn another_boot_is_another_story() {
        let facts = Facts { boot_id: "another", attached: HashMap::new(), present: &|_| None };
        let found = plan(&records(&[(Attach, 6), (Detach, 6)]), CONTINUES, &mut Claims::default(), facts);
        assert_eq!(found, [Fate::Settle(Why::OtherBoot); 2]);
    }
}
