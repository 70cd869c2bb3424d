//! The place where a deaf bed's programs run: a network namespace that kernel uevents do not reach.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

use rustix::thread::UnshareFlags;

use crate::failure::{Failure, While};
use crate::namespace;

const UNSHARED: &str = "unshared";
const MAPPED: &str = "mapped";
const READY: &str = "ready";

/// The process that keeps the deaf namespaces open; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct DeafPlace {
    holder: Child,
    /// Its end ends the holder, even where this process was killed.
    _stdin: ChildStdin,
}

impl DeafPlace {
    pub(crate) fn open() -> Result<Self, Failure> {
        let step = "opening the deaf namespace";
        let mut holder = Command::new("/proc/self/exe")
            .arg("hold-deaf")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .during(step)?;
        let (Some(stdin), Some(stdout)) = (holder.stdin.take(), holder.stdout.take()) else {
            return Err(Failure::refused("the deaf namespace has no pipes"));
        };
        let mut said = BufReader::new(stdout).lines();
        let mut expect = |word: &str| match said.next() {
            Some(Ok(line)) if line == word => Ok(()),
            _ => Err(Failure::refused(format!("the deaf namespace is not {word}"))),
        };
        expect(UNSHARED)?;
        namespace::map_users(holder.id())?;
        writeln!(&stdin, "{MAPPED}").during(step)?;
        expect(READY)?;
        Ok(Self { holder, _stdin: stdin })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.holder.id()
    }
}

impl Drop for DeafPlace {
    fn drop(&mut self) {
        // Both fail only if the holder is gone already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Holds new user and network namespaces until stdin ends.
pub(crate) fn hold() -> Result<ExitCode, Failure> {
    namespace::leave(UnshareFlags::NEWUSER | UnshareFlags::NEWNET)?;
    say(UNSHARED)?;
    let mut line = String::new();
    io::stdin().read_line(&mut line).during("stdin")?;
    namespace::bring_loopback_up()?;
    say(READY)?;
    io::stdin().read_to_end(&mut Vec::new()).during("stdin")?;
    Ok(ExitCode::SUCCESS)
}

fn say(word: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{word}").and_then(|()| stdout.flush()).during("stdout")
}
