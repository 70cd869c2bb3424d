//! The helper: whoever has the rights reads requests, a line each, and answers each with a line. It believes nobody: the grammar, root's
//! own list and what sysfs has at that moment decide.

use std::fmt;
use std::io::{self, BufRead, Read as _, Write};
use std::sync::atomic::AtomicBool;

use super::allow::AllowList;
use super::kernel::Kernel;
use super::request::{CHECK, LONGEST_LINE, Request};

/// More than a rule ever asks for; whoever wants more comes again.
const MOST_REQUESTS: usize = 1_000;

/// Before what is said of a line that is no request, to those who may ask.
pub(super) const NO_REQUEST: &str = "no request: ";

/// What has become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// It is none, or not allowed: to ask again is of no use.
    Refused(String),
    /// The kernel has said no, or what it is about is not there.
    Failed(String),
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => out.write_str("ok"),
            Self::Refused(why) => write!(out, "refused: {why}"),
            Self::Failed(why) => write!(out, "failed: {why}"),
        }
    }
}

impl Answer {
    /// Reads what [`Display`](fmt::Display) writes.
    pub(super) fn parse(line: &str) -> Self {
        let line = line.trim_end();
        match (line, line.strip_prefix("refused: "), line.strip_prefix("failed: ")) {
            ("ok", ..) => Self::Done,
            (_, Some(why), _) => Self::Refused(why.to_owned()),
            (_, _, Some(why)) => Self::Failed(why.to_owned()),
            _ => Self::Failed(format!("the helper's answer is none: {}", crate::error::shown(line))),
        }
    }
}

/// Answers until nothing more comes; where there is no list, with the reason. `told` hears of each request and its answer.
///
/// # Errors
/// Where nothing can be read or written any more.
pub(crate) fn serve(
    kernel: &Kernel,
    list: Result<&AllowList, &str>,
    mut from: impl BufRead,
    mut to: impl Write,
    mut told: impl FnMut(&str, &Answer),
) -> io::Result<()> {
    for _ in 0..MOST_REQUESTS {
        let mut line = Vec::new();
        // One more than the longest, with its end: what is longer is noticed, and not kept.
        let read =
            (&mut from).take(LONGEST_LINE as u64 + CHECK.len() as u64 + 2).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let is_whole = line.pop_if(|last| *last == b'\n').is_some();
        let answer = match std::str::from_utf8(&line) {
            Ok(line) if is_whole => match list {
                Ok(list) => answer(kernel, list, line),
                Err(why) => Answer::Refused(why.to_owned()),
            },
            _ => Answer::Refused(format!("{NO_REQUEST}expected a line of {LONGEST_LINE} bytes at most")),
        };
        told(&crate::error::shown(&String::from_utf8_lossy(&line)), &answer);
        // A message of the kernel's or of modprobe's may have several lines.
        writeln!(to, "{}", answer.to_string().replace(char::is_control, " "))?;
        to.flush()?;
        if !is_whole {
            return Ok(());
        }
    }
    Ok(())
}

