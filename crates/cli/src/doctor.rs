//! `usb-daemon doctor`: what a daemon would find here, and what to do about it.

use clap::Args;
use usb_daemon_core::{Error, Finding, Grade, diagnose};

use crate::exit;
use crate::line::on_one_line;
use crate::printer::print_once;
use crate::run_arguments::RunArguments;
use crate::status;
use crate::style::{Ink, Style, width_of_stdout};

pub(crate) const AFTER_HELP: &str = "\
Examples:
  usb-daemon doctor                                  what `usb-daemon run` would find here
  usb-daemon doctor --config /etc/usb-daemon.json    with that configuration
  usb-daemon doctor --json | jq 'select(.grade != \"ok\")'

Looks only: nothing is written or locked, here or on the Redis server. No question takes longer than 2 s. Run it as the \
user, and in the container, that the daemon runs as.

Exit codes:
  0  nothing fails; there may be warnings
  1  something fails
  2  bad arguments or configuration";

#[derive(Args, Debug)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

/// Looks at everything, and gives the exit code.
pub(crate) fn doctor(arguments: &DoctorArguments) -> Result<u8, Error> {
    let config = arguments.run.layers()?.read()?.config;
    let (json, style, width) = (arguments.run.json, Style::of_stdout(), width_of_stdout());
    let mut grades = Vec::new();
    let mut written = Ok(());
    diagnose(&config, |finding| {
        grades.push(finding.grade);
        if written.is_ok() {
            written = print_once(&if json { object(&finding) } else { lines(&finding, style, width) });
        }
    });
    written?;
    let count = |grade| grades.iter().filter(|found| **found == grade).count();
    if !json {
        let (fine, doubtful, failed) = (count(Grade::Ok), count(Grade::Warn), count(Grade::Fail));
        status(&format!("{fine} ok, {doubtful} warn, {failed} fail"));
    }
    Ok(if grades.contains(&Grade::Fail) { exit::FAILED } else { exit::OK })
}

fn object(finding: &Finding) -> String {
    // A few texts: they cannot fail to be JSON.
    let object = serde_json::to_string(finding).unwrap_or_default();
    format!("{object}\n")
}

/// Where the text of a finding begins.
const INDENT: usize = 22;

fn lines(finding: &Finding, style: Style, width: Option<usize>) -> String {
    let ink = match finding.grade {
        Grade::Ok => Ink::Good,
        Grade::Warn => Ink::Doubtful,
        Grade::Fail => Ink::Bad,
    };
    let grade = style.paint(ink, &format!("{:<4}", finding.grade.as_str()));
    let head = format!("{grade}  {:<14}  ", finding.subject);
    let found = wrapped(&on_one_line(&finding.found), INDENT, width);
    let Some(advice) = &finding.advice else { return format!("{head}{found}\n") };
    let advice = wrapped(&on_one_line(advice), INDENT + 2, width);
    format!("{head}{found}\n{:INDENT$}→ {advice}\n", "")
}

/// `text` broken between words, where the terminal has a width; every line but the first begins at `indent`.
fn wrapped(text: &str, indent: usize, width: Option<usize>) -> String {
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(20));
    let (mut lines, mut length) = (String::new(), 0);
    for word in text.split(' ') {
        let more = word.chars().count();
        if length > 0 && length + 1 + more > room {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            length = 0;
        } else if length > 0 {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += more;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_broken_between_words_where_the_terminal_ends() {
        let text = "one two three four five six seven";
        assert_eq!(wrapped(text, 2, Some(22)), "one two three four\n  five six seven");
        assert_eq!(wrapped(text, 2, None), text, "a pipe has no end");
        let long = "x".repeat(30);
        assert_eq!(wrapped(&format!("{long} y"), 2, Some(22)), format!("{long}\n  y"), "no word is broken");
    }
}
