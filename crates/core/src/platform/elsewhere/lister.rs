//! The thread that lists devices, and hears that they come and go.
//!
//! All that is heard is taken in before a listing begins, and both are told in that order: a listing is never older than what was
//! told before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::thread::JoinHandle;

use super::doorbell::Doorbell;
use super::found::Found;
use crate::threads;

/// What the lister tells.
#[derive(Debug)]
pub(crate) enum News {
    /// Whether it can be heard what comes and goes; if not, why.
    Watching(Result<(), String>),
    /// A device has come, and is there.
    Sighted(Box<Found>),
    /// What is there.
    Listed(Result<Vec<Found>, String>),
}

/// What has been heard.
#[derive(Debug)]
pub(super) enum Heard {
    Came(Box<Found>),
    Left,
}

/// The operating system. Each call may take long.
pub(super) trait System: Send + 'static {
    /// Begins to hear.
    ///
    /// # Errors
    /// A sentence, where that cannot be.
    fn watch(&mut self) -> Result<(), String>;

    /// Takes what has been heard, or has this task woken when there is something.
    fn next(&mut self, task: &mut Context<'_>) -> Option<Heard>;

    /// # Errors
    /// A sentence, where there is no listing to be had.
    fn list(&mut self) -> Result<Vec<Found>, String>;
}

#[derive(Default)]
struct Shared {
    bell: Arc<Doorbell>,
    stopping: AtomicBool,
    busy: AtomicBool,
}

/// The running thread. Dropping it stops it.
pub(super) struct Lister {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Lister {
    /// Lists what is there, and again whenever something comes, goes, or somebody asks.
    ///
    /// # Errors
    /// Where the process can have no thread more.
    pub(super) fn start(system: impl System, tell: impl Fn(News) + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = {
            let shared = Arc::clone(&shared);
            threads::spawn("aw-lister", move || shared.run(system, tell))?
        };
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Asks for a listing.
    pub(super) fn ask(&self) {
        self.shared.bell.ring();
    }

    /// Whether it has ended by itself, which it does only by a panic.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Shared {
    fn run(&self, mut system: impl System, tell: impl Fn(News)) {
        let waker = Waker::from(Arc::clone(&self.bell));
        let mut task = Context::from_waker(&waker);
        let mut is_watching = false;
        loop {
            self.busy.store(true, Ordering::SeqCst);
            if self.stopping.load(Ordering::SeqCst) {
                return;
            }
            if !is_watching {
                // Before the listing: what comes between the two is told twice rather than not at all.
                let watching = system.watch();
                is_watching = watching.is_ok();
                tell(News::Watching(watching));
            }
            while let Some(heard) = is_watching.then(|| system.next(&mut task)).flatten() {
                if self.stopping.load(Ordering::SeqCst) {
                    return;
                }
                match heard {
                    Heard::Came(found) => tell(News::Sighted(found)),
                    // The listing shows it.
                    Heard::Left => {}
                }
            }
            tell(News::Listed(system.list()));
            self.busy.store(false, Ordering::SeqCst);
            self.bell.answer();
        }
    }
}

impl Drop for Lister {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.bell.ring();
        let Some(thread) = self.thread.take() else { return };
        if self.shared.busy.load(Ordering::SeqCst) && !thread.is_finished() {
            // It may wait for a hub that hangs, and a stop must not. It owns all that it uses, and ends by itself.
            tracing::warn!("left a thread behind that lists devices");
        } else if thread.join().is_err() {
            tracing::error!("thread that lists devices panicked");
        }
    }
}
