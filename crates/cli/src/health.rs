//! `usb-daemon health`: asks a running daemon how it is, for HEALTHCHECK and the like.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use usb_daemon_core::{Code, Config, Error, Token};

use crate::configuration_file::read_with_variable;
use crate::exit;
use crate::line::on_one_line;
use crate::origins::Origins;
use crate::printer::print_once;
use crate::run_arguments::{TOKEN, TOKEN_FILE, given_twice, no_token};
use crate::secret;
use crate::setting::Origin;
use crate::style::{Ink, Style};
use crate::wait::time;
use crate::yes_or_no::yes_or_no;

/// A daemon with ten thousand devices says no more; somebody else might never end.
const LONGEST: u64 = 1 << 20;
/// The server's code where it has a token and got none, or another.
const WITHOUT_TOKEN: &str = "ERR_USB_HTTP_TOKEN";

pub(crate) const AFTER_HELP: &str = "\
Examples:
  usb-daemon health                                 of the daemon on this machine
  usb-daemon health --json | jq .sources
  HEALTHCHECK CMD [\"usb-daemon\", \"health\"]          in a Dockerfile

Exit codes:
  0  healthy, or degraded: it hears, but Redis is away or a source has failed
  1  unhealthy, or no daemon answers
  2  bad arguments or configuration, or not the daemon's token";

#[derive(Args, Debug)]
pub(crate) struct HealthArguments {
    /// Address of the health endpoint [default: that of the configuration, else 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", env = "USB_DAEMON_HTTP_HOST", hide_env_values = true)]
    http_host: Option<IpAddr>,
    /// Port of the health endpoint [default: that of the configuration, else 8080]
    #[arg(long, value_name = "PORT", env = "USB_DAEMON_HTTP_PORT", hide_env_values = true)]
    http_port: Option<u16>,
    /// Token of the daemon [default: that of the configuration]; better given in the environment
    #[arg(long, value_name = "TOKEN", env = "USB_DAEMON_HTTP_TOKEN", hide_env_values = true)]
    http_token: Option<String>,
    /// File that holds the token
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_HTTP_TOKEN_FILE", hide_env_values = true)]
    http_token_file: Option<PathBuf>,
    /// How long an answer may take
    #[arg(long, value_name = "TIME", env = "USB_DAEMON_TIMEOUT", hide_env_values = true, default_value = "2s", value_parser = time)]
    timeout: Duration,
    /// Print the whole answer, as JSON on one line
    #[arg(long, env = "USB_DAEMON_JSON", hide_env_values = true, value_parser = yes_or_no)]
    json: bool,
    /// Configuration file (JSON) of the daemon
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Whether the token and its file come from their option or their variable.
    #[arg(skip)]
    token_origin: Origin,
    #[arg(skip)]
    token_file_origin: Origin,
}

impl HealthArguments {
    /// Notes where the token comes from.
    pub(crate) fn learn(&mut self, origins: &Origins) {
        self.token_origin = origins.of(TOKEN);
        self.token_file_origin = origins.of(TOKEN_FILE);
    }

    /// The token that is said, or lies in the file that is named; an option goes before a variable.
    fn token(&self) -> Result<Option<String>, Error> {
        let (said, file) = (&self.token_origin, &self.token_file_origin);
        let fault = match (self.http_token.as_deref(), self.http_token_file.as_deref()) {
            (Some(_), Some(_)) if said.is_option() == file.is_option() => {
                given_twice("monitoring.token", file, said)
            }
            (Some(token), None) if !token.is_empty() => return Ok(Some(token.to_owned())),
            (Some(token), Some(_)) if said.is_option() && !token.is_empty() => {
                return Ok(Some(token.to_owned()));
            }
            (None, None) => return Ok(None),
            (Some(_), None) => no_token(said),
            (Some(_), Some(_)) if said.is_option() => no_token(said),
            (_, Some(path)) => match secret::read(path, "monitoring.token", file) {
                Ok(token) => return Ok(Some(token)),
                Err(fault) => fault,
            },
        };
        Err(Error::of_faults(vec![fault]))
    }
}

/// Asks, and gives the exit code.
pub(crate) fn health(arguments: &HealthArguments) -> Result<u8, Error> {
    let (address, token) = address_and_token(arguments)?;
    let unreachable = |why: String| {
        let message = format!("no usb-daemon answers at {address}: {why}");
        Error::new(Code::NotRunning, message)
    };
    let body =
        get(address, token.as_ref(), arguments.timeout).map_err(|error| unreachable(explain(&error)))?;
    let health: Value = serde_json::from_slice(&body)
        .map_err(|_| unreachable("what answers there is something else: see --http-port".into()))?;
    if health["error"]["code"] == WITHOUT_TOKEN {
        return Err(Error::new(Code::Config, closed(address, token.is_some())));
    }
    if let Some(message) = health["error"]["message"].as_str() {
        let message = format!("usb-daemon at {address} does not say: {}", on_one_line(message));
        return Err(Error::new(Code::NotRunning, message));
    }
    let Some(status) = health["status"].as_str() else {
        return Err(unreachable("what answers there does not say how it is: see --http-port".into()));
    };
    let line = if arguments.json { health.to_string() } else { line(status, &health, Style::of_stdout()) };
    print_once(&format!("{line}\n"))?;
    Ok(if matches!(status, "healthy" | "degraded") { exit::OK } else { exit::FAILED })
}

/// What whoever asks can do about it: the server's own message is for those who write requests.
fn closed(address: SocketAddr, has_token: bool) -> String {
    let why = if has_token { "this is not its token: correct" } else { "a token is needed: set" };
    format!(
        "usb-daemon at {address}: {why} USB_DAEMON_HTTP_TOKEN, or --http-token, or give the daemon's --config"
    )
}

fn address_and_token(arguments: &HealthArguments) -> Result<(SocketAddr, Option<Token>), Error> {
    let token = arguments.token()?;
    let mut root = read_with_variable(arguments.config.as_deref(), &["monitoring"])?;
    if let Some(token) = token
        && let Value::Object(monitoring) = root.entry("monitoring").or_insert_with(|| json!({}))
    {
        monitoring.insert("token".into(), token.into());
    }
    let monitoring = Config::from_json(&Value::Object(root).to_string())?.monitoring;
    let given = arguments.http_host.is_some() || arguments.http_port.is_some();
    if !monitoring.enabled && !given {
        let message = "this daemon has no health endpoint (monitoring.enabled is false)";
        return Err(Error::new(Code::Config, message));
    }
    let host = match arguments.http_host.unwrap_or(monitoring.host) {
        // Whoever listens everywhere listens here.
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    let port = arguments.http_port.unwrap_or(monitoring.healthcheck_port);
    Ok((SocketAddr::new(host, port), monitoring.token))
}

/// The body of /health, whatever the status is: that of an unhealthy daemon is 503.
fn get(address: SocketAddr, token: Option<&Token>, patience: Duration) -> io::Result<Vec<u8>> {
    let until = Instant::now() + patience;
    let left = || match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    let authorization =
        token.map_or_else(String::new, |token| format!("Authorization: Bearer {}\r\n", token.reveal()));
    let request = format!(
        "GET /health HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\n{authorization}Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    // One deadline for all of it: each part may come in time and the whole never end.
    while (answer.len() as u64) < LONGEST {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut part)? {
            0 => break,
            length => answer.extend_from_slice(&part[..length]),
        }
    }
    let end_of_head = answer.windows(4).position(|four| four == b"\r\n\r\n");
    Ok(end_of_head.map(|at| answer.split_off(at + 4)).unwrap_or_default())
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there".into(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "it took too long (--timeout)".into(),
        _ => error.to_string(),
    }
}

/// `healthy   up 12s, 4 devices; netlink up, libusb unavailable, snapshot up; redis up`
fn line(status: &str, health: &Value, style: Style) -> String {
    let ink = match status {
        "healthy" => Ink::Good,
        "degraded" => Ink::Doubtful,
        _ => Ink::Bad,
    };
    let uptime = health["uptime"].as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let uptime = Duration::from_secs(uptime.unwrap_or_default().as_secs());
    let devices = &health["connectedDevices"];
    let mut parts = vec![format!("up {}, {devices} devices", humantime::format_duration(uptime))];
    let sources = health["sources"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let sources: Vec<String> = sources
        .iter()
        .map(|source| format!("{} {}", text(&source["source"]), text(&source["state"])))
        .collect();
    parts.push(sources.join(", "));
    if let Some(redis) = health.get("redis") {
        let waiting = &redis["waiting"];
        parts.push(match redis["connected"].as_bool() {
            Some(true) => "redis up".to_owned(),
            _ => format!("redis away, {waiting} events wait"),
        });
    }
    if let Some(reason) = health["outbox"]["reason"].as_str() {
        parts.push(format!("outbox: {reason}"));
    }
    if health["eventLoop"]["responding"] == false {
        parts.push("event loop blocked".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    format!("{}  {}", style.paint(ink, &on_one_line(status)), on_one_line(&parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_keeps_it_from_being_healthy() {
        let health = json!({
            "status": "degraded", "uptime": 61.9, "connectedDevices": 3,
            "sources": [{ "source": "netlink", "state": "up" }, { "source": "libusb", "state": "failed" }],
            "redis": { "connected": false, "waiting": 7 }, "outbox": { "reason": "disk\nfull" },
            "eventLoop": { "responding": false, "delayMs": 900.5 },
        });
        assert_eq!(
            line("degraded", &health, Style::Plain),
            "degraded  up 1m 1s, 3 devices; netlink up, libusb failed; redis away, 7 events wait; outbox: disk\\nfull; event loop blocked"
        );
    }
}
