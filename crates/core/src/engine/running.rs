//! The engine's life: it starts, goes around until it is told to stop, and tells of what it has heard by then.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::crew::Crew;
use super::inbox::Message;
use super::uevents::BURST;
use super::{Engine, strings};
use crate::error::{Code, Error};
use crate::hub::Hub;
use crate::notice::{Notice, SourceState};
use crate::onlooker::Fact;
use crate::platform::bus;
use crate::source::name;
use crate::spool::plan::When;

/// How long the announcement of what is present at start waits for libusb to say whether it is alive.
const LIBUSB_START: Duration = Duration::from_millis(500);

impl Engine {
    /// Starts the threads that run it until it is told to stop.
    ///
    /// # Errors
    /// `ERR_USB_SYSTEM` where the process can have no thread or file descriptor more.
    pub fn start(mut self) -> Result<Crew, Error> {
        if let Some(ready) = self.config.ready.take() {
            let inbox = Arc::clone(&self.inbox);
            let tell = move |instance, readiness| inbox.send(Message::Ready(instance, readiness));
            self.announcer.look_for_readiness(ready, Box::new(tell))?;
        }
        let (desk, inbox, watch) = (self.desk.clone(), Arc::clone(&self.inbox), Arc::clone(&self.watch));
        let hub = self.hub.clone();
        let mut running = Some(Box::pin(self.run()));
        let guarded = poll_fn(move |context| {
            // Whoever it has ended for may not be whom that concerns, who asks again.
            let Some(engine) = &mut running else { return Poll::Ready(()) };
            let polled = catch_unwind(AssertUnwindSafe(|| engine.as_mut().poll(context)));
            let polled = polled.unwrap_or_else(|_| {
                tell_panicked(&hub);
                Poll::Ready(())
            });
            if polled.is_ready() {
                running = None;
            }
            polled
        });
        Crew::start(guarded, desk, inbox, watch)
    }

    /// Listens until told to stop. Whoever polls this is held up while it waits; what is left to others is the reading of strings.
    async fn run(mut self) {
        self.senses.open();
        self.registry.set_uevents_open(self.senses.has_uevents());
        self.senses.libusb().wait(LIBUSB_START);
        if !self.config.snapshot {
            self.hub.tell_source(name::SNAPSHOT, SourceState::Off, "switched off by configuration");
        }
        self.announcer.end_told(self.senses.libusb_is_alive());
        self.tell_missed_before().await;
        self.snapshot().await;
        let mut started = false;
        // Devices that come meanwhile must not keep those that were there from being complete.
        let started_by = Instant::now() + bus::FIRST_LISTING + strings::PATIENCE;
        loop {
            let idle = self.handle(BURST).await;
            self.desk.home().await;
            if !self.take_messages().await {
                return self.finish().await;
            }
            let now = Instant::now();
            self.senses.sift(now);
            self.announce_ready(now);
            let waking = self.announcer.look_after_waking(now);
            if !idle {
                continue;
            }
            if let Some(cause) = self.overflowed.take() {
                self.recover(cause).await;
                continue;
            }
            let is_complete = self.bus.has_listed() && self.strings.next().is_none();
            if !started && (is_complete || now >= started_by) {
                started = true;
                self.hub.tell(&Notice::Started);
                self.senses.started(now);
            }
            if self.schedule.retry_is_due(now) {
                let had_uevents = self.senses.has_uevents();
                self.senses.retry();
                self.registry.set_uevents_open(self.senses.has_uevents());
                if self.senses.has_uevents() && !had_uevents {
                    self.missed.opened(self.bus.last_uevent());
                    self.schedule.snapshot_within(Duration::ZERO);
                }
            }
            if self.schedule.snapshot_is_due(now) {
                self.snapshot().await;
                self.look_at_spool(When::Later).await;
                continue;
            }
            if self.missed.due().is_some_and(|due| now >= due) {
                self.look_at_spool(When::Later).await;
                continue;
            }
            let next = self.schedule.next(self.senses.lacks_something());
            let next = self.strings.next().map_or(next, |strings| strings.min(next));
            let next = if started || self.bus.has_listed() { next } else { next.min(started_by) };
            let next = self.missed.due().map_or(next, |due| due.min(next));
            let next = waking.map_or(next, |waking| waking.min(next));
            let next = self.senses.sifts_at().map_or(next, |sift| sift.min(next));
            self.announcer.hand_over();
            let timeout = next.saturating_duration_since(now);
            if !self.senses.settle(self.registry.nodes_matter()) {
                continue;
            }
            let woken = self.desk.rest(timeout).await;
            let news = self.senses.look_after(woken);
            if news.spool {
                self.missed.look_soon();
            }
            if news.nodes {
                self.hub.note(&Fact::Reported { source: bus::HINTS });
                if let Some(delay) = self.registry.nodes_changed() {
                    self.schedule.snapshot_now_and_after(delay);
                }
            }
        }
    }

    /// What has been heard is announced, whether or not all is known of it. What waits in the socket stays there: it may be
    /// handed over to the next run.
    async fn finish(mut self) {
        while let Some(heard) = self.pending.pop_front() {
            self.handle_one(heard).await;
        }
        for (name, device, cause) in self.strings.take_all() {
            self.announce(name, device, cause);
        }
    }
}

/// A daemon whose engine has died must not look alive.
fn tell_panicked(hub: &Hub) {
    for source in [name::NETLINK, name::LIBUSB, name::SNAPSHOT] {
        hub.tell_source(source, SourceState::Failed, "the engine has panicked: stop and start the daemon");
    }
    let message = "the engine has panicked and hears nothing: stop and start the daemon";
    hub.tell(&Notice::Error { error: Error::new(Code::System, message), context: "engine" });
}
