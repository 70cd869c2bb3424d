//! Leader and followers: who runs the engine, and who waits for a driver.
//!
//! The kernel gives a device's strings only once it has the device's lock, and drivers hold that while they probe. Mostly it is
//! free, and to have another thread read would cost more than the reading does. So whoever runs the engine reads by itself, but
//! puts the engine down meanwhile; where the read takes too long, an alarm wakes the follower, who takes it up and leads from
//! there. Whoever was held up follows next, once the kernel has answered.
//!
//! The engine is a future, and this is what polls it. There is one thing that it waits for: [`Desk::read`].

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use super::inbox::{Inbox, Message};
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

/// What has become of a request to read.
#[derive(Debug)]
pub(super) enum Answer {
    /// The device with its strings.
    Read(Device),
    /// It will come here, and [`Message::StringsRead`] says when.
    Later(Receiver<Device>),
    /// Every thread waits for some driver. [`Message::StringsRead`] says when one does no more.
    Busy(StringsToRead),
}

/// Where the engine leaves what is to be read.
#[derive(Clone, Default)]
pub(super) struct Desk(Arc<Mutex<Paper>>);

#[derive(Default)]
enum Paper {
    #[default]
    Nothing,
    Asked(StringsToRead),
    Answered(Answer),
}

impl Desk {
    /// Reads strings: at once, as far as the rest of the engine is concerned.
    pub(super) async fn read(&self, strings: StringsToRead) -> Answer {
        let mut asked = Some(strings);
        poll_fn(|_| {
            let mut paper = self.paper();
            match (asked.take(), std::mem::take(&mut *paper)) {
                (Some(strings), _) => *paper = Paper::Asked(strings),
                (None, Paper::Answered(answer)) => return Poll::Ready(answer),
                (None, unanswered) => *paper = unanswered,
            }
            Poll::Pending
        })
        .await
    }

    fn question(&self) -> Option<StringsToRead> {
        let mut paper = self.paper();
        match std::mem::take(&mut *paper) {
            Paper::Asked(strings) => Some(strings),
            other => {
                *paper = other;
                None
            }
        }
    }

    fn answer(&self, answer: Answer) {
        *self.paper() = Paper::Answered(answer);
    }

    fn paper(&self) -> MutexGuard<'_, Paper> {
        // Nothing under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads of one engine.
pub struct Crew(Arc<Shared>);

struct Shared {
    inbox: Arc<Inbox>,
    desk: Desk,
    alarm: Alarm,
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
    /// Where what is read comes if another one has taken the engine up by then.
    result: Receiver<Device>,
}

struct Member {
    thread: JoinHandle<()>,
    /// It waits for a driver, or may do so.
    reads: Arc<AtomicBool>,
}

impl Crew {
    /// Has a thread run the engine, which leaves what is to be read at this desk.
    ///
    /// # Errors
    /// `ERR_USB_SYSTEM` where the process can have no thread or file descriptor more.
    pub(super) fn start(
        engine: impl Future<Output = ()> + Send + 'static,
        desk: Desk,
        inbox: Arc<Inbox>,
    ) -> Result<Self, Error> {
        let alarm = Alarm::new()
            .map_err(|error| Error::new(Code::System, format!("no timer for the engine: {error}")))?;
        let shared = Arc::new(Shared { inbox, desk, alarm, state: Mutex::default(), over: Condvar::new() });
        let engine: Running = Box::pin(engine);
        let work = |shared: &Arc<Shared>, reads: &AtomicBool| shared.serve(Some(engine), reads);
        shared
            .add(&mut shared.state(), work)
            .map_err(|error| Error::new(Code::System, format!("no thread for the engine: {error}")))?;
        Ok(Self(shared))
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
            let Some(strings) = self.desk.question() else { continue };
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
            self.alarm.still();
            engine = mine.engine;
            self.desk.answer(Answer::Read(device));
        }
        drop(engine);
        self.state().is_over = true;
        self.over.notify_all();
        false
    }

