//! libusb's hotplug callbacks, on a thread of its own.
//!
//! They confirm what the kernel says and wake the registry's doubts; they carry no sequence number, so they never
//! decide on Linux. Two traps shape this file: `rusb::has_hotplug()` creates libusb's global context, which leaks
//! and aborts where it cannot init, so the capability is asked for once a context of our own exists; and a panic
//! inside a callback deregisters it for good, so each callback catches its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use rusb::Error;
use rusb::{Context, Device, Hotplug, HotplugBuilder, UsbContext};

use crate::device::Address;
use crate::threads::{self, STANDS_ASIDE};

/// What libusb reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// libusb's word for a device that came.
    Arrived(Address),
    /// libusb's word for a device that left.
    Left(Address),
    /// Event handling has failed and the thread has ended.
    Failed(Error),
}

/// Takes reports, and when they were made; called on libusb's thread.
pub type Sink = Arc<dyn Fn(Report, Instant) + Send + Sync>;

/// The running source. Dropping it stops and joins its thread.
pub struct LibusbSource {
    context: Context,
    stopping: Arc<AtomicBool>,
    // The thread must have ended before the registration goes: a callback in flight uses what it owns.
    thread: Option<JoinHandle<()>>,
    registration: Option<rusb::Registration<Context>>,
}

impl LibusbSource {
    /// Starts to listen. Devices already present are reported as arrived.
    ///
    /// # Errors
    /// A sentence that says what libusb lacks here.
    pub fn start(sink: &Sink) -> Result<Self, String> {
        let context = Context::new().map_err(|error| {
            format!("libusb cannot start: {error}; its netlink backend needs device nodes under /dev/bus/usb")
        })?;
        // SAFETY: takes a number and reads a constant table; libusb has been initialized by the line above.
        let hotplug = unsafe { rusb::ffi::libusb_has_capability(rusb::constants::LIBUSB_CAP_HAS_HOTPLUG) };
        if hotplug == 0 {
            return Err("this libusb has no hotplug support".into());
        }
        let seen = Arc::new(Seen::default());
        let registration = HotplugBuilder::new()
            .enumerate(true)
            .register(&context, Box::new(Callbacks { seen: Arc::clone(&seen) }))
            .map_err(|error| format!("libusb refuses the hotplug callback: {error}"))?;
        let stopping = Arc::new(AtomicBool::new(false));
        let thread = {
            let (context, stopping, sink) = (context.clone(), Arc::clone(&stopping), Arc::clone(sink));
            threads::spawn("aw-libusb", move || handle_events(&context, &stopping, &seen, &sink))
                .map_err(|error| format!("no thread for libusb: {error}"))?
        };
        Ok(Self { context, stopping, thread: Some(thread), registration: Some(registration) })
    }
}

/// What callbacks have reported and the engine has not been told of.
#[derive(Default)]
struct Seen(Mutex<Vec<(Report, Instant)>>);

impl Seen {
    fn push(&self, report: Report) {
        self.lock().push((report, Instant::now()));
    }

    /// How long what is there may lie yet. None where there is nothing.
    fn patience(&self) -> Option<Duration> {
        // Elsewhere than on Linux nobody else might have seen it.
        let patience = if cfg!(target_os = "linux") { STANDS_ASIDE } else { Duration::ZERO };
        self.lock().first().map(|(_, at)| patience.saturating_sub(at.elapsed()))
    }

    fn hand_on(&self, sink: &Sink) {
        let reports = std::mem::take(&mut *self.lock());
        for (report, at) in reports {
            sink(report, at);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Report, Instant)>> {
        // Nothing under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn handle_events(context: &Context, stopping: &AtomicBool, seen: &Seen, sink: &Sink) {
    while !stopping.load(Ordering::Acquire) {
        let patience = seen.patience();
        if patience.is_some_and(|patience| patience.is_zero()) {
            seen.hand_on(sink);
            continue;
        }
        match context.handle_events(patience) {
            Ok(()) | Err(rusb::Error::Interrupted) => {}
            Err(error) => {
                seen.hand_on(sink);
                sink(Report::Failed(error), Instant::now());
                return;
            }
        }
    }
}

impl Drop for LibusbSource {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // An interrupt before the thread waits makes its next wait return at once, so none is missed.
        self.context.interrupt_handle_events();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(source = "libusb", "event thread panicked");
        }
        drop(self.registration.take());
    }
}

struct Callbacks {
    seen: Arc<Seen>,
}

impl Callbacks {
    fn report(&self, report: impl FnOnce() -> Report) {
        if catch_unwind(AssertUnwindSafe(|| self.seen.push(report()))).is_err() {
            tracing::error!(source = "libusb", "callback panicked");
        }
    }
}

fn address(device: &Device<Context>) -> Address {
    Address { bus: device.bus_number().into(), device: device.address().into() }
}

impl Hotplug<Context> for Callbacks {
    fn device_arrived(&mut self, device: Device<Context>) {
        self.report(|| Report::Arrived(address(&device)));
    }

    fn device_left(&mut self, device: Device<Context>) {
        self.report(|| Report::Left(address(&device)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_lies_for_a_while_and_is_handed_on_in_its_order_with_its_times() {
        let seen = Seen::default();
        assert_eq!(seen.patience(), None);
        let before = Instant::now();
        let (came, left) = (Address { bus: 1, device: 2 }, Address { bus: 1, device: 3 });
        seen.push(Report::Arrived(came));
        seen.push(Report::Left(left));
        let handed = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&handed);
        let sink: Sink = Arc::new(move |report, at| told.lock().expect("no panic").push((report, at)));
        // However long the machine takes: as much as it lies for has passed once it need lie no longer.
        while seen.patience().is_some_and(|patience| !patience.is_zero()) {}
        if cfg!(target_os = "linux") {
            assert!(before.elapsed() >= STANDS_ASIDE);
        }
        let due = Instant::now();
        seen.hand_on(&sink);
        assert_eq!(seen.patience(), None);
        let handed = handed.lock().expect("no panic");
        assert_eq!(
            handed.iter().map(|(report, _)| *report).collect::<Vec<_>>(),
            [Report::Arrived(came), Report::Left(left)]
        );
        assert!(handed.iter().all(|(_, at)| *at >= before && *at <= due));
    }
}
