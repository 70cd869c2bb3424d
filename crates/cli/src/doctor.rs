//! `usb-daemon doctor`: what a daemon would find here, and what to do about it.

use std::fmt::Write as _;

use clap::Args;
use usb_daemon_core::{Config, Error, Finding, Grade, diagnose};

use crate::arguments::RunArguments;
use crate::exit;
use crate::line::on_one_line;
use crate::printer::print_once;
use crate::status;
use crate::style::{Ink, Style};

pub(crate) const AFTER_HELP: &str = "\
Examples:
  usb-daemon doctor                                  what `usb-daemon run` would find here
  usb-daemon doctor --config /etc/usb-daemon.json    with that configuration
  usb-daemon doctor --json | jq 'select(.grade != \"ok\")'

Looks only: nothing is written, locked or opened for good, here or on the Redis server. No question takes longer than
2 s. Run it as the user, and in the container, that the daemon runs as.

Exit codes: 0 nothing fails (warnings may be there); 1 something fails; 2 bad arguments or configuration.";

#[derive(Args, Debug)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    run: RunArguments,
}

/// Looks at everything, and gives the exit code.
pub(crate) fn doctor(arguments: &DoctorArguments) -> Result<u8, Error> {
    let config = Config::from_json(&arguments.run.configuration()?.to_string())?;
    let (json, style) = (arguments.run.json, Style::of_stdout());
    let mut grades = Vec::new();
    let mut written = Ok(());
    diagnose(&config, |finding| {
        grades.push(finding.grade);
        if written.is_ok() {
            written = print_once(&if json { object(&finding) } else { lines(&finding, style) });
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

fn lines(finding: &Finding, style: Style) -> String {
    let ink = match finding.grade {
        Grade::Ok => Ink::Good,
        Grade::Warn => Ink::Doubtful,
        Grade::Fail => Ink::Bad,
    };
    let grade = style.paint(ink, &format!("{:<4}", finding.grade.as_str()));
    let mut lines = format!("{grade}  {:<14}  {}\n", finding.subject, on_one_line(&finding.found));
    if let Some(advice) = &finding.advice {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{:22}→ {}", "", on_one_line(advice));
    }
    lines
}
