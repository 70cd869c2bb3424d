//! What must hold of the filters whatever comes, and what they are tried with: the kernel itself, on sockets of another kind.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;

use proptest::prelude::*;

use super::*;
use crate::source::netlink::Uevent;

/// As the kernel says it.
pub(super) fn says(action: &str, devpath: &str, rest: &str) -> Vec<u8> {
    format!("{action}@{devpath}\0ACTION={action}\0DEVPATH={devpath}\0SUBSYSTEM={rest}\0SEQNUM=1\0")
        .into_bytes()
}

/// Whether the kernel lets it through.
pub(super) fn passes_through(program: Program, message: &[u8]) -> bool {
    let (from, to) = UnixDatagram::pair().expect("sockets");
    set(&to, program).expect("a kernel with filters, and memory for this one");
    comes_from(&from, &to, message)
}

/// Whether a socket may have one as large as this.
pub(super) fn has_memory_for(program: Program) -> bool {
    let (_from, to) = UnixDatagram::pair().expect("sockets");
    set(&to, program) != Err(Errno::NOMEM)
}

fn comes_from(from: &UnixDatagram, to: &UnixDatagram, message: &[u8]) -> bool {
    to.set_nonblocking(true).expect("no waiting");
    // What is filtered counts as sent.
    from.send(message).expect("sent");
    let mut buffer = [0; 4096];
    match to.recv(&mut buffer) {
        Ok(length) => buffer[..length] == *message,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    }
}

/// Texts as a path has them, and with other letters than ASCII's.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9:._-]{0,450}", "[^/\\pC]{0,60}"]
}

/// What the first part of a message may be besides what the kernel says.
fn other_header() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || proptest::collection::vec(1_u8.., 0..90);
    (bytes(), bytes()).prop_map(|(before, after)| [&before[..], b"@", &after].concat())
}

const KEYS: [&str; 6] =
    ["DEVTYPE=usb_device", "PRODUCT=46d/c077/7200", "TYPE=0/0/0", "BUSNUM=001", "DEVNUM=005", "SEQNUM=7"];

proptest! {
    #[test]
    fn nothing_that_is_read_as_a_device_is_kept_back(
        other_header in prop_oneof![2 => Just(None), 1 => other_header().prop_map(Some)],
        action in proptest::sample::select(vec!["add", "remove"]),
        middle in text(),
        // Two times of three as the kernel has them.
        order in prop_oneof![2 => Just(vec![0_usize, 1, 2]), 1 => Just(vec![0, 1, 2]).prop_shuffle()],
        others in Just(KEYS.to_vec()).prop_shuffle(),
        words in proptest::sample::select(HEADER_WORDS),
    ) {
        let devpath = format!("/devices/{middle}/usb1/1-4");
        let named = [format!("ACTION={action}"), format!("DEVPATH={devpath}"), "SUBSYSTEM=usb".to_owned()];
        let mut parts = vec![other_header.unwrap_or_else(|| format!("{action}@{devpath}").into_bytes())];
        parts.extend(order.into_iter().map(|at| named[at].clone().into_bytes()));
        parts.extend(others.into_iter().map(Into::into));
        let message = [parts.join(&0), vec![0]].concat();
        prop_assert!(matches!(Uevent::parse(&message), Ok(Some(_))), "{:?}", Uevent::parse(&message));
        prop_assert!(passes_through(of_usb(words), &message));
        prop_assert!(passes_through(below_a_bus(MESSAGE_WORDS[2]), &message));
    }
}

#[test]
fn a_filter_that_a_former_process_has_set_makes_room_for_this_one() {
    let (from, to) = UnixDatagram::pair().expect("sockets");
    // As large as a socket may have one.
    let deaf = |loads: u32| {
        let mut program = Program::default();
        for _ in 0..loads {
            program.load_word(0);
        }
        program.keep_back();
        program
    };
    let fits = (1..=4_000).rev().step_by(40).find(|&loads| set(&to, deaf(loads)).is_ok());
    assert!(fits.is_some_and(|loads| loads > 40), "{fits:?}");
    let uevent = says("add", "/devices/usb1/1-4", "usb");
    assert!(!comes_from(&from, &to, &uevent));
    attach(&to).expect("a filter");
    assert!(comes_from(&from, &to, &uevent));
    assert!(!comes_from(&from, &to, &says("add", "/devices/net/lo", "net")));
}

#[test]
fn a_program_whose_jumps_go_too_far_is_refused() {
    let mut program = Program::default();
    program.if_equal(1, |program| {
        for _ in 0..256 {
            program.load_word(0);
        }
    });
    program.let_through();
    let (_from, to) = UnixDatagram::pair().expect("sockets");
    assert_eq!(set(&to, program), Err(Errno::INVAL));
}
