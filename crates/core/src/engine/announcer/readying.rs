//! Whoever looks when a device may be used is told of it once nothing more urgent is to be done.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use super::{Announcer, INJECTED, SIMULATED};
use crate::error::Error;
use crate::event::{Attachment, Event};
use crate::notice::Notice;
use crate::ready::{Awaited, News, Readiness, ReadyConfig, ReadyWatch, Tell};

/// What readiness is looked for of, if anything.
#[derive(Default)]
pub(super) struct Readying {
    watch: Option<ReadyWatch>,
    news: Vec<News>,
    /// Attachments of devices that are not ready yet.
    awaited: HashSet<u64>,
}

impl Readying {
    /// A device has come. What no kernel has is not looked for.
    pub(super) fn came(&mut self, name: &str, attachment: &Arc<Attachment>, since: Instant, is_live: bool) {
        if self.watch.is_none() || name.starts_with(SIMULATED) || name.starts_with(INJECTED) {
            return;
        }
        let awaited = Awaited { name: name.to_owned(), attachment: Arc::clone(attachment), since, is_live };
        self.awaited.insert(attachment.instance);
        self.news.push(News::Came(awaited));
    }

    /// It has left. Of one that was ready nobody need be woken.
    pub(super) fn left(&mut self, instance: u64) {
        if self.awaited.remove(&instance) {
            self.news.push(News::Left { instance });
        }
    }
}

impl Announcer {
    /// From now on it is looked for when devices may be used.
    ///
    /// # Errors
    /// `ERR_USB_SYSTEM` where the process can have no thread or file descriptor more.
    pub(in crate::engine) fn look_for_readiness(
        &mut self,
        config: ReadyConfig,
        tell: Tell,
    ) -> Result<(), Error> {
        self.readying.watch = Some(ReadyWatch::start(config, tell)?);
        Ok(())
    }

    /// Hands over what has come and gone.
    pub(in crate::engine) fn hand_over(&mut self) {
        let Readying { watch: Some(watch), news, .. } = &mut self.readying else { return };
        if !news.is_empty() {
            watch.send(std::mem::take(news));
        }
    }

    /// Tells how far a device is, unless it has left meanwhile.
    pub(in crate::engine) fn tell_ready(&mut self, instance: u64, readiness: Readiness) {
        if readiness.is_ready {
            self.readying.awaited.remove(&instance);
        }
        let Some(event) = self.hub.attached(instance) else { return };
        log(&event, &readiness);
        self.hub.tell(&Notice::Ready { event, readiness: readiness.into() });
    }
}

/// What stands in a device's way somebody may have to put aside; that nothing does is a step like any other.
fn log(event: &Event, readiness: &Readiness) {
    let Readiness { elapsed_ms, nodes, obstacles, .. } = readiness;
    let event_id = event.event_id();
    let port = event.attachment.device.port_path.name();
    let paths: Vec<&str> = nodes.iter().filter_map(|node| node.path.as_deref()).collect();
    let nodes = paths.join(" ");
    if readiness.is_ready {
        tracing::debug!(event_id, port, elapsed_ms, nodes, "ready");
    } else {
        let details: Vec<&str> = obstacles.iter().map(|obstacle| obstacle.detail.as_str()).collect();
        tracing::info!(event_id, port, elapsed_ms, nodes, obstacles = details.join("; "), "not ready");
    }
}
