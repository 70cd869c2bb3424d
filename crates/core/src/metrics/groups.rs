//! Consumer groups: how far each is behind, for a bounded number of them.

use std::sync::{Mutex, PoisonError};

use crate::onlooker::GroupLag;

/// So many groups have figures of their own; the rest share [`OTHER`].
const MOST: usize = 20;
/// Longer names have none.
const LONGEST: usize = 64;
const OTHER: &str = "other";

/// What was learned last of the groups.
#[derive(Debug, Default)]
pub(super) struct Groups(Mutex<Vec<GroupLag>>);

impl Groups {
    /// Once every few seconds, from the thread that has asked Redis.
    pub(super) fn set(&self, groups: &[GroupLag]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clear();
        known.extend_from_slice(groups);
    }

    /// The first ones in the order of their names, so that they are the same each time, and all others in one.
    pub(super) fn read(&self) -> Vec<GroupLag> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.sort_by(|one, other| one.name.cmp(&other.name));
        let mut other = GroupLag { name: OTHER.to_owned(), unread: Some(0), pending: 0 };
        let mut told: Vec<GroupLag> = Vec::new();
        for GroupLag { name, unread, pending } in known {
            // Names that are no text look alike once they are made text.
            let is_own =
                name != OTHER && name.len() <= LONGEST && told.last().is_none_or(|last| last.name != name);
            if is_own && told.len() < MOST {
                told.push(GroupLag { name, unread, pending });
            } else {
                other.pending += pending;
                other.unread = other.unread.map(|sum| sum + unread.unwrap_or(0));
            }
        }
        told.push(other);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(name: &str, unread: u64) -> GroupLag {
        GroupLag { name: name.to_owned(), unread: Some(unread), pending: 1 }
    }

    #[test]
    fn where_there_are_many_groups_the_rest_is_summed() {
        let groups = Groups::default();
        assert_eq!(groups.read(), [GroupLag { name: "other".into(), unread: Some(0), pending: 0 }]);
        let mut many: Vec<GroupLag> = (0..30).rev().map(|at| lag(&format!("group-{at:02}"), at)).collect();
        many.extend([lag("other", 1000), lag(&"x".repeat(65), 100), lag("group-00", 10)]);
        groups.set(&many);
        let told = groups.read();
        assert_eq!(told.len(), MOST + 1);
        assert_eq!((told[0].name.as_str(), told[19].name.as_str()), ("group-00", "group-19"));
        let own = told[..MOST].iter().filter_map(|told| told.unread).sum::<u64>();
        let all = (0..30).sum::<u64>() + 1110;
        assert_eq!(told[MOST], GroupLag { name: "other".into(), unread: Some(all - own), pending: 13 });
        groups.set(&[]);
        assert_eq!(groups.read().len(), 1, "those that are gone are told no more");
    }
}
