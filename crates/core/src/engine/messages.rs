//! What other threads say to the engine, and programs through them.

use std::time::Instant;

use super::Engine;
use super::announcer::Key;
use super::inbox::Message;
use crate::clock::Moment;
use crate::event::{Action, Backend};
use crate::notice::SourceState;
use crate::onlooker::Fact;
use crate::platform::Taken;
use crate::platform::bus::{self, News};
use crate::source::injected::{Injection, Verdict as Injected};
use crate::source::libusb::Report;
use crate::source::name;
use crate::source::simulated::SimulatedCommand;
use crate::withheld::WithheldReason;

impl Engine {
    /// False once the engine has been told to stop.
    pub(super) async fn take_messages(&mut self) -> bool {
        for message in self.inbox.take() {
            match message {
                Message::Libusb(Report::Failed(error), _) => self.senses.libusb().failed(error),
                Message::Libusb(report, at) => {
                    self.witness_libusb(report, at);
                    if let Some(delay) = self.registry.libusb(report) {
                        self.schedule.snapshot_within(delay);
                    }
                }
                Message::Bus(news) => self.take_news(news).await,
                // What has been read is announced before the next wait.
                Message::StringsRead => self.strings.read_put_off().await,
                Message::LibusbStarted => self.senses.libusb().look(),
                Message::Simulated(command) => self.simulate(command),
                Message::Injected(injection) => self.inject(injection),
                Message::Ready(instance, readiness) => self.announcer.tell_ready(instance, readiness),
                Message::Filters(filters) => self.announcer.set_filters(filters),
                // Whoever reads this does it.
                Message::Left => {}
                Message::Ping(answer) => drop(answer.try_send(())),
                Message::Stop => return false,
            }
        }
        true
    }

    /// What a bus tells by itself is taken in the order in which it is told.
    async fn take_news(&mut self, news: News) {
        match self.bus.take(news) {
            Taken::Listing => self.snapshot().await,
            Taken::Sighting(entry) => {
                self.hub.note(&Fact::Reported { source: bus::HINTS });
                let verdict = self.registry.sighted(&entry);
                self.carry_out(verdict, Moment::now(), None).await;
            }
            Taken::Watching(Ok(())) => {
                self.hub.tell_source(bus::HINTS, SourceState::Up, "hears devices come and go");
            }
            Taken::Watching(Err(reason)) => {
                self.hub.tell_source(bus::HINTS, SourceState::Failed, reason);
            }
        }
    }

    fn witness_libusb(&mut self, report: Report, at: Instant) {
        let (action, address) = match report {
            Report::Arrived(address) => (Action::Attach, address),
            Report::Left(address) => (Action::Detach, address),
            Report::Failed(_) => return,
        };
        self.hub.note(&Fact::Reported { source: name::LIBUSB });
        self.announcer.witness(name::LIBUSB, action, address, at);
    }

    fn simulate(&mut self, command: SimulatedCommand) {
        let cause = self.cause(Backend::Simulated, None, Moment::now());
        self.hub.note(&Fact::Reported { source: name::SIMULATED });
        match command {
            SimulatedCommand::Plug(device) => {
                self.announcer.attach(&Key::Simulated(device.port_path.clone()), *device, cause)
            }
            SimulatedCommand::Unplug(port) => self.announcer.detach(&Key::Simulated(port), cause),
        };
    }

    fn inject(&mut self, Injection { ticket, action, device }: Injection) {
        let cause = self.cause(Backend::Injected, None, Moment::now());
        self.hub.note(&Fact::Reported { source: name::INJECTED });
        let key = Key::Injected(device.address);
        let verdict = match action {
            // However it was heard of: two devices cannot share an address.
            Action::Attach
                if self.announcer.is_taken(device.address) || self.strings.awaits(device.address) =>
            {
                let detail = "a device with this bus and address is attached already".to_owned();
                self.announcer.withhold(&device, action, cause, WithheldReason::Duplicate, detail);
                Injected::Duplicate
            }
            Action::Attach => self.announcer.attach(&key, *device, cause),
            Action::Detach => match self.announcer.detach(&key, cause) {
                Injected::Unknown => {
                    let detail = "no such device was attached by a program".to_owned();
                    self.announcer.withhold(&device, action, cause, WithheldReason::Unknown, detail);
                    Injected::Unknown
                }
                verdict => verdict,
            },
        };
        self.announcer.answer(ticket, verdict);
    }
}