    /// Waits until the leader is held up, and takes the engine from it; or until the engine has ended.
    fn follow(&self) -> Option<Running> {
        loop {
            self.alarm.wait();
            let mut state = self.state();
            if state.is_over {
                return None;
            }
            if let Some(PutDown { engine, result, .. }) = state.put_down.take() {
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
        self.put_down = Some(PutDown { engine, turn: self.turns, result });
        self.turns
    }

    /// Makes the calling thread the follower, if there is a place for one.
    fn take_place(&mut self) -> bool {
        let is_free = !self.is_over && !self.has_follower;
        self.has_follower |= is_free;
        is_free
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::time::Instant;

    use super::*;
    use crate::platform::Description;
    use crate::sysfs::Sysfs;
    use crate::sysfs::test_tree::Tree;

    fn to_read(sysfs: &Sysfs) -> StringsToRead {
        match sysfs.describe_uevent(&Tree::uevent(5)) {
            Description::WithoutStrings(strings) => strings,
            Description::Whole(_) => panic!("it has strings"),
        }
    }

    /// An engine that does whatever comes, and the crew that runs it.
    fn crew<F: Future<Output = ()> + Send + 'static>(
        work: impl FnOnce(Desk, Arc<Inbox>) -> F,
    ) -> (Crew, Arc<Inbox>) {
        let (inbox, desk) = (Arc::new(Inbox::new().expect("an inbox")), Desk::default());
        let engine = work(desk.clone(), Arc::clone(&inbox));
        (Crew::start(engine, desk, Arc::clone(&inbox)).expect("a crew"), inbox)
    }

    fn thread() -> std::thread::ThreadId {
        std::thread::current().id()
    }

    fn wait_for_message(inbox: &Inbox) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !inbox.take().iter().any(|message| matches!(message, Message::StringsRead)) {
            assert!(Instant::now() < deadline, "no thread has said that it has read");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_can_be_read_at_once_is_read_by_whoever_leads() {
        let (_tree, sysfs) = Tree::with("crew-quick", b"x\n");
        let (told, heard) = channel();
        let (crew, _) = crew(move |desk, _| async move {
            let before = thread();
            for _ in 0..100 {
                // A machine that is busy may take a millisecond for it; then the other one goes on.
                match desk.read(to_read(&sysfs)).await {
                    Answer::Read(device) => told.send((before == thread(), device.product)).expect("heard"),
                    Answer::Later(_) => break,
                    Answer::Busy(_) => panic!("nobody waits"),
                }
            }
        });
        crew.join();
        let answers: Vec<_> = heard.iter().collect();
        assert!(!answers.is_empty());
        for (is_same_thread, product) in answers {
            assert_eq!((is_same_thread, product.as_deref()), (true, Some("x")));
        }
    }

    #[test]
    fn whoever_is_held_up_leaves_the_engine_to_another_one_and_follows_it() {
        let (tree, sysfs) = Tree::with("crew-slow", b"x\n");
        let writer = tree.have_wait("product");
        let (told, heard) = channel();
        let (crew, _) = crew(move |desk, inbox| async move {
            let first = thread();
            let Answer::Later(result) = desk.read(to_read(&sysfs)).await else { panic!("it has to wait") };
            let second = thread();
            assert_ne!(first, second);
            writer.end();
            let device = result.recv().expect("read");
            wait_for_message(&inbox);
            // The thread that was held up is the one that takes over now: no further one has been started.
            let writer = tree.have_wait("product");
            let Answer::Later(_) = desk.read(to_read(&sysfs)).await else { panic!("it has to wait") };
            told.send((first == thread(), device.partial)).expect("heard");
            writer.end();
            wait_for_message(&inbox);
        });
        crew.join();
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [(true, false)]);
    }

    #[test]
    fn once_every_thread_waits_it_is_said_and_one_that_is_free_again_serves() {
        let (tree, sysfs) = Tree::with("crew-busy", b"x\n");
        let writer = tree.have_wait("product");
        let (told, heard) = channel();
        let (crew, _) = crew(move |desk, inbox| async move {
            let mut later = Vec::new();
            let mut strings = to_read(&sysfs);
            let put_off = loop {
                match desk.read(strings).await {
                    Answer::Later(result) => later.push(result),
                    Answer::Busy(strings) => break strings,
                    Answer::Read(_) => panic!("it has to wait"),
                }
                strings = to_read(&sysfs);
            };
            let waiting = later.len();
            writer.end();
            for result in later {
                result.recv().expect("read");
            }
            wait_for_message(&inbox);
            tree.write("product", b"again\n");
            let answer = desk.read(put_off).await;
            told.send((waiting, matches!(answer, Answer::Read(_) | Answer::Later(_)))).expect("heard");
        });
        crew.join();
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [(MOST_THREADS - 1, true)]);
    }

    #[test]
    fn an_end_waits_for_no_driver() {
        let (tree, sysfs) = Tree::with("crew-hung", b"x\n");
        let writer = tree.have_wait("product");
        let (held, over): (Sender<()>, _) = channel();
        let (crew, inbox) = crew(move |desk, _| async move {
            let _held = held;
            let Answer::Later(_) = desk.read(to_read(&sysfs)).await else { panic!("it has to wait") };
        });
        crew.join();
        assert!(over.try_recv().is_err(), "the engine is gone, and what it held");
        writer.end();
        wait_for_message(&inbox);
    }
}
