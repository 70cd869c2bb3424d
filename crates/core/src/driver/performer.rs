//! Who carries requests out for a daemon: itself, where it has the rights, or the helper behind a socket.

use std::fmt;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::helper::{Answer, NO_REQUEST};
use super::kernel::Kernel;
use super::request::{CHECK, Request};
use crate::config::DriversConfig;

/// Longer than modprobe may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);
/// How soon a stop is noticed.
const LOOK: Duration = Duration::from_millis(100);
const LONGEST_ANSWER: usize = 4 << 10;

#[derive(Debug)]
pub(super) enum Performer {
    Itself(Kernel),
    Helper(PathBuf),
}

/// The helper cannot be reached, or does not answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) helper: PathBuf,
    pub(crate) error: io::Error,
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
            Self::Helper(socket) => match ask(socket, &format!("{request}\n"), 1, PATIENCE, stop) {
                Ok(mut answers) => answers.pop().unwrap_or_else(|| Answer::parse("")),
                Err(unanswered) => Answer::Failed(unanswered.to_string()),
            },
        }
    }

    /// Whether each of these would be done: if not, what is lacking for it. The helper gets so much patience for all of them together.
    ///
    /// # Errors
    /// Where the helper cannot be reached, or does not answer.
    pub(super) fn check(&self, requests: &[Request], patience: Duration) -> Result<Vec<Answer>, Unanswered> {
        match self {
            Self::Itself(kernel) => {
                let lacks = |request| kernel.lacks(request).map_or(Answer::Done, Answer::Failed);
                Ok(requests.iter().map(lacks).collect())
            }
            Self::Helper(socket) => {
                let check = |request: &Request| [CHECK.to_owned(), request.to_string(), "\n".to_owned()];
                let lines: String = requests.iter().flat_map(check).collect();
                ask(socket, &lines, requests.len(), patience, &AtomicBool::new(false))
            }
        }
    }

    /// Why the helper does nothing at all for this process, whatever it is asked for: a check of nothing tells, and is never carried out.
    ///
    /// # Errors
    /// Where the helper cannot be reached, or does not answer.
    pub(super) fn refusal(&self, patience: Duration) -> Result<Option<String>, Unanswered> {
        let Self::Helper(socket) = self else { return Ok(None) };
        let answer = ask(socket, &format!("{CHECK}\n"), 1, patience, &AtomicBool::new(false))?.pop();
        Ok(match answer {
            Some(Answer::Refused(why) | Answer::Failed(why)) if !why.starts_with(NO_REQUEST) => Some(why),
            _ => None,
        })
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the helper at {}: {}", self.helper.display(), self.error)
    }
}

/// So many requests, a line each, and as many answers. One connection: whoever serves it ends with it.
fn ask(
    helper: &Path,
    lines: &str,
    count: usize,
    patience: Duration,
    stop: &AtomicBool,
) -> Result<Vec<Answer>, Unanswered> {
    let said = said(helper, lines, count, patience, stop);
    let said = said.map_err(|error| Unanswered { helper: helper.to_owned(), error })?;
    let mut answers: Vec<Answer> = String::from_utf8_lossy(&said).lines().map(Answer::parse).collect();
    // Whoever has ended without a word has given none.
    answers.resize_with(count, || Answer::parse(""));
    Ok(answers)
}

/// What the helper says: so many lines, or fewer where it ends before.
fn said(
    helper: &Path,
    lines: &str,
    count: usize,
    patience: Duration,
    stop: &AtomicBool,
) -> io::Result<Vec<u8>> {
    let until = Instant::now() + patience;
    let is_over = || stop.load(Ordering::Relaxed) || Instant::now() > until;
    let mut stream = connected(helper, is_over)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(lines.as_bytes())?;
    let (mut said, mut buffer, mut ends) = (Vec::new(), [0; 512], 0);
    while ends < count && said.len() < LONGEST_ANSWER * count {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                ends += buffer[..length].split(|byte| *byte == b'\n').count() - 1;
                said.extend_from_slice(&buffer[..length]);
            }
            Err(error) if is_passing(error.kind()) => {}
            Err(error) => return Err(error),
        }
        if ends < count && is_over() {
            return Err(ErrorKind::TimedOut.into());
        }
    }
    Ok(said)
}

