//! The half of a bed that stays outside: it maps users, passes signals on, and cleans up whatever happens.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};

use rustix::io::FdFlags;
use rustix::process::{Pid, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::failure::{Failure, While};
use crate::options::RunOptions;
use crate::{namespace, sweep};

/// What the bed asks for over the line between the halves.
pub(crate) const MAP_USERS: u8 = b'm';
/// What the bed says once its mount namespace exists.
pub(crate) const UNSHARED: u8 = b'u';
/// What the watcher answers to either.
pub(crate) const DONE: u8 = b'd';

/// Opens a bed and waits until it ends.
pub(crate) fn run(options: &RunOptions) -> Result<ExitCode, Failure> {
    // A test that dies must not leave a bed behind.
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM)).during("parent death signal")?;
    let (mut link, far_end) = UnixStream::pair().during("socket pair")?;
    rustix::io::fcntl_setfd(&far_end, FdFlags::empty()).during("socket pair")?;
    let mut bed = Command::new("/proc/self/exe")
        .arg("inside")
        .arg(far_end.as_raw_fd().to_string())
        .args(std::env::args_os().skip(2))
        .spawn()
        .during("starting the bed")?;
    drop(far_end);
    pass_signals_to(bed.id())?;

    let mut mount_namespace = None;
    let mut word = [0];
    // The line ends with the bed.
    while link.read(&mut word).is_ok_and(|length| length == 1) {
        match word[0] {
            MAP_USERS => namespace::map_users(bed.id())?,
            UNSHARED => mount_namespace = Some(namespace::identify(bed.id(), "mnt")?),
            _ => {}
        }
        if link.write_all(&[DONE]).is_err() {
            break;
        }
    }
    let status = bed.wait().during("waiting for the bed")?;
    if let Some(namespace) = mount_namespace {
        sweep::end_all_in(&namespace);
    }
    // Left over only where the bed was killed.
    let _ = std::fs::remove_file(&options.control);
    Ok(exit_code(status))
}

/// A shell's exit code for a process that ended.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Sends this process's signals on to another one, from a thread of its own.
///
/// At a terminal, keys reach the whole foreground group: the other process has had them already.
pub(crate) fn pass_signals_to(pid: u32) -> Result<(), Failure> {
    let mut signals = vec![SIGHUP, SIGTERM, SIGUSR1, SIGUSR2];
    let keys = [SIGINT, SIGQUIT];
    signals.extend(keys);
    let at_terminal = std::io::IsTerminal::is_terminal(&std::io::stdin());
    let mut heard = Signals::new(signals).during("signal handlers")?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in heard.forever() {
                if at_terminal && keys.contains(&signal) {
                    continue;
                }
                if let (Some(pid), Some(signal)) =
                    (Pid::from_raw(pid.cast_signed()), Signal::from_named_raw(signal))
                {
                    // It fails only if the process has ended, which ends this one too.
                    let _ = rustix::process::kill_process(pid, signal);
                }
            }
        })
        .map(drop)
        .during("signal thread")
}
