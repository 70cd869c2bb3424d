//! The half of a bed that lives in the namespaces.

use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use parking_lot::Mutex;
use rustix::io::FdFlags;
use rustix::thread::UnshareFlags;
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::bed::Bed;
use crate::burst::Bursts;
use crate::deaf::DeafPlace;
use crate::failure::{Failure, While};
use crate::options::RunOptions;
use crate::request::Reach;
use crate::sysfs::SysfsTree;
use crate::watcher::{MAP_USERS, UNSHARED};
use crate::{control, mounts, name, namespace, sweep, watcher};

/// Why a bed ends.
#[derive(Debug)]
pub(crate) enum End {
    Closed,
    /// The last control connection has gone.
    Deserted,
    /// The watcher has gone, or a signal came.
    Interrupted,
    CommandExited(ExitStatus),
}

/// Builds the bed, runs the command or serves the socket, and ends whatever runs in the bed.
pub(crate) fn run(options: &RunOptions, link: RawFd) -> Result<ExitCode, Failure> {
    let mut link = take_link(link)?;
    // The only thread so far: a user namespace may be left by nobody else.
    if options.unprivileged || !rustix::process::geteuid().is_root() {
        namespace::leave(UnshareFlags::NEWUSER)?;
        ask_watcher(&mut link, MAP_USERS)?;
    }
    namespace::leave(UnshareFlags::NEWNS | UnshareFlags::NEWNET)?;
    ask_watcher(&mut link, UNSHARED)?;
    mounts::lay()?;
    if options.udevd {
        mounts::pretend_udevd()?;
    }
    namespace::bring_loopback_up()?;

    let nodes = options.devfs.then(|| PathBuf::from("/dev/bus/usb"));
    let tree = SysfsTree::create(PathBuf::from("/sys"), nodes)?;
    let bed = Bed::open(tree, options.controllers, options.udevd)?;
    let deaf = options.deaf.then(DeafPlace::open).transpose()?;
    let info = describe(options, deaf.as_ref())?;

    let (end, ended) = mpsc::channel();
    let reach = Reach {
        bed: Arc::new(Mutex::new(bed)),
        bursts: Arc::new(Bursts::default()),
        info: Arc::new(info.clone()),
        end: end.clone(),
    };
    let listener = UnixListener::bind(&options.control).on(&options.control)?;
    control::serve(listener, reach)?;
    watch_link(link, end.clone())?;
    if options.command.is_empty() {
        watch_signals(end)?;
        println!("{info}");
    } else {
        let command = start_command(options, deaf.as_ref())?;
        watcher::pass_signals_to(command.id())?;
        watch_command(command, end)?;
    }

    let exit = loop {
        match ended.recv() {
            Ok(End::CommandExited(status)) => break watcher::exit_code(status),
            Ok(End::Deserted) if !options.command.is_empty() => {}
            _ => break ExitCode::SUCCESS,
        }
    };
    sweep::end_all_in(&namespace::identify(std::process::id(), "mnt")?);
    // The watcher tries again.
    let _ = std::fs::remove_file(&options.control);
    Ok(exit)
}

fn take_link(link: RawFd) -> Result<UnixStream, Failure> {
    // SAFETY: the watcher opened this descriptor for this process alone and names it once, on the command line.
    let link = unsafe { OwnedFd::from_raw_fd(link) };
    rustix::io::fcntl_setfd(&link, FdFlags::CLOEXEC).during("the line to the watcher")?;
    Ok(link.into())
}

fn ask_watcher(link: &mut UnixStream, word: u8) -> Result<(), Failure> {
    link.write_all(&[word]).and_then(|()| link.read_exact(&mut [0])).during("the line to the watcher")
}

fn describe(options: &RunOptions, deaf: Option<&DeafPlace>) -> Result<Value, Failure> {
    let spaces = |pid| -> Result<Value, Failure> {
        let name = |kind| namespace::identify(pid, kind);
        Ok(json!({ "user": name("user")?, "mnt": name("mnt")?, "net": name("net")? }))
    };
    let controllers: Value = (1..=options.controllers)
        .map(|bus| json!({ "busnum": bus, "devpath": name::controller_devpath(bus) }))
        .collect();
    let mut info = json!({
        "ok": true,
        "pid": std::process::id(),
        "namespaces": spaces(std::process::id())?,
        "controllers": controllers,
        "control": options.control,
        "devfs": options.devfs,
    });
    if let Some(deaf) = deaf {
        info["deaf_pid"] = deaf.pid().into();
        info["deaf_namespaces"] = spaces(deaf.pid())?;
    }
    Ok(info)
}

fn start_command(options: &RunOptions, deaf: Option<&DeafPlace>) -> Result<Child, Failure> {
    let mut command = Command::new("/proc/self/exe");
    command.args(["enter", "--bed", &std::process::id().to_string()]);
    if let Some(deaf) = deaf {
        command.args(["--deaf", &deaf.pid().to_string()]);
    }
    command.arg("--").args(&options.command).env("USB_BED_CONTROL", &options.control);
    command.spawn().during("starting the command")
}

fn watch_command(mut command: Child, end: Sender<End>) -> Result<(), Failure> {
    in_background("command", move || {
        let exit = command.wait().map_or(End::Interrupted, End::CommandExited);
        let _ = end.send(exit);
    })
}

fn watch_link(mut link: UnixStream, end: Sender<End>) -> Result<(), Failure> {
    in_background("watcher-link", move || {
        // Nothing is said on it any more: it ends with the watcher.
        let _ = link.read(&mut [0]);
        let _ = end.send(End::Interrupted);
    })
}

fn watch_signals(end: Sender<End>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM]).during("signal handlers")?;
    in_background("signals", move || {
        if signals.forever().next().is_some() {
            let _ = end.send(End::Interrupted);
        }
    })
}

fn in_background(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).during(name)
}
