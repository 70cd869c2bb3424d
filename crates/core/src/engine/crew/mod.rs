//! Leader and followers: who runs the engine, and who waits for a driver.
//!
//! The kernel gives a device's strings only once it has the device's lock, and drivers hold that while they probe. Mostly it is
//! free, and to have another thread read would cost more than the reading does. So whoever runs the engine reads by itself, but
//! puts the engine down meanwhile; where the read takes too long, an alarm wakes the follower, who takes it up and leads from
//! there. Whoever was held up follows next, once the kernel has answered.
//!
//! While there is nothing to do the engine rests, and nobody has it. A [`Guest`] may take it up then, who hears of something before its own
//! threads do: the thread that is to be told in the end. It does what is done in a moment, and leaves the rest to them.
//!
//! The engine is a future, and this is what polls it. What it waits for is what it asks of its [`Desk`].

mod desk;
#[cfg(target_os = "linux")]
mod guest;
mod place;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use desk::Request;
pub(super) use desk::{Answer, Desk};
#[cfg(target_os = "linux")]
pub use guest::Guest;
use place::Place;

use super::inbox::{Inbox, Message};
use super::watch::Watch;
use crate::device::Device;
use crate::error::{Code, Error};
use crate::platform::alarm::Alarm;
use crate::platform::bus::StringsToRead;
use crate::threads;

/// So long a read may hold the engine up.
const AT_ONCE: Duration = Duration::from_millis(1);
/// Leader and follower included; each of the others waits for one device's lock.
const MOST_THREADS: usize = 17;

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The threads of one engine.
pub struct Crew(Arc<Shared>);

struct Shared {
    inbox: Arc<Inbox>,
    watch: Arc<Watch>,
    desk: Desk,
    alarm: Alarm,
    place: Place,
    state: Mutex<State>,
    /// The engine has ended.
    over: Condvar,
}

#[derive(Default)]
struct State {
    put_down: Option<PutDown>,
    /// How often it has been put down.
    turns: u64,
    has_follower: bool,
    is_over: bool,
    threads: Vec<Member>,
}

/// The engine while its leader reads.
struct PutDown {
    engine: Running,
    turn: u64,
    since: Instant,
    /// Where what is read comes if another one has taken the engine up by then.
    result: Receiver<Device>,
}

struct Member {
    thread: JoinHandle<()>,
    /// It waits for a driver, or may do so.
    reads: Arc<AtomicBool>,
}

impl Crew {
    /// Has a thread run the engine, which leaves at this desk what is to be done for it.
    ///
    /// # Errors
    /// `ERR_USB_SYSTEM` where the process can have no thread or file descriptor more.
    pub(super) fn start(
        engine: impl Future<Output = ()> + Send + 'static,
        desk: Desk,
        inbox: Arc<Inbox>,
        watch: Arc<Watch>,
    ) -> Result<Self, Error> {
        let alarm = Alarm::new()
            .map_err(|error| Error::new(Code::System, format!("no timer for the engine: {error}")))?;
        let (place, state, over) = (Place::default(), Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { inbox, watch, desk, alarm, place, state, over });
        let engine: Running = Box::pin(engine);
        let work = |shared: &Arc<Shared>, reads: &AtomicBool| shared.serve(Some(engine), reads);
        shared
            .add(&mut shared.state(), work)
            .map_err(|error| Error::new(Code::System, format!("no thread for the engine: {error}")))?;
        Ok(Self(shared))
    }

    /// For the one thread that may run the engine for a moment.
    #[cfg(target_os = "linux")]
    pub fn guest(&self) -> Option<Guest> {
        Guest::of(self)
    }

    /// Waits until the engine has ended, and for every thread that waits for no driver.
    pub fn join(self) {
        let Self(shared) = self;
        let over = shared.over.wait_while(shared.state(), |state| !state.is_over);
        let threads = std::mem::take(&mut over.unwrap_or_else(PoisonError::into_inner).threads);
        // A follower looks whether it is over.
        shared.alarm.set(Duration::ZERO);
        for Member { thread, reads } in threads {
            if reads.load(Ordering::Acquire) {
                // It cannot be called back, and a stop must not wait for a driver that hangs. It owns all that it uses and
                // ends by itself when the kernel answers.
                tracing::warn!("left a thread behind that waits for a device's driver");
            } else if thread.join().is_err() {
                tracing::error!("thread of the engine panicked");
            }
        }
    }
}

