//! Who carries requests out for a daemon: itself, where it has the rights, or the helper behind a socket.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::helper::Answer;
use super::kernel::Kernel;
use super::request::{CHECK, Request};
use crate::config::DriversConfig;

/// Longer than modprobe may take.
const PATIENCE: Duration = Duration::from_secs(40);
/// How soon a stop is noticed.
const LOOK: Duration = Duration::from_millis(100);
const LONGEST_ANSWER: usize = 4 << 10;

#[derive(Debug)]
pub(super) enum Performer {
    Itself(Kernel),
    Helper(PathBuf),
}

impl Performer {
    pub(super) fn new(config: &DriversConfig) -> Self {
        config.helper.clone().map_or_else(|| Self::Itself(Kernel::new()), Self::Helper)
    }

    /// Has it carried out. Gives up soon after `stop` has been set.
    pub(super) fn carry_out(&self, request: &Request, stop: &AtomicBool) -> Answer {
        match self {
            Self::Itself(kernel) => {
                kernel.carry_out(request, stop).map_or_else(Answer::Failed, |()| Answer::Done)
            }
            Self::Helper(socket) => ask(socket, &request.to_string(), stop),
        }
    }

    /// The right that is lacking for it, and where.
    pub(super) fn lacks(&self, request: &Request) -> Option<String> {
        match self {
            Self::Itself(kernel) => kernel.lacks(request),
            Self::Helper(socket) => {
                match ask(socket, &format!("{CHECK}{request}"), &AtomicBool::new(false)) {
                    Answer::Done => None,
                    Answer::Refused(why) | Answer::Failed(why) => Some(why),
                }
            }
        }
    }
}

/// One request, one answer, one connection: whoever serves it may end with it.
fn ask(socket: &Path, line: &str, stop: &AtomicBool) -> Answer {
    let failed =
        |error: std::io::Error| Answer::Failed(format!("the helper at {}: {error}", socket.display()));
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) => return failed(error),
    };
    if let Err(error) = stream.set_read_timeout(Some(LOOK)).and_then(|()| writeln!(stream, "{line}")) {
        return failed(error);
    }
    let until = Instant::now() + PATIENCE;
    let (mut answer, mut buffer) = (Vec::new(), [0; 512]);
    while answer.len() < LONGEST_ANSWER && !answer.contains(&b'\n') {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if is_passing(error.kind()) => {}
            Err(error) => return failed(error),
        }
        let is_over = stop.load(Ordering::Relaxed) || Instant::now() > until;
        if is_over && !answer.contains(&b'\n') {
            return failed(ErrorKind::TimedOut.into());
        }
    }
    Answer::parse(&String::from_utf8_lossy(&answer))
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_helper_is_asked_line_by_line_and_its_absence_said() {
        let socket = std::env::temp_dir().join(format!("usb-daemon-performer-{}", std::process::id()));
        let config = DriversConfig { helper: Some(socket.clone()), ..DriversConfig::default() };
        let performer = Performer::new(&config);
        let request = Request::parse("module x").expect("a request");
        let stop = AtomicBool::new(false);
        let Answer::Failed(absent) = performer.carry_out(&request, &stop) else { panic!("nobody is there") };
        assert!(absent.contains(&*socket.to_string_lossy()), "{absent}");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let helper = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in ["ok\n", "refused: no\n", ""] {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).expect("a line");
                asked.push(line);
                stream.write_all(answer.as_bytes()).expect("answered");
            }
            asked
        });
        assert_eq!(performer.carry_out(&request, &stop), Answer::Done);
        assert_eq!(performer.lacks(&request).as_deref(), Some("no"));
        // It has ended without a word.
        assert!(matches!(performer.carry_out(&request, &stop), Answer::Failed(_)));
        assert_eq!(helper.join().expect("no panic"), ["module x\n", "check module x\n", "module x\n"]);
        std::fs::remove_file(socket).expect("removed");
    }

    #[test]
    fn a_helper_that_answers_byte_by_byte_is_not_listened_to_beyond_a_stop() {
        let socket = std::env::temp_dir().join(format!("usb-daemon-dribble-{}", std::process::id()));
        let listener = UnixListener::bind(&socket).expect("a socket");
        let helper = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut sent = 0;
            while sent < LONGEST_ANSWER && stream.write_all(b"x").is_ok() {
                sent += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            sent
        });
        let answer = ask(&socket, "module x", &AtomicBool::new(true));
        std::fs::remove_file(&socket).expect("removed");
        assert!(matches!(answer, Answer::Failed(_)));
        assert!(helper.join().expect("no panic") < LONGEST_ANSWER, "all was waited for");
    }
}
