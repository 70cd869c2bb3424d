//! A filter that the kernel itself applies (classic BPF): what is not about USB wakes nobody, and takes no room in a buffer that may
//! overflow.
//!
//! A uevent is `add@DEVPATH\0ACTION=add\0DEVPATH=DEVPATH\0SUBSYSTEM=usb\0…`, and the kernel always says its first keys in this order. So where its
//! first zero is says where its subsystem is: both action and path have come twice by then. Such a filter knows no loops and looks at one place
//! after the other, four bytes at a time. What it has no answer for is let through, to be judged where it is read; what has no header's end is not.

mod assembly;

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Errno;

use self::assembly::{Program, word};
use super::multicast::set_option;

/// So long after a start a filter is set that nobody needs sooner: the kernel takes half a millisecond over one, and several over a large one, for
/// which others may have to wait.
pub(crate) const SET_AFTER: Duration = Duration::from_millis(100);
/// No header has its end before that.
const FIRST_PLACE: u32 = 4;
/// Words of four bytes in which the header's end is looked for: paths of four hundred characters, two hundred, one hundred. Systems have more or
/// less memory that a socket may have for a filter (`net.core.optmem_max`), before Linux 6.8 20 KB, and 10 where
/// a word has 32 bits.
const HEADER_WORDS: &[u32] = &[104, 52, 26];
/// Of what is searched from its beginning on: the same path twice, and what udev puts before it, or as much as there is memory for.
const MESSAGE_WORDS: &[u32] = &[225, 80, 38];

/// Has the kernel keep from this socket what is not of the subsystem `usb`.
///
/// # Errors
/// Where the kernel has no such filters, or no memory for the least one: everything comes then.
pub(super) fn attach(socket: impl AsFd) -> Result<(), Errno> {
    set_largest(socket, of_usb, HEADER_WORDS)
}

/// Has the kernel keep from this socket all but what says that a USB device has left.
///
/// # Errors
/// Where the kernel has no such filters, or no memory for the least one.
pub(super) fn attach_departures(socket: impl AsFd) -> Result<(), Errno> {
    set_largest(socket, departures, HEADER_WORDS)
}

/// Has the kernel keep from this socket what hangs on no USB bus, of whichever subsystem it is, and whoever of the kernel and udev says it; but
/// for what is longer than can be searched, as some of udev's is. Without such filters all comes, and is passed over where it is read.
pub(crate) fn keep_back_what_is_not_below_a_bus(socket: impl AsFd) {
    match set_largest(socket, below_a_bus, MESSAGE_WORDS) {
        Ok(()) => tracing::debug!("the kernel keeps back what is below no USB bus"),
        Err(error) => tracing::debug!(%error, "no filter for what is below USB devices"),
    }
}

/// Of these sizes the first for which the kernel has memory.
fn set_largest(socket: impl AsFd, program: fn(u32) -> Program, sizes: &[u32]) -> Result<(), Errno> {
    let mut outcome = Err(Errno::NOMEM);
    for &size in sizes {
        outcome = set(&socket, program(size));
        if outcome == Err(Errno::NOMEM) && unset(&socket).is_ok() {
            // The memory had gone to the filter of a former process, which has handed the socket over.
            outcome = set(&socket, program(size));
        }
        if outcome != Err(Errno::NOMEM) {
            break;
        }
    }
    outcome
}

fn unset(socket: impl AsFd) -> Result<(), Errno> {
    let unused: libc::c_int = 0;
    // SAFETY: the option takes a number, which it does not look at.
    unsafe { set_option(socket, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &unused) }
}

fn set(socket: impl AsFd, mut program: Program) -> Result<(), Errno> {
    let instructions = program.finished()?;
    let len = u16::try_from(instructions.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len, filter: instructions.as_mut_ptr() };
    // SAFETY: the option takes one `sock_fprog`, whose pointer and length are those of a slice that outlives the call; the kernel copies both.
    unsafe { set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program) }
}