impl Shared {
    /// Leads, and follows whenever another one has taken over, until there is nothing to do for this thread any more.
    fn serve(self: &Arc<Self>, mut engine: Option<Running>, reads: &AtomicBool) {
        while let Some(leading) = engine {
            if !self.lead(leading, reads) {
                return;
            }
            engine = self.follow();
        }
    }

    /// Runs the engine until it has ended or another thread has taken it up. True where this one follows now.
    fn lead(self: &Arc<Self>, mut engine: Running, reads: &AtomicBool) -> bool {
        while engine.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            let strings = match self.desk.request() {
                // Left by a guest before it could take its time.
                None => continue,
                Some(Request::Rest(timeout)) => {
                    engine = self.rest(engine, timeout);
                    continue;
                }
                Some(Request::Read(strings)) => strings,
            };
            if !self.has_follower() {
                self.desk.answer(self.refuse(strings));
                continue;
            }
            let (done, result) = sync_channel(1);
            let turn = self.state().put_down(engine, result);
            reads.store(true, Ordering::Release);
            self.alarm.set(AT_ONCE);
            let device = strings.read();
            reads.store(false, Ordering::Release);
            let mut state = self.state();
            let Some(mine) = state.put_down.take_if(|put_down| put_down.turn == turn) else {
                // Whoever leads may ask for the next one as soon as it hears of this.
                let follows = state.take_place();
                drop(state);
                // Nobody takes it any more where the device has been told without its strings.
                let _ = done.send(device);
                self.inbox.send(Message::StringsRead);
                return follows;
            };
            drop(state);
            // The alarm goes off nevertheless, and finds nobody held up: to still it would be one more setting of a clock before the event is told.
            engine = mine.engine;
            self.desk.answer(Answer::Read(device));
        }
        drop(engine);
        self.state().is_over = true;
        self.over.notify_all();
        false
    }

    /// Waits for something to do without the engine, which a guest may run meanwhile.
    fn rest(&self, engine: Running, timeout: Duration) -> Running {
        self.place.put(engine);
        let woken = self.watch.wait(timeout);
        let (engine, has_rested) = self.place.take_back(woken.may_leave_it_to_a_guest());
        if has_rested {
            self.desk.wake(woken);
        }
        engine
    }

    /// Waits until the leader is held up, and takes the engine from it; or until the engine has ended.
    fn follow(&self) -> Option<Running> {
        loop {
            self.alarm.wait();
            let mut state = self.state();
            if state.is_over {
                return None;
            }
            // It may have been set for a turn before.
            let held_up = state.put_down.take_if(|put_down| put_down.since.elapsed() >= AT_ONCE);
            if let Some(PutDown { engine, result, .. }) = held_up {
                state.has_follower = false;
                self.desk.answer(Answer::Later(result));
                return Some(engine);
            }
        }
    }

    /// Whether somebody follows; a thread is started for it if need be.
    fn has_follower(self: &Arc<Self>) -> bool {
        let mut state = self.state();
        if state.has_follower {
            return true;
        }
        state.threads.retain(|member| !member.thread.is_finished());
        if state.threads.len() >= MOST_THREADS {
            return false;
        }
        let work = |shared: &Arc<Self>, reads: &AtomicBool| shared.serve(shared.follow(), reads);
        match self.add(&mut state, work) {
            Ok(()) => state.has_follower = true,
            Err(error) => tracing::warn!(%error, "no further thread to read strings"),
        }
        state.has_follower
    }

    /// There is nobody to follow.
    fn refuse(&self, strings: StringsToRead) -> Answer {
        let is_hopeless = !self.state().threads.iter().any(|member| member.reads.load(Ordering::Acquire));
        // The process can have no thread more; what is known is told.
        if is_hopeless { Answer::Read(strings.without()) } else { Answer::Busy(strings) }
    }

    fn add(
        self: &Arc<Self>,
        state: &mut State,
        work: impl FnOnce(&Arc<Self>, &AtomicBool) + Send + 'static,
    ) -> io::Result<()> {
        let reads = Arc::<AtomicBool>::default();
        let (shared, own) = (Arc::clone(self), Arc::clone(&reads));
        let thread = threads::spawn("aw-engine", move || work(&shared, &own))?;
        state.threads.push(Member { thread, reads });
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put_down(&mut self, engine: Running, result: Receiver<Device>) -> u64 {
        self.turns += 1;
        self.put_down = Some(PutDown { engine, turn: self.turns, since: Instant::now(), result });
        self.turns
    }

    /// Makes the calling thread the follower, if there is a place for one.
    fn take_place(&mut self) -> bool {
        let is_free = !self.is_over && !self.has_follower;
        self.has_follower |= is_free;
        is_free
    }
}
