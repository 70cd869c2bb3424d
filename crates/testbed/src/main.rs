//! `usb-bed`: a private place with its own USB tree and its own kernel uevents, in which tests run programs.
//!
//! The bed is a mount and a network namespace. Trees of files stand in for sysfs and `/dev/bus/usb`; the uevents are
//! real, because the kernel rebroadcasts what a process with power over the network namespace hands it. Programs in
//! the bed therefore meet real socket buffers, real overflows and the real sender.
//!
//! Two processes make a bed: the watcher stays outside, maps user IDs and cleans up; the bed itself lives in the
//! namespaces and answers a control socket. Neither survives the process that started them.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod attachment;
mod attribute_store;
mod attributes;
mod bed;
mod burst;
mod channel;
mod control;
mod deaf;
mod descriptor;
mod device;
mod enter;
mod failure;
mod hex;
mod inside;
mod ledger;
mod mounts;
mod name;
mod namespace;
mod options;
mod request;
mod sweep;
mod sysfs;
mod udev;
mod uevent;
mod uevent_log;
mod watcher;

use std::process::ExitCode;

use options::Invocation;

fn main() -> ExitCode {
    let outcome = match Invocation::parse(std::env::args_os().skip(1)) {
        Ok(Invocation::Run(options)) => watcher::run(&options),
        Ok(Invocation::Inside(options, link)) => inside::run(&options, link),
        Ok(Invocation::HoldDeaf) => deaf::hold(),
        Ok(Invocation::Enter(options)) => enter::run(&options),
        Ok(Invocation::Log) => uevent_log::run(),
        Ok(Invocation::Usage) => {
            println!("{}", options::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(complaint) => {
            eprintln!("usb-bed: {complaint}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("usb-bed: {failure}");
        ExitCode::from(125)
    })
}