/// Lets through what has `/usb` among so many words, as the path of every bus has, and what is longer than that. Also, as this is looked for in
/// the words of a message and not at each of its places, a few other names that begin or end as that does.
fn below_a_bus(words: u32) -> Program {
    let mut program = Program::default();
    for place in (0..).step_by(4).take(words as usize) {
        program.load_word(place);
        program.if_equal(word(*b"/usb"), Program::let_through);
        program.keep_as_index();
        program.and(word([0, 0xff, 0xff, 0xff]));
        program.if_equal(word(*b"\0/us"), Program::let_through);
        program.and(word([0, 0, 0xff, 0xff]));
        program.if_equal(word(*b"\0\0/u"), Program::let_through);
        program.take_index();
        program.and(word([0xff, 0xff, 0xff, 0]));
        program.if_equal(word(*b"usb\0"), Program::let_through);
    }
    program.let_through();
    program
}

/// Lets through what is of the subsystem `usb`.
fn of_usb(header_words: u32) -> Program {
    let mut program = Program::default();
    find_subsystem(&mut program, header_words);
    program.let_through();
    program
}

/// Of that, a `remove`, and of something that has a number of its own, as devices have and their interfaces have not. The kernel says the
/// number right behind the subsystem. (Where somebody has had sysfs say it, another key stands there, and nobody is hurried.)
fn departures(header_words: u32) -> Program {
    let mut program = Program::default();
    program.load_word(0);
    program.unless_equal(word(*b"remo"), Program::keep_back);
    find_subsystem(&mut program, header_words);
    program.load_word_from_index(SUBSYSTEM + 15);
    program.unless_equal(word(*b"MAJO"), Program::keep_back);
    program.let_through();
    program
}

/// From twice the place of the first zero to that of the zero before `SUBSYSTEM`: `ACTION=` and `DEVPATH=` with their zeros, less the `@`.
const SUBSYSTEM: u32 = 16;

/// Keeps back what is of another subsystem than `usb`, and lets through what is too long or otherwise than uevents are. Goes on with what is
/// of that subsystem; the index is then twice the place of the first zero.
fn find_subsystem(program: &mut Program, header_words: u32) {
    let mut words = Vec::with_capacity(header_words as usize);
    for place in (FIRST_PLACE..).step_by(4).take(header_words as usize) {
        program.load_word(place);
        // Less one, a zero has its highest bit set. So has most of what is not ASCII, which is told apart below.
        program.subtract(word([1; 4]));
        words.push(program.if_any_bit(word([0x80; 4]), |program| {
            program.set_index(place);
            program.jump()
        }));
    }
    program.let_through();
    program.land(words);
    let mut bytes = Vec::with_capacity(4);
    for offset in 0..4 {
        program.load_byte_from_index(offset);
        bytes.push(program.if_equal(0, |program| {
            program.load_number(offset);
            program.jump()
        }));
    }
    program.let_through();
    program.land(bytes);
    program.add_index();
    program.double();
    program.remember();
    // What ends before the subsystem is none of the kernel's, and may be of one all the same.
    program.add(SUBSYSTEM + 15);
    program.keep_as_index();
    program.load_length();
    program.if_less_than_index(Program::let_through);
    program.set_index_to_remembered();
    for (offset, expected) in [(0, *b"\0SUB"), (4, *b"SYST")] {
        program.load_word_from_index(SUBSYSTEM + offset);
        program.unless_equal(word(expected), Program::let_through);
    }
    for (offset, expected) in [(8, *b"EM=u"), (11, *b"usb\0")] {
        program.load_word_from_index(SUBSYSTEM + offset);
        program.unless_equal(word(expected), Program::keep_back);
    }
}

#[cfg(test)]
mod laws;

#[cfg(test)]
mod tests {
    use super::laws::{has_memory_for, passes_through, says};
    use super::*;

    fn message(devpath: &str, subsystem: &str) -> Vec<u8> {
        says("add", devpath, &format!("{subsystem}\0MAJOR=189"))
    }

    fn passes(message: &[u8]) -> bool {
        passes_through(of_usb(HEADER_WORDS[0]), message)
    }

