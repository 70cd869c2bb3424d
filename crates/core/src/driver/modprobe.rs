//! Loading modules with what they need: modprobe knows aliases, dependencies, options and what a site has forbidden.

use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};

/// As the kernel numbers it.
const CAP_SYS_MODULE: u32 = 16;
/// Never looked for in a `PATH` that somebody else may have set.
const PROGRAMS: [&str; 4] = ["/usr/sbin/modprobe", "/sbin/modprobe", "/usr/bin/modprobe", "/bin/modprobe"];
/// A module whose devices hang while it probes them keeps modprobe.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);
/// What of its complaint is told.
const MOST_SAID: usize = 400;
/// How long the end of one that has been killed is waited for: less than a stop waits for this thread.
const ENDING: Duration = Duration::from_millis(300);

/// The program, where there is one.
pub(super) fn program() -> Option<&'static Path> {
    PROGRAMS.iter().map(Path::new).find(|path| path.exists())
}

/// Whether this process may load modules.
pub(super) fn may_load() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set >> CAP_SYS_MODULE & 1 == 1)
}

/// Loads what this name or alias means. What is loaded already is no fault. Gives up soon after `stop` has been set.
pub(super) fn load(name: &str, stop: &AtomicBool) -> Result<(), String> {
    let program = program().ok_or("there is no program modprobe")?;
    let mut command = Command::new(program);
    command.env_clear().current_dir("/").args(["--", name]);
    run(&mut command, PATIENCE, stop).map_err(|why| format!("modprobe {name}: {why}"))
}

/// Runs it to its end, or kills it; what it complains of is the reason.
fn run(command: &mut Command, patience: Duration, stop: &AtomicBool) -> Result<(), String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut complaint = Complaint::of(child.stderr.take());
    let until = Instant::now() + patience;
    let status = loop {
        complaint.hear();
        let why = match child.try_wait() {
            Ok(Some(status)) => break status,
            Err(error) => error.to_string(),
            Ok(None) if stop.load(Ordering::Relaxed) => "ended, because the daemon stops".to_owned(),
            Ok(None) if Instant::now() < until => {
                thread::sleep(LOOK);
                continue;
            }
            Ok(None) => format!("takes longer than {} s", patience.as_secs()),
        };
        end(&mut child);
        return Err(why);
    };
    complaint.hear();
    let said = complaint.text();
    if status.success() { Ok(()) } else { Err(if said.is_empty() { status.to_string() } else { said }) }
}

/// Kills it, and takes its end. What the kernel keeps longer is not waited for: its driver hangs.
fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let until = Instant::now() + ENDING;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
        thread::sleep(LOOK);
    }
}

/// What a program writes to stderr: all of it is read, so that the program can go on, and its beginning is kept.
struct Complaint {
    from: Option<ChildStderr>,
    kept: Vec<u8>,
}

impl Complaint {
    /// What cannot be read without waiting is not told.
    fn of(stderr: Option<ChildStderr>) -> Self {
        let from = stderr.filter(|stderr| fcntl_setfl(stderr, OFlags::NONBLOCK).is_ok());
        Self { from, kept: Vec::new() }
    }

    /// Reads what is there, and no more than a pipe holds: whoever writes on and on is come back to.
    fn hear(&mut self) {
        let Some(from) = &mut self.from else { return };
        let mut buffer = [0; 4 << 10];
        for _ in 0..16 {
            match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => {
                    let room = MOST_SAID - self.kept.len();
                    self.kept.extend_from_slice(&buffer[..count.min(room)]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// On one line.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn shell(script: &str, patience: Duration) -> Result<(), String> {
        run(Command::new("/bin/sh").args(["-c", script]), patience, &AtomicBool::new(false))
    }

    /// Whether it has ended and nobody has taken its end.
    fn is_zombie(pid: &str) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        status.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
    }

    #[test]
    fn a_complaint_is_told_however_long_it_is_and_whatever_is_in_it() {
        assert_eq!(shell("exit 0", LONG), Ok(()));
        assert_eq!(shell("echo a; echo b  >&2; echo c >&2; exit 1", LONG), Err("b c".into()));
        assert_eq!(shell("exit 3", LONG), Err("exit status: 3".into()));
        // More than a pipe holds, and a character that the bound falls into.
        let said = shell("i=0; while [ $i -lt 9000 ]; do echo ééééééééé >&2; i=$((i+1)); done; exit 1", LONG);
        let said = said.expect_err("it has failed");
        assert!(said.starts_with("ééééééééé ééééééééé") && said.len() <= MOST_SAID + 3, "{said}");
    }

    #[test]
    fn one_that_takes_too_long_or_is_not_wanted_any_more_is_ended_and_leaves_nothing() {
        let late = shell("exec sleep 600", Duration::ZERO);
        assert_eq!(late, Err("takes longer than 0 s".into()));
        let file = std::env::temp_dir().join(format!("usb-daemon-modprobe-{}", std::process::id()));
        let script = format!("echo $$ >{}; exec sleep 600", file.display());
        let stop = AtomicBool::new(false);
        let pid = || std::fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n'));
        let stopped = thread::scope(|scope| {
            scope.spawn(|| {
                while pid().is_none() {
                    thread::sleep(LOOK);
                }
                stop.store(true, Ordering::Relaxed);
            });
            run(Command::new("/bin/sh").args(["-c", &script]), LONG, &stop)
        });
        let pid = pid().expect("it has run");
        std::fs::remove_file(&file).expect("removed");
        assert!(stopped.expect_err("ended").contains("the daemon stops"));
        assert!(!is_zombie(&pid), "{pid}");
    }
}
