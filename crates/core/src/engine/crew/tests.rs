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

/// Reads what a driver keeps back.
async fn held_up(desk: &Desk, sysfs: &Sysfs) -> Receiver<Device> {
    match desk.read(to_read(sysfs)).await {
        Answer::Later(result) => result,
        other => panic!("it has to wait: {other:?}"),
    }
}

/// An engine that does whatever comes, and the crew that runs it.
fn crew<F: Future<Output = ()> + Send + 'static>(
    work: impl FnOnce(Desk, Arc<Inbox>) -> F,
) -> (Crew, Arc<Inbox>) {
    let (inbox, desk) = (Arc::new(Inbox::new().expect("an inbox")), Desk::default());
    let engine = work(desk.clone(), Arc::clone(&inbox));
    let watch = Arc::new(Watch::new(&inbox).expect("a watch"));
    (Crew::start(engine, desk, Arc::clone(&inbox), watch).expect("a crew"), inbox)
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
        let mut leader = thread();
        for _ in 0..100 {
            // A machine that is busy may take a millisecond for it; then the other one goes on.
            match desk.read(to_read(&sysfs)).await {
                Answer::Read(device) => told.send((leader == thread(), device.product)).expect("heard"),
                Answer::Later(_) => leader = thread(),
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
        let result = held_up(&desk, &sysfs).await;
        let second = thread();
        assert_ne!(first, second);
        writer.end();
        let device = result.recv().expect("read");
        wait_for_message(&inbox);
        // The thread that was held up is the one that takes over now: no further one has been started.
        let writer = tree.have_wait("product");
        held_up(&desk, &sysfs).await;
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
        held_up(&desk, &sysfs).await;
    });
    crew.join();
    assert!(over.try_recv().is_err(), "the engine is gone, and what it held");
    writer.end();
    wait_for_message(&inbox);
}

/// An engine that, woken from a rest by whoever it is, tells on which thread it runs before it has come home and after.
async fn tell_threads(desk: Desk, inbox: Arc<Inbox>, told: Sender<[std::thread::ThreadId; 2]>) {
    loop {
        desk.rest(Duration::from_secs(60)).await;
        let woken = thread();
        desk.home().await;
        inbox.take();
        if told.send([woken, thread()]).is_err() {
            return;
        }
    }
}

/// Visits once the engine rests.
fn visit(guest: &Guest, crew: &Crew) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !crew.0.place.rests() {
        assert!(Instant::now() < deadline, "the engine never rests");
        std::thread::yield_now();
    }
    guest.visit();
}

#[test]
fn a_guest_runs_a_resting_engine_as_far_as_that_may_and_its_own_thread_goes_on() {
    let (told, heard) = channel();
    let (crew, inbox) = crew(move |desk, inbox| tell_threads(desk, inbox, told));
    let guest = crew.guest().expect("a guest");
    assert!(crew.guest().is_none(), "there is one");
    for _ in 0..100 {
        visit(&guest, &crew);
        assert!(heard.try_recv().is_err(), "it has not come home");
        guest.leave(false);
        let [woken, home] = heard.recv().expect("told");
        assert_eq!(woken, thread());
        assert_ne!(home, thread());
    }
    drop(heard);
    inbox.send(Message::Left);
    crew.join();
    // There is nothing to run any more.
    guest.visit();
    guest.leave(false);
}

#[test]
fn without_a_guest_the_engine_is_woken_by_its_own_thread() {
    let (told, heard) = channel();
    let (crew, inbox) = crew(move |desk, inbox| tell_threads(desk, inbox, told));
    let _never_comes = crew.guest().expect("a guest");
    inbox.send(Message::Left);
    let [woken, home] = heard.recv().expect("told");
    assert!(woken == home && home != thread());
    drop(heard);
    inbox.send(Message::Left);
    crew.join();
}

#[test]
fn what_a_guest_cannot_do_is_left_to_the_engines_thread() {
    let (tree, sysfs) = Tree::with("crew-guest", b"x\n");
    let (told, heard) = channel();
    let (crew, _inbox) = crew(move |desk, _| async move {
        desk.rest(Duration::from_secs(60)).await;
        let woken = thread();
        let Answer::Read(device) = desk.read(to_read(&sysfs)).await else { panic!("nothing holds it up") };
        told.send((woken, thread(), device.product)).expect("heard");
    });
    let guest = crew.guest().expect("a guest");
    visit(&guest, &crew);
    guest.leave(false);
    let (woken, read, product) = heard.recv().expect("told");
    assert_eq!((woken, product.as_deref()), (thread(), Some("x")));
    assert_ne!(read, thread());
    crew.join();
    drop(tree);
}

#[test]
fn what_a_guest_leaves_is_found_before_it_goes_even_by_a_thread_that_has_stopped_waiting_for_it() {
    let (told, heard) = channel();
    let (crew, inbox) = crew(move |desk, inbox| tell_threads(desk, inbox, told));
    let guest = crew.guest().expect("a guest");
    let departures = crew.0.watch.departures().expect("a socket");
    for _ in 0..20 {
        // The guest does not come: the engine's own thread goes on, and counts on it no more.
        if !departures.pretend() {
            break;
        }
        let [woken, home] = heard.recv().expect("told");
        assert!(woken == home && home != thread());
        visit(&guest, &crew);
        let [woken, home] =
            heard.recv_timeout(Duration::from_secs(60)).expect("nobody has to wait until it goes");
        assert!(woken == thread() && home != thread());
        guest.leave(true);
    }
    drop(heard);
    inbox.send(Message::Left);
    crew.join();
}
