//! JavaScript's thread hears by itself that a device has left, while it has nothing else to do (docs/adr/0019).

use std::sync::Arc;

use usb_daemon_core::{Daemon, Delivery};

use crate::waking::Handing;

/// From now on, until it withdraws or another daemon is attended.
pub(crate) fn attend(handing: &Handing, daemon: &Daemon, delivery: &Arc<Delivery>) {
    if !handing.takes_visits() {
        return;
    }
    let Some(guest) = daemon.guest().map(Arc::new) else { return };
    let watched = Arc::clone(&guest);
    // Weakly: what waits there wakes by what has this.
    let delivery = Arc::downgrade(delivery);
    let visit = move |give: &dyn Fn()| {
        let waits = delivery.upgrade().is_some_and(|delivery| delivery.while_awake(|| guest.visit()));
        if waits {
            give();
        }
        guest.leave(waits);
    };
    handing.attend(watched, Box::new(visit));
}
