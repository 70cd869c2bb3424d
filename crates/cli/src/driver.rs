//! `usb-daemon driver`: what the rules for drivers would do, and the helper that does it for a daemon without rights.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use usb_daemon_core::{Code, Config, DriverPlan, DriverReport, Error, driver_plan, serve_driver_requests};

use crate::configuration_file::read_with_variable;
use crate::exit;
use crate::line::{on_one_line, printable};
use crate::printer::print_once;
use crate::status;
use crate::yes_or_no::yes_or_no;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  usb-daemon driver plan --config /etc/autoweave/usb-daemon.json
  usb-daemon driver apply    the helper: systemd starts it for each connection (docs/DRIVERS.md)

Linux only.";

const PLAN: &str = "\
Says, for each connected device that a rule of drivers.rules matches, what would be done in which order, and which right is \
lacking for it. Changes nothing. Run it as the user that the daemon runs as: a helper is asked what it would allow.

Exit codes:
  0  nothing is lacking, whether or not there is anything to do
  1  a right is lacking, or the bus cannot be listed
  2  bad arguments or configuration";

const APPLY: &str = "\
Reads requests from stdin, a line each, and answers each with ok, refused: or failed: and why:
  module NAME                    load a kernel module
  modalias INTERFACE             load the modules that this interface asks for
  new-id DRIVER VENDOR PRODUCT   give an ID to a driver
  bind DRIVER INTERFACE          give an interface without a driver to this one
  authorize DEVICE 0|1           have the kernel use a device or not
  check REQUEST                  say whether it would be done

The list has the requests that are allowed, a line each, where * stands for any one word behind the first. Only whoever \
runs this, root as a rule, may be able to change it.

On a socket, root may ask, and users whose primary group is the socket's own.

Exit codes:
  0  every request has been answered
  1  whoever asks may not, or has gone
  2  bad arguments, or a list that cannot be believed";

#[derive(Args, Debug)]
pub(crate) struct DriverArguments {
    #[command(subcommand)]
    command: DriverCommand,
}

#[derive(Debug, Subcommand)]
enum DriverCommand {
    /// Say what the rules would do, and which rights are lacking.
    #[command(after_help = PLAN)]
    Plan(PlanArguments),
    /// Carry out requests from stdin, as far as root's list allows them.
    #[command(after_help = APPLY)]
    Apply(ApplyArguments),
}

#[derive(Args, Debug)]
struct PlanArguments {
    /// Print one JSON object a device
    #[arg(long, env = "USB_DAEMON_JSON", hide_env_values = true, value_parser = yes_or_no)]
    json: bool,
    /// Configuration file (JSON): `drivers` counts
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct ApplyArguments {
    /// File with the requests that are allowed
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/autoweave/usb-drivers.allow",
        env = "USB_DAEMON_DRIVERS_ALLOW",
        hide_env_values = true
    )]
    allow: PathBuf,
}

/// Runs one of them, and gives the exit code.
pub(crate) fn driver(arguments: &DriverArguments) -> Result<u8, Error> {
    match &arguments.command {
        DriverCommand::Plan(arguments) => plan(arguments),
        DriverCommand::Apply(arguments) => serve_driver_requests(&arguments.allow).map(|()| exit::OK),
    }
}

fn plan(arguments: &PlanArguments) -> Result<u8, Error> {
    let root = read_with_variable(arguments.config.as_deref(), &["drivers"])?;
    let config = Config::from_json(&serde_json::Value::Object(root).to_string())?.drivers;
    if config.rules.is_empty() {
        status("no rules: drivers.rules in the configuration has none, so nothing is ever done");
    }
    let plans = driver_plan(&config)?;
    let lacking = plans.iter().flat_map(|plan| &plan.steps).filter(|step| step.lacks.is_some()).count();
    let text: Result<Vec<String>, Error> =
        plans.iter().map(|plan| if arguments.json { object(plan) } else { Ok(lines(plan)) }).collect();
    print_once(&text?.concat())?;
    if !arguments.json {
        status(&format!("{} matched, {lacking} steps lack a right", plans.len()));
    }
    Ok(if lacking > 0 { exit::FAILED } else { exit::OK })
}

fn object(plan: &DriverPlan) -> Result<String, Error> {
    let object = serde_json::to_string(plan)
        .map_err(|error| Error::new(Code::System, format!("a plan cannot be written: {error}")))?;
    Ok(format!("{object}\n"))
}

fn lines(plan: &DriverPlan) -> String {
    let DriverPlan { device, vendor_id, product_id, rule, steps } = plan;
    let mut text = format!("{device}  {vendor_id}:{product_id}  drivers.rules[{rule}]\n");
    if steps.is_empty() {
        text.push_str("  nothing to do\n");
    }
    for step in steps {
        text.push_str("  ");
        text.push_str(&step.request);
        if let Some(lacks) = &step.lacks {
            text.push_str("\n    lacks ");
            text.push_str(&on_one_line(lacks));
        }
        text.push('\n');
    }
    text
}

/// What has been done for a device.
pub(crate) fn told(report: &DriverReport) -> String {
    let DriverReport { state, device, rule, interfaces, reason, .. } = report;
    let mut line = format!("{:<9} {:<12} {device} by drivers.rules[{rule}]", "driver", state.as_str());
    for interface in interfaces {
        // Writing to a string cannot fail.
        let _ = write!(line, " {} {}", interface.name, printable(&interface.driver));
    }
    if let Some(reason) = reason {
        let _ = write!(line, ": {}", printable(reason));
    }
    line
}
