//! A filter that the kernel itself applies (classic BPF): what is not about USB wakes nobody, and takes no room in a buffer that may
//! overflow.
//!
//! A uevent is `add@DEVPATH\0ACTION=add\0DEVPATH=DEVPATH\0SUBSYSTEM=usb\0…`, and the kernel always says its first keys in this order. So where its
//! first zero is says where its subsystem is: both action and path have come twice by then. Such a filter knows no loops and looks at one place
//! after the other, four bytes at a time. What it has no answer for is let through, to be judged where it is read.

mod assembly;

use std::os::fd::AsFd;

use rustix::io::Errno;

use self::assembly::{Program, word};
use super::multicast::set_option;

/// No action is shorter.
const FIRST_PLACE: u32 = 4;
/// Paths of four hundred characters and more.
const HEADER_WORDS: u32 = 104;
/// Of what is searched from its beginning to its end: the same path twice, and what udev puts before it.
const MOST_WORDS: u32 = 225;
const FEWEST_WORDS: u32 = 50;

/// Has the kernel keep from this socket what is not of the subsystem `usb`.
///
/// # Errors
/// Where the kernel has no such filters, or no memory for one: everything comes then.
pub(super) fn attach(socket: impl AsFd) -> Result<(), Errno> {
    set(socket, of_usb())
}

/// Has the kernel keep from this socket all but what says that a USB device has left.
///
/// # Errors
/// Where the kernel has no such filters, or no memory for one: everything comes then.
pub(super) fn attach_departures(socket: impl AsFd) -> Result<(), Errno> {
    set(socket, departures())
}

/// Has the kernel keep from this socket what hangs on no USB bus, of whichever subsystem it is, and whoever of the kernel and udev says it.
/// Without such filters all comes, and is passed over where it is read.
pub(crate) fn keep_back_what_is_not_below_a_bus(socket: impl AsFd) {
    let mut words = MOST_WORDS;
    let outcome = loop {
        match set(&socket, below_a_bus(words)) {
            // Of what a socket may have for this, systems have more or less.
            Err(Errno::NOMEM) if words / 2 >= FEWEST_WORDS => words /= 2,
            outcome => break outcome,
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "no filter for what is below USB devices");
    }
}

fn set(socket: impl AsFd, mut program: Program) -> Result<(), Errno> {
    let program_of_kernel = program.as_fprog()?;
    // SAFETY: the option takes one `sock_fprog`, whose pointer and length are those of a program that outlives the call; the kernel copies both.
    unsafe { set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program_of_kernel) }
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
fn of_usb() -> Program {
    let mut program = Program::default();
    find_subsystem(&mut program);
    program.let_through();
    program
}

/// Of that, a `remove`, and of something that has a number of its own, as devices have and their interfaces have not. The kernel says the
/// number right behind the subsystem.
fn departures() -> Program {
    let mut program = Program::default();
    program.load_word(0);
    program.unless_equal(word(*b"remo"), Program::keep_back);
    find_subsystem(&mut program);
    program.load_word_from_index(SUBSYSTEM + 15);
    program.unless_equal(word(*b"MAJO"), Program::keep_back);
    program.let_through();
    program
}

/// From twice the place of the first zero to that of the zero before `SUBSYSTEM`: `ACTION=` and `DEVPATH=` with their zeros, less the `@`.
const SUBSYSTEM: u32 = 16;