    #[test]
    fn what_is_about_usb_comes_through_however_long_its_path_is_and_nothing_else_does() {
        for length in (0..48).chain((48..400).step_by(7)).chain(400..420).chain((420..1_100).step_by(101)) {
            let devpath = format!("/devices/{}", "p".repeat(length));
            for action in ["add", "bind", "move", "remove", "change", "unbind"] {
                let named = format!("{action} of a path of {} bytes", devpath.len());
                assert!(passes(&says(action, &devpath, "usb\0MAJOR=189")), "{named}");
                // What is too long to look at is let through.
                let is_too_long = action.len() + 1 + devpath.len() >= 420;
                assert_eq!(passes(&says(action, &devpath, "usbmisc\0MAJOR=180")), is_too_long, "{named}");
            }
        }
        // The parts of a real one, and one that has the beginning of the key in it.
        assert!(passes(&message("/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2", "usb")));
        assert!(passes(&message("/devices/platform/SUBSYSTEM=net/usb1", "usb")));
    }

    #[test]
    fn other_subsystems_do_not() {
        for subsystem in ["net", "block", "usbmisc", "usb_role", "usb-serial", "hid", "input", "us"] {
            let message = message("/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0", subsystem);
            assert!(!passes(&message), "{subsystem}");
        }
        assert!(!passes(b""), "nothing");
    }

    #[test]
    fn what_is_not_as_the_kernel_says_it_is_let_through() {
        assert!(passes(b"add@/devices/usb1\0SUBSYSTEM=net\0ACTION=add\0DEVPATH=/devices/usb1\0SEQNUM=1\0"));
        assert!(passes(b"add@/devices/virtual/x\0ACTION=add\0"), "without a subsystem");
        assert!(passes(&message("/devices/platform/\u{fc}ber/eth0", "net")));
    }

    #[test]
    fn what_hangs_on_a_bus_comes_through_and_nothing_else_does() {
        for &words in MESSAGE_WORDS.iter().rev() {
            let passes = |message: &[u8]| passes_through(below_a_bus(words), message);
            if words != MESSAGE_WORDS[2] && !has_memory_for(below_a_bus(words)) {
                println!("SKIPPED: no memory for {words} words here: see net.core.optmem_max");
                continue;
            }
            // As udev has it: the path stands there once.
            let message =
                |before: usize, path: &str| [&vec![7; before][..], b"DEVPATH=", path.as_bytes()].concat();
            let longest = 4 * words as usize;
            for before in (40..44).chain(longest - 28..longest - 24) {
                assert!(
                    passes(&message(before, "/devices/x/usb1/1-4/1-4:1.0/host2\0")),
                    "{before} bytes before"
                );
                assert!(
                    passes(&message(before, "/devices/x/usb1\0")),
                    "{before} bytes before what ends with it"
                );
                assert!(!passes(&message(before, "/devices/x/ata1\0")), "{before} bytes before another");
            }
            assert!(!passes(b""));
            assert!(passes(&vec![7; longest]), "what is longer than what is looked at");
        }
    }

    #[test]
    fn of_departures_only_those_of_devices_come_through() {
        let path = "/devices/pci0000:00/0000:00:14.0/usb1/1-4";
        let device = "usb\0MAJOR=189\0MINOR=4\0DEVNAME=bus/usb/001/005\0DEVTYPE=usb_device";
        let interface = "usb\0DEVTYPE=usb_interface\0PRODUCT=46d/c077/7200";
        let passes = |message: &[u8]| passes_through(departures(HEADER_WORDS[0]), message);
        assert!(passes(&says("remove", path, device)));
        for length in (0..1_100).step_by(97) {
            let path = format!("/devices/{}", "p".repeat(length));
            assert!(passes(&says("remove", &path, device)), "a path of {} bytes", path.len());
        }
        for action in ["add", "change", "bind", "unbind", "move"] {
            assert!(!passes(&says(action, path, device)), "{action}");
        }
        assert!(!passes(&says("remove", &format!("{path}/1-4:1.0"), interface)));
        assert!(!passes(&says("remove", path, "block\0MAJOR=8\0MINOR=0")));
        assert!(!passes(b""), "nothing");
    }
}
