//! libusb's hotplug callbacks, on a thread of its own.
//!
//! They confirm what the kernel says and wake the registry's doubts; they carry no sequence number, so they never
//! decide on Linux. Two traps shape this file: `rusb::has_hotplug()` creates libusb's global context, which leaks
//! and aborts where it cannot init, so the capability is asked for once a context of our own exists; and a panic
//! inside a callback deregisters it for good, so each callback catches its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

pub use rusb::Error;
use rusb::{Context, Device, Hotplug, HotplugBuilder, UsbContext};

use crate::device::Address;
use crate::threads;

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

/// Takes reports; called on libusb's thread.
pub type Sink = Arc<dyn Fn(Report) + Send + Sync>;

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
        let registration = HotplugBuilder::new()
            .enumerate(true)
            .register(&context, Box::new(Callbacks { sink: Arc::clone(sink) }))
            .map_err(|error| format!("libusb refuses the hotplug callback: {error}"))?;
        let stopping = Arc::new(AtomicBool::new(false));
        let thread = {
            let (context, stopping, sink) = (context.clone(), Arc::clone(&stopping), Arc::clone(sink));
            threads::spawn("aw-libusb", move || handle_events(&context, &stopping, &sink))
                .map_err(|error| format!("no thread for libusb: {error}"))?
        };
        Ok(Self { context, stopping, thread: Some(thread), registration: Some(registration) })
    }
}

fn handle_events(context: &Context, stopping: &AtomicBool, sink: &Sink) {
    while !stopping.load(Ordering::Acquire) {
        match context.handle_events(None) {
            Ok(()) | Err(rusb::Error::Interrupted) => {}
            Err(error) => {
                sink(Report::Failed(error));
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
    sink: Sink,
}

impl Callbacks {
    fn report(&self, report: impl FnOnce() -> Report) {
        if catch_unwind(AssertUnwindSafe(|| (self.sink)(report()))).is_err() {
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
