//! A filter that the kernel itself applies (classic BPF): what is not about USB wakes nobody, and takes no room in a buffer that may
//! overflow.
//!
//! A uevent is `add@DEVPATH\0ACTION=add\0DEVPATH=DEVPATH\0SUBSYSTEM=usb\0…`, and such a filter knows no loops: it looks at one place after
//! the other for the key. What is so long that the key may lie beyond the last of these places is let through.

use std::os::fd::AsFd;

use rustix::io::Errno;

use super::multicast::set_option;

/// Before that there is no room for the shortest device path.
const FIRST_PLACE: u32 = 24;
/// Device paths of four hundred characters twice: more instructions than these need memory that a socket may not have.
const MOST_PLACES: u32 = 900;
const FEWEST_PLACES: u32 = 200;
const WHOLE: u32 = u32::MAX;
const NOTHING: u32 = 0;

/// Codes of instructions have sixteen bits; the C library's headers give their parts as wider numbers.
#[expect(clippy::cast_possible_truncation, reason = "the parts are bits of the lowest byte")]
const fn code(parts: u32) -> u16 {
    parts as u16
}

const LOAD_WORD_AT: u16 = code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS);
const LOAD_WORD_FROM_INDEX: u16 = code(libc::BPF_LD | libc::BPF_W | libc::BPF_IND);
const SET_INDEX: u16 = code(libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM);
const IF_EQUAL: u16 = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
const GO_ON: u16 = code(libc::BPF_JMP | libc::BPF_JA);
const RETURN: u16 = code(libc::BPF_RET | libc::BPF_K);

/// Has the kernel keep from this socket what is not of the subsystem `usb`.
///
/// # Errors
/// Where the kernel has no such filters, or no memory for the least one: everything comes then.
pub(super) fn attach(socket: impl AsFd) -> Result<(), Errno> {
    attach_largest(socket, program)
}

/// Has the kernel keep from this socket all but what says that a USB device has left.
///
/// # Errors
/// Where the kernel has no such filters, or no memory for the least one: everything comes then.
pub(super) fn attach_departures(socket: impl AsFd) -> Result<(), Errno> {
    attach_largest(socket, departures)
}

/// Has the kernel keep from this socket what hangs on no USB bus, of whichever subsystem it is, and whoever of the kernel and udev says it.
/// Without such filters all comes, and is passed over where it is read.
pub(crate) fn keep_back_what_is_not_below_a_bus(socket: impl AsFd) {
    if let Err(error) = attach_largest(socket, below_a_bus) {
        tracing::debug!(%error, "no filter for what is below USB devices");
    }
}

fn attach_largest(socket: impl AsFd, program: fn(u32) -> Vec<libc::sock_filter>) -> Result<(), Errno> {
    let mut places = MOST_PLACES;
    loop {
        match set(&socket, &mut program(places)) {
            // Of what a socket may have for this, systems have more or less.
            Err(Errno::NOMEM) if places / 2 >= FEWEST_PLACES => places /= 2,
            done => return done,
        }
    }
}

fn set(socket: impl AsFd, program: &mut [libc::sock_filter]) -> Result<(), Errno> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: the option takes one `sock_fprog`, whose pointer and length are those of a slice that outlives the call; the kernel copies both.
    unsafe { set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program) }
}

/// Lets through what has `/usb` at one of so many places, as the path of every bus has, and what is longer than that.
fn below_a_bus(places: u32) -> Vec<libc::sock_filter> {
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let mut program = Vec::with_capacity(places as usize * 3 + 1);
    for place in 0..places {
        // Beyond a message's end a load lets nothing through.
        program.push(statement(LOAD_WORD_AT, place));
        program.push(libc::sock_filter { code: IF_EQUAL, jt: 0, jf: 1, k: u32::from_be_bytes(*b"/usb") });
        program.push(statement(RETURN, WHOLE));
    }
    program.push(statement(RETURN, WHOLE));
    program
}

/// Lets through what has `\0SUBSYSTEM=usb\0` at one of so many places, and what is longer than that.
fn program(places: u32) -> Vec<libc::sock_filter> {
    of_subsystem(places, &[])
}

/// Of that, a `remove`, and of something that has a number of its own, as devices have and their interfaces have not. The kernel says the
/// number right behind the subsystem.
fn departures(places: u32) -> Vec<libc::sock_filter> {
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let mut program = vec![
        statement(LOAD_WORD_AT, 0),
        libc::sock_filter { code: IF_EQUAL, jt: 1, jf: 0, k: u32::from_be_bytes(*b"remo") },
        statement(RETURN, NOTHING),
    ];
    program.extend(of_subsystem(places, &[(15, u32::from_be_bytes(*b"MAJO"))]));
    program
}