fn answer(kernel: &Kernel, list: &AllowList, line: &str) -> Answer {
    let (line, is_check) = line.strip_prefix(CHECK).map_or((line, false), |line| (line, true));
    let request = match Request::parse(line) {
        Ok(request) => request,
        Err(why) => return Answer::Refused(format!("{NO_REQUEST}{why}")),
    };
    if !list.allows(&request) {
        return Answer::Refused(format!("the helper's list does not allow {request}"));
    }
    let lacks = || kernel.lacks(&request).map_or(Ok(()), |right| Err(format!("{right} is lacking")));
    let done = if is_check && matches!(request, Request::NewId { .. }) {
        // Its right hangs on no device, and is asked for before there is one.
        lacks().and_then(|()| kernel.judge(&request))
    } else if is_check {
        kernel.judge(&request).and_then(|()| lacks())
    } else {
        // Whoever has started the helper ends it.
        kernel.carry_out(&request, &AtomicBool::new(false))
    };
    done.map_or_else(Answer::Failed, |()| Answer::Done)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn served(list: &str, input: &[u8]) -> Vec<String> {
        served_at(Path::new("/nonexistent"), list, input)
    }

    fn served_at(sysfs: &Path, list: &str, input: &[u8]) -> Vec<String> {
        let folder =
            std::env::temp_dir().join(format!("usb-daemon-helper-{}-{:p}", std::process::id(), &input));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("list");
        std::fs::write(&file, list).expect("written");
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&file).expect("there"));
        let list = AllowList::read(&file, owner).expect("a list");
        std::fs::remove_dir_all(&folder).expect("removed");
        let mut out = Vec::new();
        serve(&Kernel::at(sysfs), Ok(&list), input, &mut out, |_, _| {}).expect("served");
        String::from_utf8(out).expect("text").lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_not_allowed_is_refused_before_anything_is_looked_at() {
        let answers = served(
            "bind generic *\n",
            b"bind generic 1-1:1.0\nbind usbhid 1-1:1.0\nrm -rf /\ncheck module x\n",
        );
        assert_eq!(
            answers,
            [
                "failed: there is no interface 1-1:1.0",
                "refused: the helper's list does not allow bind usbhid 1-1:1.0",
                "refused: no request: expected module, modalias, new-id, bind or authorize",
                "refused: the helper's list does not allow module x",
            ]
        );
    }

    #[test]
    fn a_check_says_what_the_helper_itself_lacks() {
        let sysfs = std::env::temp_dir().join(format!("usb-daemon-lacks-{}", std::process::id()));
        let interface = sysfs.join("bus/usb/devices/1-1:1.0");
        std::fs::create_dir_all(&interface).expect("a folder");
        std::fs::write(interface.join("bInterfaceNumber"), "00\n").expect("written");
        let check = || served_at(&sysfs, "bind * *\n", b"check bind x 1-1:1.0\n");
        // Whatever device there is, or is not.
        let check_id = || served_at(&sysfs, "new-id * * *\n", b"check new-id x 1209 dead\n");
        // Root, too, cannot write to what is not there.
        let lacking = [check(), check_id()];
        std::fs::create_dir_all(sysfs.join("bus/usb/drivers")).expect("a folder");
        let (enough, without_device) = (check(), check_id());
        std::fs::remove_dir_all(&sysfs).expect("removed");
        let folder = sysfs.join("bus/usb/drivers");
        let write = format!("failed: write access to {} is lacking", folder.display());
        assert_eq!(lacking, [[write.clone()], [write]]);
        assert_eq!(enough, ["ok"]);
        assert_eq!(without_device, ["failed: no device 1209:dead has an interface without a driver"]);
    }

    #[test]
    fn a_line_without_an_end_is_the_last_one_and_none() {
        let mut input = b"module ".to_vec();
        input.resize(1 << 20, b'x');
        let answers = served("module *\n", &input);
        assert_eq!(answers, ["refused: no request: expected a line of 160 bytes at most"]);
        assert_eq!(served("authorize * *\n", b"authorize 1-1 0").len(), 1, "cut off: not carried out");
        assert!(served("authorize * *\n", b"authorize 1-1 0")[0].starts_with("refused"));
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        for answer in [Answer::Done, Answer::Refused("a: b".into()), Answer::Failed("c".into())] {
            assert_eq!(Answer::parse(&format!("{answer}\n")), answer);
        }
        assert!(matches!(Answer::parse("okay"), Answer::Failed(_)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail_and_each_line_has_one_answer(input in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut out = Vec::new();
            let list = AllowList::default();
            serve(&Kernel::at("/nonexistent"), Ok(&list), &*input, &mut out, |_, _| {}).expect("served");
            let answers = String::from_utf8(out).expect("text");
            prop_assert!(answers.lines().all(|line| line.starts_with("refused: ")));
            let lines = input.split_inclusive(|byte| *byte == b'\n');
            let ends = |line: &&[u8]| line.len() > LONGEST_LINE + CHECK.len() + 2 || !line.ends_with(b"\n");
            let whole = lines.clone().take_while(|line| !ends(line)).count();
            prop_assert_eq!(answers.lines().count(), whole + usize::from(whole < lines.count()));
        }
    }
}
