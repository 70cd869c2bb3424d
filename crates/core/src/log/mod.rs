//! The log of one daemon: lines of its threads, for whoever listens, or for nobody.
//!
//! Nothing here is the process's: each thread carries its daemon's log with it ([`crate::threads`]), so that several daemons,
//! and Node's workers, hear their own lines only. Where nobody listens, no line is built. Lines wait in a bounded queue of their
//! own; whoever is too slow is told how many were lost, and no event waits for it.

mod line;
mod subscriber;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tracing::Dispatch;
use tracing::callsite::rebuild_interest_cache;
use tracing::dispatcher::with_default;
use tracing::level_filters::LevelFilter;

use crate::delivery::Wake;
use crate::error::{Code, Error};
use crate::telemetry::{Signal, Telemetry};
pub use line::LogLine;
use subscriber::LogSubscriber;

/// Of lines about the log itself.
const TARGET: &str = module_path!();

/// So many lines wait at most.
const CAPACITY: usize = 1024;

/// `tracing` remembers the most that anybody wants, in one place for all: who sets it has asked everybody before, and nobody
/// comes in between.
static ASKING: Mutex<()> = Mutex::new(());

/// The least level that is heard, of several logs.
pub struct LogLevel(RwLock<LevelFilter>);

impl LogLevel {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` where it is none of those.
    pub fn new(name: &str) -> Result<Self, Error> {
        Ok(Self(RwLock::new(level_of(name)?)))
    }

    /// Another one holds from now on.
    ///
    /// # Errors
    /// As [`LogLevel::new`].
    pub fn set(&self, name: &str) -> Result<(), Error> {
        let level = level_of(name)?;
        ask_again(|| *self.0.write().unwrap_or_else(PoisonError::into_inner) = level);
        Ok(())
    }

    fn get(&self) -> LevelFilter {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn level_of(name: &str) -> Result<LevelFilter, Error> {
    name.parse().map_err(|_| Error::new(Code::Config, format!("no level of a log: {name:?}")))
}

/// Changes what is wanted, and has `tracing` ask everybody again.
fn ask_again<T>(change: impl FnOnce() -> T) -> T {
    let _asking = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
    let changed = change();
    rebuild_interest_cache();
    changed
}

/// A log and its reader's end.
pub struct Log {
    lines: Arc<Lines>,
    dispatch: Dispatch,
}

/// Lines that wait.
struct Lines {
    level: Arc<LogLevel>,
    is_listened: AtomicBool,
    /// Where lines are exported to, too.
    exported: RwLock<Option<Arc<Telemetry>>>,
    queue: Mutex<Queue>,
    wake: Wake,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<LogLine>,
    lost: u64,
    awake: bool,
}

impl Log {
    /// A log that nobody listens to yet. `wake` is called once whenever lines begin to wait.
    pub fn new(level: Arc<LogLevel>, wake: Wake) -> Self {
        let lines = Arc::new(Lines {
            level,
            is_listened: AtomicBool::new(false),
            exported: RwLock::default(),
            queue: Mutex::default(),
            wake,
        });
        let dispatch = ask_again(|| Dispatch::new(LogSubscriber::new(Arc::clone(&lines))));
        Self { lines, dispatch }
    }

    /// Does `work`. Its lines, and those of each thread that it starts, are heard here.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        with_default(&self.dispatch, work)
    }

    /// Whether somebody listens. What waits for one who has left is forgotten.
    pub fn set_listened(&self, is_listened: bool) {
        let was = ask_again(|| self.lines.is_listened.swap(is_listened, Ordering::Relaxed));
        if was && !is_listened {
            let mut queue = self.lines.lock();
            queue.lines.clear();
            queue.lost = 0;
        }
    }

    /// Lines go to this collector too from now on, or to none.
    pub fn export(&self, telemetry: Option<Arc<Telemetry>>) {
        let telemetry = telemetry.filter(|telemetry| telemetry.settings().exports(Signal::Logs));
        ask_again(|| *self.lines.exported.write().unwrap_or_else(PoisonError::into_inner) = telemetry);
    }

    /// Takes up to `limit` lines. The flag says whether more are waiting; if not, whatever comes next wakes again.
    pub fn take(&self, limit: usize) -> (Vec<LogLine>, bool) {
        let mut queue = self.lines.lock();
        let count = limit.min(queue.lines.len());
        let mut taken: Vec<LogLine> = queue.lines.drain(..count).collect();
        if queue.lines.is_empty() {
            taken.extend(queue.take_lost());
        }
        queue.awake = !queue.lines.is_empty();
        (taken, queue.awake)
    }
}

impl Lines {
    /// The least level that somebody wants to hear.
    fn wanted(&self) -> LevelFilter {
        if self.is_listened() || self.exported().is_some() { self.level.get() } else { LevelFilter::OFF }
    }

    fn is_listened(&self) -> bool {
        self.is_listened.load(Ordering::Relaxed)
    }

    fn exported(&self) -> Option<Arc<Telemetry>> {
        self.exported.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take_in(&self, line: LogLine) {
        match (self.exported(), self.is_listened()) {
            (Some(telemetry), true) => {
                telemetry.log(line.clone());
                self.push(line);
            }
            (Some(telemetry), false) => telemetry.log(line),
            (None, true) => self.push(line),
            (None, false) => {}
        }
    }

    fn push(&self, line: LogLine) {
        let mut queue = self.lock();
        if queue.lines.len() >= CAPACITY {
            queue.lost += 1;
        } else {
            let lost = queue.take_lost();
            queue.lines.extend(lost);
            queue.lines.push_back(line);
        }
        let wake = !std::mem::replace(&mut queue.awake, true);
        drop(queue);
        if wake {
            (self.wake)();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A queue is consistent between any two statements under the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// What has been lost, as a line where the lines were.
    fn take_lost(&mut self) -> Option<LogLine> {
        let lost = std::mem::take(&mut self.lost);
        (lost > 0).then(|| LogLine::lost(lost))
    }
}