/// Where as many wait as may, a plain `connect` would wait without end.
fn connected(helper: &Path, is_over: impl Fn() -> bool) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(helper)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    while let Err(error) = connect(&socket, &address) {
        match error {
            Errno::AGAIN if is_over() => return Err(ErrorKind::TimedOut.into()),
            Errno::AGAIN => thread::sleep(LOOK),
            _ => return Err(error.into()),
        }
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
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
            for answers in [&["ok\n"][..], &["refused: no\n", "ok\n"], &[""]] {
                let (stream, _) = listener.accept().expect("a client");
                let mut from = BufReader::new(&stream);
                for answer in answers {
                    let mut line = String::new();
                    from.read_line(&mut line).expect("a line");
                    asked.push(line);
                    (&stream).write_all(answer.as_bytes()).expect("answered");
                }
            }
            asked
        });
        assert_eq!(performer.carry_out(&request, &stop), Answer::Done);
        let both = [request.clone(), Request::parse("module y").expect("a request")];
        let checked = performer.check(&both, PATIENCE).expect("answers");
        assert_eq!(checked, [Answer::Refused("no".into()), Answer::Done]);
        // It has ended without a word.
        assert!(matches!(performer.carry_out(&request, &stop), Answer::Failed(_)));
        assert_eq!(
            helper.join().expect("no panic"),
            ["module x\n", "check module x\n", "check module y\n", "module x\n"]
        );
        std::fs::remove_file(socket).expect("removed");
    }

    #[test]
    fn a_helper_whose_answer_has_no_end_is_not_listened_to_beyond_a_stop() {
        let socket = std::env::temp_dir().join(format!("usb-daemon-endless-{}", std::process::id()));
        let listener = UnixListener::bind(&socket).expect("a socket");
        let helper = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            // Who hangs up with something unread has the other side fail.
            stream.write_all(&[b'x'; LONGEST_ANSWER]).and_then(|()| stream.read_to_end(&mut Vec::new()))
        });
        let answer = ask(&socket, "module x\n", 1, PATIENCE, &AtomicBool::new(true));
        std::fs::remove_file(&socket).expect("removed");
        assert!(answer.is_err());
        assert!(helper.join().expect("no panic").is_err(), "all of it was read");
    }

    #[test]
    fn a_helper_that_says_nothing_is_not_waited_for_longer_than_one_has_patience() {
        let socket = std::env::temp_dir().join(format!("usb-daemon-silent-{}", std::process::id()));
        let silent = UnixListener::bind(&socket).expect("a socket");
        let request = Request::parse("module x").expect("a request");
        let performer = Performer::Helper(socket.clone());
        let checked = performer.check(&[request], Duration::from_millis(1));
        // What asks for nothing only finds out that somebody is there.
        let reached = performer.check(&[], Duration::from_millis(1));
        drop(silent);
        let refused = performer.check(&[], PATIENCE).map_err(|unanswered| unanswered.error.kind());
        std::fs::remove_file(socket).expect("removed");
        assert_eq!(checked.map_err(|unanswered| unanswered.error.kind()), Err(ErrorKind::TimedOut));
        assert_eq!(reached.expect("reached"), []);
        assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
    }

    #[test]
    fn a_helper_that_takes_nobody_any_more_is_not_waited_for_beyond_a_stop() {
        let socket = std::env::temp_dir().join(format!("usb-daemon-full-{}", std::process::id()));
        let listener = UnixListener::bind(&socket).expect("a socket");
        rustix::net::listen(&listener, 0).expect("room for one");
        let first = UnixStream::connect(&socket).expect("there is room");
        let full = ask(&socket, "module x\n", 1, PATIENCE, &AtomicBool::new(true));
        let impatient = ask(&socket, "module x\n", 1, Duration::from_millis(1), &AtomicBool::new(false));
        drop((listener, first));
        std::fs::remove_file(&socket).expect("removed");
        for answer in [full, impatient] {
            assert_eq!(answer.map_err(|unanswered| unanswered.error.kind()), Err(ErrorKind::TimedOut));
        }
    }
}