/// `further`: which words stand where behind the place at which the key begins.
fn of_subsystem(places: u32, further: &[(u32, u32)]) -> Vec<libc::sock_filter> {
    const AT_PLACE: u32 = 4;
    let word = |text: &[u8; 4]| u32::from_be_bytes(*text);
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let mut program = Vec::with_capacity((places * AT_PLACE) as usize + 24);
    for (at, place) in (0..places).zip(FIRST_PLACE..) {
        // Beyond a message's end a load lets nothing through: without a subsystem there is no device.
        program.push(statement(LOAD_WORD_AT, place));
        program.push(libc::sock_filter { code: IF_EQUAL, jt: 0, jf: 2, k: word(b"\0SUB") });
        program.push(statement(SET_INDEX, place));
        // Behind the last place is one instruction that lets through what is as long as that.
        program.push(statement(GO_ON, (places - at - 1) * AT_PLACE + 1));
    }
    program.push(statement(RETURN, WHOLE));
    let checks = [&[(4, word(b"SYST")), (8, word(b"EM=u")), (11, word(b"usb\0"))], further].concat();
    let count = checks.len();
    for (at, (offset, expected)) in checks.into_iter().enumerate() {
        program.push(statement(LOAD_WORD_FROM_INDEX, offset));
        let rest = u8::try_from((count - at - 1) * 2 + 1).unwrap_or(u8::MAX);
        program.push(libc::sock_filter { code: IF_EQUAL, jt: 0, jf: rest, k: expected });
    }
    program.push(statement(RETURN, WHOLE));
    program.push(statement(RETURN, NOTHING));
    program
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn message(devpath: &str, subsystem: &str) -> Vec<u8> {
        format!("add@{devpath}\0ACTION=add\0DEVPATH={devpath}\0SUBSYSTEM={subsystem}\0MAJOR=189\0SEQNUM=1\0")
            .into_bytes()
    }

    fn passes(message: &[u8]) -> bool {
        passes_through(program, message)
    }

    /// Whether the kernel lets it through, on a socket of another kind.
    fn passes_through(program: fn(u32) -> Vec<libc::sock_filter>, message: &[u8]) -> bool {
        let (from, to) = UnixDatagram::pair().expect("sockets");
        attach_largest(&to, program).expect("a kernel with filters");
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
    fn what_is_about_usb_comes_through_however_long_its_path_is() {
        for length in (0..1_100).step_by(7) {
            let devpath = format!("/devices/{}", "p".repeat(length));
            assert!(passes(&message(&devpath, "usb")), "a path of {} bytes", devpath.len());
        }
        // The parts of a real one, and one that has the beginning of the key in it.
        assert!(passes(&message("/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2", "usb")));
        assert!(passes(&message("/devices/platform/SUBSYSTEM=net/usb1", "usb")));
    }

    #[test]
    fn what_hangs_on_a_bus_comes_through_whatever_it_is_and_nothing_else_does() {
        let path = "/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/host2/target2:0:0/2:0:0:0/block/sda";
        assert!(passes_through(below_a_bus, &message(path, "block")));
        assert!(!passes_through(
            below_a_bus,
            &message("/devices/pci0000:00/0000:00:17.0/ata1/block/sda", "block")
        ));
        assert!(!passes_through(below_a_bus, b""));
        // Of udev's messages, where the path comes later.
        let of_udev = [&[7; 300][..], &message(path, "block")].concat();
        assert!(passes_through(below_a_bus, &of_udev));
    }

    #[test]
    fn of_departures_only_those_of_devices_come_through() {
        let path = "/devices/pci0000:00/0000:00:14.0/usb1/1-4";
        let says = |action: &str, path: &str, rest: &str| {
            format!("{action}@{path}\0ACTION={action}\0DEVPATH={path}\0SUBSYSTEM={rest}\0SEQNUM=1\0")
                .into_bytes()
        };
        let device = "usb\0MAJOR=189\0MINOR=4\0DEVNAME=bus/usb/001/005\0DEVTYPE=usb_device";
        let interface = "usb\0DEVTYPE=usb_interface\0PRODUCT=46d/c077/7200";
        let passes = |message: &[u8]| passes_through(departures, message);
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

    #[test]
    fn jumps_end_where_they_should_with_any_number_of_places() {
        for places in [FEWEST_PLACES, MOST_PLACES] {
            let program = program(places);
            let check = program.len() - 8;
            for at in 0..places as usize {
                let jump = program[at * 4 + 3];
                assert_eq!(
                    (jump.code, at * 4 + 4 + jump.k as usize),
                    (GO_ON, check),
                    "place {at} of {places}"
                );
            }
        }
    }
}
