//! `usb-bed log`: a reference for what reaches a listener, and when.

use std::io::{self, BufWriter, PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::netlink::SocketAddrNetlink;
use serde_json::{Map, Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::channel::{KERNEL_GROUP, open_socket};
use crate::failure::{Failure, While};
use crate::ledger::monotonic_ns;

const WANTED_BUFFER: usize = 256 << 20;
const UNPRIVILEGED_BUFFER: usize = 8 << 20;

enum Heard {
    Message { at_ns: u64, sender: u32, bytes: Vec<u8> },
    Overflow { at_ns: u64 },
}

/// Prints what is heard until stdin ends or a signal asks for the end.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let socket = open_socket(KERNEL_GROUP)?;
    // Root of the initial user namespace gets what it asks for; others get what the system's limit allows.
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, WANTED_BUFFER)
        .or_else(|_| rustix::net::sockopt::set_socket_recv_buffer_size(&socket, UNPRIVILEGED_BUFFER))
        .during("receive buffer")?;
    let buffer = rustix::net::sockopt::socket_recv_buffer_size(&socket).during("receive buffer")?;
    let port = rustix::net::getsockname(&socket).ok().and_then(|own| SocketAddrNetlink::try_from(own).ok());

    let mut out = BufWriter::new(io::stdout().lock());
    let ready = json!({ "listening": true, "receive_buffer": buffer, "port": port.map(|own| own.pid()) });
    writeln!(out, "{ready}").and_then(|()| out.flush()).during("stdout")?;

    let (ends, ended) = io::pipe().during("pipe")?;
    watch_for_end(ended)?;
    let (heard, received) = mpsc::channel();
    std::thread::spawn(move || listen(&socket, &ends, &heard));
    print_all(&received, out).during("stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// Receives and does nothing else, so that the buffer never fills for want of hands; at the end takes what is left.
fn listen(socket: &OwnedFd, ends: &PipeReader, heard: &Sender<Heard>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let mut ready = [PollFd::new(socket, PollFlags::IN), PollFd::new(ends, PollFlags::IN)];
        // Nothing else than a signal can fail here, and then there is nothing to receive.
        let _ = rustix::event::poll(&mut ready, None);
        let is_last = !ready[1].revents().is_empty();
        while let Some(news) = receive(socket, &mut buffer) {
            if heard.send(news).is_err() {
                return;
            }
        }
        if is_last {
            // Dropping the sender ends the print.
            return;
        }
    }
}

fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Option<Heard> {
    let received = rustix::net::recvfrom(socket, &mut *buffer, RecvFlags::DONTWAIT);
    let at_ns = monotonic_ns();
    match received {
        Ok((length, _, sender)) => {
            let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
            let sender = sender.map_or(u32::MAX, |sender| sender.pid());
            Some(Heard::Message { at_ns, sender, bytes: buffer[..length].to_vec() })
        }
        Err(Errno::NOBUFS) => Some(Heard::Overflow { at_ns }),
        Err(_) => None,
    }
}

/// Closes `ended` once stdin ends or a signal comes.
fn watch_for_end(ended: PipeWriter) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).during("signal handlers")?;
    let (end, asked) = mpsc::channel();
    let at_signal = end.clone();
    std::thread::spawn(move || {
        signals.forever().next();
        let _ = at_signal.send(());
    });
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        let _ = end.send(());
    });
    std::thread::spawn(move || {
        let _ = asked.recv();
        drop(ended);
    });
    Ok(())
}

fn print_all(received: &Receiver<Heard>, mut out: impl Write) -> io::Result<()> {
    loop {
        let waiting = received.try_recv().or_else(|_| {
            // Nothing waits: a reader may as well see what there is.
            out.flush().and_then(|()| received.recv().map_err(io::Error::other))
        });
        let Ok(news) = waiting else { return out.flush() };
        match news {
            Heard::Message { at_ns, sender: 0, bytes } => {
                if let Some(line) = usb_device_line(at_ns, &bytes) {
                    writeln!(out, "{line}")?;
                }
            }
            Heard::Message { at_ns, sender, .. } => {
                writeln!(out, "{}", json!({ "refused": true, "sender": sender, "monotonic_ns": at_ns }))?;
            }
            Heard::Overflow { at_ns } => {
                writeln!(out, "{}", json!({ "overflow": true, "monotonic_ns": at_ns }))?;
            }
        }
    }
}

fn usb_device_line(at_ns: u64, bytes: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(bytes);
    let keys: Map<String, Value> = text
        .split('\0')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_lowercase(), value.into()))
        .collect();
    let is = |key: &str, value: &str| keys.get(key).is_some_and(|found| found == value);
    if !is("subsystem", "usb") || !is("devtype", "usb_device") {
        return None;
    }
    let number = |key: &str| keys.get(key)?.as_str()?.parse::<u64>().ok();
    Some(json!({
        "action": keys.get("action"),
        "devpath": keys.get("devpath"),
        "busnum": number("busnum"),
        "devnum": number("devnum"),
        "product": keys.get("product"),
        "seqnum": number("seqnum"),
        "monotonic_ns": at_ns,
    }))
}

#[cfg(test)]
mod tests {
    use super::usb_device_line;

    #[test]
    fn prints_devices_and_nothing_else() {
        let uevent = b"add@/d\0ACTION=add\0DEVPATH=/d\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0BUSNUM=001\0DEVNUM=005\0SEQNUM=9\0";
        let line = usb_device_line(7, uevent).unwrap();
        assert_eq!((line["devnum"].as_u64(), line["seqnum"].as_u64()), (Some(5), Some(9)));
        assert_eq!(usb_device_line(7, b"add@/d\0SUBSYSTEM=usb\0DEVTYPE=usb_interface\0"), None);
        assert_eq!(usb_device_line(7, b"libudev\0\xfe\xed"), None);
    }
}
