//! The command line.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

use crate::failure::Failure;

pub(crate) const USAGE: &str = "\
usb-bed run --control SOCKET [--controllers N] [--deaf] [--no-devfs] [--udevd] [--unprivileged] [-- COMMAND ARG...]
usb-bed enter (--control SOCKET | --bed PID [--deaf PID]) [--user NAME|UID] [--hearing] -- COMMAND ARG...
usb-bed log

run    opens a bed and runs COMMAND in it; without COMMAND, prints one line of JSON and serves SOCKET until
       {\"op\":\"close\"} or until the last connection goes
enter  runs COMMAND in an open bed; --hearing: in a deaf bed, where uevents are heard nevertheless
log    prints each usb_device uevent that the kernel sends, as NDJSON, until stdin ends or SIGTERM comes

--controllers N  host controllers, one bus each (default 4, at most 31)
--deaf           COMMAND sees the tree but hears no uevents: a network namespace of its own in its own user namespace
--no-devfs       no /dev/bus/usb
--udevd          a udevd's message to group 2 follows each uevent
--unprivileged   inside a user namespace, as without root: no SO_RCVBUFFORCE, no device nodes";

/// What `run` is asked for.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RunOptions {
    pub(crate) control: PathBuf,
    pub(crate) controllers: u8,
    pub(crate) deaf: bool,
    pub(crate) devfs: bool,
    pub(crate) udevd: bool,
    pub(crate) unprivileged: bool,
    pub(crate) command: Vec<OsString>,
}

/// Whom `enter` joins, and as what.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct EnterOptions {
    pub(crate) control: Option<PathBuf>,
    pub(crate) bed: Option<u32>,
    pub(crate) deaf: Option<u32>,
    pub(crate) user: Option<String>,
    pub(crate) hearing: bool,
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    Run(RunOptions),
    /// The half of `run` that lives in the namespaces, and the descriptor of its line to the other half.
    Inside(RunOptions, RawFd),
    HoldDeaf,
    Enter(EnterOptions),
    Log,
    Usage,
}

impl Invocation {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Failure> {
        let mut arguments = arguments.into_iter();
        let verb = arguments.next().unwrap_or_default();
        match verb.to_str() {
            Some("run") => Ok(Self::Run(RunOptions::parse(arguments)?)),
            Some("inside") => {
                let link = number(&mut arguments, "inside")?;
                Ok(Self::Inside(RunOptions::parse(arguments)?, link))
            }
            Some("hold-deaf") => Ok(Self::HoldDeaf),
            Some("enter") => Ok(Self::Enter(EnterOptions::parse(arguments)?)),
            Some("log") => Ok(Self::Log),
            Some("help" | "--help" | "-h") => Ok(Self::Usage),
            _ => Err(Failure::refused(format!("no command {}", verb.display()))),
        }
    }
}

impl RunOptions {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, Failure> {
        let mut control = None;
        let mut options = Self {
            control: PathBuf::new(),
            controllers: 4,
            deaf: false,
            devfs: true,
            udevd: false,
            unprivileged: false,
            command: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--control") => control = Some(value(&mut arguments, "--control")?.into()),
                Some("--controllers") => options.controllers = number(&mut arguments, "--controllers")?,
                Some("--deaf") => options.deaf = true,
                Some("--no-devfs") => options.devfs = false,
                Some("--udevd") => options.udevd = true,
                Some("--unprivileged") => options.unprivileged = true,
                Some("--") => options.command = arguments.by_ref().collect(),
                _ => return Err(unknown(&argument)),
            }
        }
        if !(1..=31).contains(&options.controllers) {
            return Err(Failure::refused("--controllers takes 1 to 31"));
        }
        options.control = control.ok_or_else(|| Failure::refused("--control is missing"))?;
        Ok(options)
    }
}

impl EnterOptions {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, Failure> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--control") => options.control = Some(value(&mut arguments, "--control")?.into()),
                Some("--bed") => options.bed = Some(number(&mut arguments, "--bed")?),
                Some("--deaf") => options.deaf = Some(number(&mut arguments, "--deaf")?),
                Some("--user") => {
                    options.user = Some(value(&mut arguments, "--user")?.to_string_lossy().into_owned());
                }
                Some("--hearing") => options.hearing = true,
                Some("--") => options.command = arguments.by_ref().collect(),
                _ => return Err(unknown(&argument)),
            }
        }
        if options.command.is_empty() {
            return Err(Failure::refused("enter needs -- and a command"));
        }
        if options.control.is_some() == options.bed.is_some() {
            return Err(Failure::refused("enter needs --control or --bed"));
        }
        Ok(options)
    }
}

fn value(arguments: &mut impl Iterator<Item = OsString>, option: &str) -> Result<OsString, Failure> {
    arguments.next().ok_or_else(|| Failure::refused(format!("{option} needs a value")))
}

fn number<T: std::str::FromStr>(
    arguments: &mut impl Iterator<Item = OsString>,
    option: &str,
) -> Result<T, Failure> {
    let digits = value(arguments, option)?;
    let number = digits.to_str().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| Failure::refused(format!("{option} takes a number")))
}

fn unknown(argument: &OsString) -> Failure {
    Failure::refused(format!("unknown argument {}", argument.display()))
}

#[cfg(test)]
mod tests {
    use super::Invocation;

    fn parse(line: &str) -> Result<Invocation, String> {
        Invocation::parse(line.split_whitespace().map(Into::into)).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_follows_two_dashes_belongs_to_the_command() {
        let Ok(Invocation::Run(options)) = parse("run --control /tmp/s --deaf -- node --deaf x") else {
            panic!("not understood")
        };
        assert!(options.deaf && options.devfs);
        assert_eq!(options.command, ["node", "--deaf", "x"]);
    }

    #[test]
    fn says_what_is_wrong_with_a_command_line() {
        for (line, complaint) in [
            ("", "no command"),
            ("run", "--control is missing"),
            ("run --control", "--control needs a value"),
            ("run --control s --controllers 40", "1 to 31"),
            ("run --control s --dead", "unknown argument --dead"),
            ("enter --bed 1", "needs --"),
            ("enter -- true", "--control or --bed"),
        ] {
            let heard = parse(line).unwrap_err();
            assert!(heard.contains(complaint), "{line}: {heard}");
        }
    }
}
