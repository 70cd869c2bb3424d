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
