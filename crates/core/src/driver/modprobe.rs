//! Loading modules with what they need: modprobe knows aliases, dependencies, options and what a site has forbidden.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// As the kernel numbers it.
const CAP_SYS_MODULE: u32 = 16;
/// Never looked for in a `PATH` that somebody else may have set.
const PROGRAMS: [&str; 4] = ["/usr/sbin/modprobe", "/sbin/modprobe", "/usr/bin/modprobe", "/bin/modprobe"];
/// A module whose devices hang while it probes them keeps modprobe.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);
/// What of its complaint is told.
const MOST_SAID: u64 = 400;

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

/// Loads what this name or alias means. What is loaded already is no fault.
pub(super) fn load(name: &str) -> Result<(), String> {
    let program = program().ok_or("there is no program modprobe")?;
    let mut command = Command::new(program);
    command.env_clear().current_dir("/").args(["--", name]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let failed = |error: std::io::Error| format!("{}: {error}", program.display());
    let mut child = command.spawn().map_err(failed)?;
    let until = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if Instant::now() < until => thread::sleep(LOOK),
            None => {
                // In the kernel it may go on; nobody waits for it.
                let _ = child.kill();
                return Err(format!("modprobe {name} takes longer than {} s", PATIENCE.as_secs()));
            }
        }
    };
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        // What cannot be read is not told.
        let _ = stderr.take(MOST_SAID).read_to_string(&mut said);
    }
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    Err(format!("modprobe {name}: {}", if said.is_empty() { status.to_string() } else { said }))
}