/// Keeps back what is of another subsystem than `usb`, and lets through what is too long or otherwise than uevents are. Goes on with what is
/// of that subsystem; the index is then twice the place of the first zero.
fn find_subsystem(program: &mut Program) {
    let mut jumps = Vec::with_capacity(HEADER_WORDS as usize);
    for place in (FIRST_PLACE..).step_by(4).take(HEADER_WORDS as usize) {
        program.load_word(place);
        // A zero lends from the bit above it. So does what is not ASCII, which is told apart below.
        program.subtract(word([1; 4]));
        jumps.push(program.if_any_bit(word([0x80; 4]), |program| {
            program.set_index(place);
            program.jump()
        }));
    }
    program.let_through();
    program.land(jumps.drain(..));
    for offset in 0..4 {
        program.load_byte_from_index(offset);
        jumps.push(program.if_equal(0, |program| {
            program.load_number(offset);
            program.jump()
        }));
    }
    program.let_through();
    program.land(jumps);
    program.add_index();
    program.double();
    program.keep_as_index();
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
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn message(devpath: &str, subsystem: &str) -> Vec<u8> {
        says("add", devpath, &format!("{subsystem}\0MAJOR=189"))
    }

    fn says(action: &str, devpath: &str, rest: &str) -> Vec<u8> {
        format!("{action}@{devpath}\0ACTION={action}\0DEVPATH={devpath}\0SUBSYSTEM={rest}\0SEQNUM=1\0")
            .into_bytes()
    }

    fn passes(message: &[u8]) -> bool {
        passes_through(of_usb(), message)
    }

    /// Whether the kernel lets it through, on a socket of another kind.
    fn passes_through(program: Program, message: &[u8]) -> bool {
        let (from, to) = UnixDatagram::pair().expect("sockets");
        set(&to, program).expect("a kernel with filters");
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

    #[test]
    fn what_is_about_usb_comes_through_however_long_its_path_is_and_nothing_else_does() {
        for length in (0..48).chain((48..1_100).step_by(7)) {
            let devpath = format!("/devices/{}", "p".repeat(length));
            for action in ["add", "bind", "move", "remove", "change", "unbind"] {
                assert!(
                    passes(&says(action, &devpath, "usb\0MAJOR=189")),
                    "{action} of {} bytes",
                    devpath.len()
                );
                let others = says(action, &devpath, "usbmisc\0MAJOR=180");
                // What is too long to look at is let through.
                assert_eq!(
                    passes(&others),
                    action.len() + 1 + devpath.len() >= 420,
                    "{action} of {} bytes",
                    devpath.len()
                );
            }
        }
        // The parts of a real one, and one that has the beginning of the key in it.
        assert!(passes(&message("/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2", "usb")));
        assert!(passes(&message("/devices/platform/SUBSYSTEM=net/usb1", "usb")));
        assert!(passes(&message("/devices/platform/\u{fc}ber/usb1", "usb")));
    }

    #[test]
    fn what_is_not_as_the_kernel_says_it_is_let_through() {
        assert!(passes(b"add@/devices/usb1\0SUBSYSTEM=net\0ACTION=add\0DEVPATH=/devices/usb1\0SEQNUM=1\0"));
        assert!(passes(&message("/devices/platform/\u{fc}ber/eth0", "net")));
    }

    #[test]
    fn what_hangs_on_a_bus_comes_through_whatever_it_is_and_nothing_else_does() {
        let passes = |message: &[u8]| passes_through(below_a_bus(MOST_WORDS), message);
        for length in 0..40 {
            let controller = format!("/devices/{}/0000:00:14.0", "p".repeat(length));
            let path = format!("{controller}/usb1/1-4/1-4:1.0/host2/target2:0:0/2:0:0:0/block/sda");
            assert!(passes(&message(&path, "block")), "{path}");
            // Of udev's messages, where the path comes later.
            let of_udev = [&[7; 300][..], &message(&path, "block")].concat();
            assert!(passes(&of_udev), "{path}");
            let other = message(&format!("{controller}/ata1/block/sda"), "block");
            assert!(!passes(&other), "{controller}/ata1");
        }
        assert!(!passes(b""));
        let longer = message(&format!("/devices/{}", "p".repeat(4 * MOST_WORDS as usize)), "block");
        assert!(passes(&longer), "what is longer than what is looked at");
    }

    #[test]
    fn of_departures_only_those_of_devices_come_through() {
        let path = "/devices/pci0000:00/0000:00:14.0/usb1/1-4";
        let device = "usb\0MAJOR=189\0MINOR=4\0DEVNAME=bus/usb/001/005\0DEVTYPE=usb_device";
        let interface = "usb\0DEVTYPE=usb_interface\0PRODUCT=46d/c077/7200";
        let passes = |message: &[u8]| passes_through(departures(), message);
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
        assert!(!passes(b"remove@/devices/virtual/x\0ACTION=remove\0"), "without a subsystem");
        assert!(!passes(b""), "nothing");
    }

    #[test]
    fn other_subsystems_do_not() {
        for subsystem in ["net", "block", "usbmisc", "usb_role", "us", "usb-serial", "hid", "input"] {
            assert!(
                !passes(&message("/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0", subsystem)),
                "{subsystem}"
            );
        }
        assert!(!passes(b"add@/devices/virtual/x\0ACTION=add\0"), "without a subsystem");
        assert!(!passes(b""), "nothing");
    }
}
