//! Who holds a lock. Here that can only be seen by trying, and a lock held for an instant would drive away a daemon that starts just
//! then; so what the last holder has written there has to do.

use std::path::Path;

use super::store::Holder;

/// Who has locked this file.
pub(super) fn holder(path: &Path) -> Holder {
    let last = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
    last.map_or(Holder::Nobody, Holder::Last)
}
