//! What the variables `OTEL_*` ask for.

use std::collections::HashSet;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::NAME;
use super::environment::{Environment, pairs};
use super::sampler::Sampler;
use super::spans::Value;

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Spans of events.
    Traces,
    /// Figures.
    Metrics,
    /// Lines of the log.
    Logs,
}

/// What is exported, and where to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Nothing is to be told, in whatever way.
    pub(super) is_disabled: bool,
    /// Where spans go; nowhere if absent, as with the other signals.
    pub(super) traces: Option<Target>,
    pub(super) metrics: Option<Target>,
    pub(super) logs: Option<Target>,
    pub(super) sampler: Sampler,
    pub(super) resource: Vec<(String, Value)>,
    pub(super) span_batch: BatchSettings,
    pub(super) log_batch: BatchSettings,
    pub(super) metric_interval: Duration,
    /// How long figures are tried.
    pub(super) metric_patience: Duration,
    pub(super) files: CertificateFiles,
}

/// One signal's collector.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) url: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) timeout: Duration,
    pub(super) gzip: bool,
}

impl Target {
    /// Where, without a user name, a password or a query.
    pub(super) fn place(&self) -> String {
        let host = self.url.host().unwrap_or_default();
        let port = self.url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}{}", self.url.scheme_str().unwrap_or_default(), self.url.path())
    }
}

impl Signal {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// How much waits, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchSettings {
    pub(super) delay: Duration,
    pub(super) queue: usize,
    pub(super) batch: usize,
    /// How long a batch is tried.
    pub(super) patience: Duration,
}

/// Names of files in PEM.
#[derive(Clone, Debug, Default)]
pub(super) struct CertificateFiles {
    pub(super) authority: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
}

/// A signal in the names of variables and in the collector's path.
struct Names {
    signal: &'static str,
    path: &'static str,
    exporter: &'static str,
}

const TRACES: Names = Names { signal: "TRACES", path: "v1/traces", exporter: "OTEL_TRACES_EXPORTER" };
const METRICS: Names = Names { signal: "METRICS", path: "v1/metrics", exporter: "OTEL_METRICS_EXPORTER" };
const LOGS: Names = Names { signal: "LOGS", path: "v1/logs", exporter: "OTEL_LOGS_EXPORTER" };

const DEFAULT_ENDPOINT: &str = "http://localhost:4318";
const DEFAULT_PATIENCE: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

impl Settings {
    /// Reads variables; the second part says what is wrong with them.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> (Self, Vec<String>) {
        let mut environment = Environment::new(variable);
        let env = &mut environment;
        let is_disabled = env.flag("OTEL_SDK_DISABLED");
        let mut target = |names: &Names| if is_disabled { None } else { target(env, names) };
        let (traces, metrics, logs) = (target(&TRACES), target(&METRICS), target(&LOGS));
        let files = CertificateFiles {
            authority: env.text("OTEL_EXPORTER_OTLP_CERTIFICATE"),
            certificate: env.text("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
            key: env.text("OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        };
        let metric_interval =
            env.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", 1).unwrap_or(Duration::from_secs(60));
        if let Some((name, text)) = env.first(&["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"])
            && !text.eq_ignore_ascii_case("cumulative")
        {
            env.warn(name, &text, "figures are cumulative in any case");
        }
        let settings = Self {
            is_disabled,
            traces,
            metrics,
            logs,
            sampler: Sampler::read(env),
            resource: resource(env),
            span_batch: batch(env, "OTEL_BSP", 5000),
            log_batch: batch(env, "OTEL_BLRP", 1000),
            metric_interval,
            metric_patience: env.milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", 1).unwrap_or(DEFAULT_PATIENCE),
            files,
        };
        // Whoever exports nothing need not hear what is wrong with it.
        let mut warnings =
            if settings.is_off() && !is_asked(env) { Vec::new() } else { environment.warnings };
        // What is wrong for all signals is wrong once.
        let mut said = HashSet::new();
        warnings.retain(|warning| said.insert(warning.clone()));
        (settings, warnings)
    }

    /// The variables of this process.
    pub fn of_process() -> (Self, Vec<String>) {
        Self::read(&|name| std::env::var(name).ok())
    }

    /// Whether nothing is exported.
    pub fn is_off(&self) -> bool {
        [Signal::Traces, Signal::Metrics, Signal::Logs]
            .into_iter()
            .all(|signal| self.target(signal).is_none())
    }

    /// Whether this signal is exported.
    pub fn exports(&self, signal: Signal) -> bool {
        self.target(signal).is_some()
    }

    /// Whether this signal is left to the host.
    pub fn leaves(&self, signal: Signal) -> bool {
        !self.is_disabled && !self.exports(signal)
    }

    pub(super) fn target(&self, signal: Signal) -> Option<&Target> {
        match signal {
            Signal::Traces => self.traces.as_ref(),
            Signal::Metrics => self.metrics.as_ref(),
            Signal::Logs => self.logs.as_ref(),
        }
    }
}

/// Whether somebody wants an export by name, or by a place.
fn is_asked(env: &Environment<'_>) -> bool {
    let names = [&TRACES, &METRICS, &LOGS];
    env.text("OTEL_EXPORTER_OTLP_ENDPOINT").is_some()
        || names.iter().any(|names| {
            env.text(names.exporter).is_some_and(|exporter| exporter != "none")
                || env.text(&names.variable("ENDPOINT")).is_some()
        })
}

impl Names {
    fn variable(&self, what: &str) -> String {
        format!("OTEL_EXPORTER_OTLP_{}_{what}", self.signal)
    }
}

/// Where a signal goes. An exporter by name, or any endpoint, switches it on.
fn target(env: &mut Environment<'_>, names: &Names) -> Option<Target> {
    let exporter = env.text(names.exporter);
    let own = names.variable("ENDPOINT");
    let endpoint = env.first(&[&own, "OTEL_EXPORTER_OTLP_ENDPOINT"]);
    match &exporter {
        Some(exporter) => {
            let mut exporters = exporter.split(',').map(str::trim);
            let is_known = exporters.clone().all(|name| matches!(name, "otlp" | "none"));
            if !is_known {
                env.warn(names.exporter, exporter, "there are otlp and none");
            }
            if !exporters.any(|name| name == "otlp") {
                return None;
            }
        }
        None if endpoint.is_none() => return None,
        None => {}
    }
    let (name, text) = endpoint.unwrap_or(("OTEL_EXPORTER_OTLP_ENDPOINT", DEFAULT_ENDPOINT.to_owned()));
    // One for all signals is a base; one of its own is used as it is.
    let url =
        if name == own { text.clone() } else { format!("{}/{}", text.trim_end_matches('/'), names.path) };
    let url = url.parse().ok().filter(|url: &Uri| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
    });
    let Some(url) = url else {
        // Not as it is: it may have a password in it.
        env.warnings.push(format!("{name} is no http:// or https:// URL: nothing goes there"));
        return None;
    };
    protocol(env, names, &url);
    Some(Target { headers: headers(env, names), timeout: timeout(env, names), gzip: gzip(env, names), url })
}

fn protocol(env: &mut Environment<'_>, names: &Names, url: &Uri) {
    let own = names.variable("PROTOCOL");
    let Some((name, text)) = env.first(&[&own, "OTEL_EXPORTER_OTLP_PROTOCOL"]) else { return };
    if text == "http/protobuf" {
        return;
    }
    let port =
        if url.port_u16() == Some(4317) { "; collectors take that on port 4318, not 4317" } else { "" };
    env.warn(name, &text, format_args!("only http/protobuf is spoken, and is used{port}"));
}

fn headers(env: &mut Environment<'_>, names: &Names) -> Vec<(HeaderName, HeaderValue)> {
    let own = names.variable("HEADERS");
    let Some((name, text)) = env.first(&[&own, "OTEL_EXPORTER_OTLP_HEADERS"]) else { return Vec::new() };
    let mut headers = Vec::new();
    for (at, part) in text.split(',').enumerate().filter(|(_, part)| !part.trim().is_empty()) {
        if let Some(header) = header(part) {
            headers.push(header);
        } else {
            // By its place alone: a token that is written wrong may be in either half.
            let expected = "is no header as name=value, and is left out";
            env.warnings.push(format!("{name}: entry {} {expected}", at + 1));
        }
    }
    headers
}

fn header(part: &str) -> Option<(HeaderName, HeaderValue)> {
    let (key, value) = pairs(part).into_iter().next()?;
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::try_from(key).ok()?, value))
}

fn timeout(env: &mut Environment<'_>, names: &Names) -> Duration {
    let own = env.milliseconds(&names.variable("TIMEOUT"), 1);
    own.or_else(|| env.milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT", 1)).unwrap_or(DEFAULT_TIMEOUT)
}

fn gzip(env: &mut Environment<'_>, names: &Names) -> bool {
    let own = names.variable("COMPRESSION");
    match env.first(&[&own, "OTEL_EXPORTER_OTLP_COMPRESSION"]) {
        Some((_, text)) if text == "gzip" => true,
        Some((name, text)) if text != "none" => {
            env.warn(name, &text, "there are gzip and none; none is used");
            false
        }
        _ => false,
    }
}

fn batch(env: &mut Environment<'_>, processor: &str, default_delay: u64) -> BatchSettings {
    let name = |what: &str| format!("{processor}_{what}");
    let delay = env.milliseconds(&name("SCHEDULE_DELAY"), 0).unwrap_or(Duration::from_millis(default_delay));
    // A bound that bounds nothing would be none.
    let queue = env.number(&name("MAX_QUEUE_SIZE"), 1).unwrap_or(2048).min(1 << 16);
    let batch = env.number(&name("MAX_EXPORT_BATCH_SIZE"), 1).unwrap_or(512).min(queue);
    let patience = env.milliseconds(&name("EXPORT_TIMEOUT"), 1).unwrap_or(DEFAULT_PATIENCE);
    BatchSettings { delay, queue, batch, patience }
}

/// What each export says of who sends it. The variables go before what we know.
fn resource(env: &Environment<'_>) -> Vec<(String, Value)> {
    let mut resource: Vec<(String, Value)> = [
        ("service.name", NAME.into()),
        ("service.version", env!("CARGO_PKG_VERSION").into()),
        ("telemetry.sdk.language", "rust".into()),
        // The name opentelemetry is that of its own.
        ("telemetry.sdk.name", NAME.into()),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION").into()),
        ("host.name", crate::platform::machine::host_name().into()),
        ("process.pid", Value::Whole(std::process::id().into())),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    let given = env.text("OTEL_RESOURCE_ATTRIBUTES").map(|text| pairs(&text)).unwrap_or_default();
    let name = env.text("OTEL_SERVICE_NAME").map(|name| ("service.name".to_owned(), name));
    for (key, value) in given.into_iter().chain(name) {
        resource.retain(|(known, _)| *known != key);
        resource.push((key, value.into()));
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&find)
    }

    fn places(variables: &[(&str, &str)]) -> [Option<String>; 3] {
        let settings = read(variables).0;
        [Signal::Traces, Signal::Metrics, Signal::Logs]
            .map(|signal| settings.target(signal).map(|target| target.url.to_string()))
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/base/");

    #[test]
    fn nothing_is_exported_unless_a_place_or_an_exporter_is_named() {
        let base = |path: &str| Some(format!("http://c:4318/base/{path}"));
        let all = [base("v1/traces"), base("v1/metrics"), base("v1/logs")];
        assert_eq!(places(&[]), [None, None, None]);
        assert_eq!(places(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), [None, None, None]);
        assert_eq!(places(&[ENDPOINT]), all);
        assert_eq!(places(&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]), [None, None, None]);
        let [traces, metrics, logs] = all;
        assert_eq!(places(&[ENDPOINT, ("OTEL_METRICS_EXPORTER", "none")]), [traces, None, logs.clone()]);
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t/x");
        assert_eq!(places(&[ENDPOINT, own]), [Some("https://t/x".into()), metrics, logs]);
        let default = Some("http://localhost:4318/v1/logs".to_owned());
        assert_eq!(places(&[("OTEL_LOGS_EXPORTER", "otlp")]), [None, None, default]);
    }

    #[test]
    fn what_is_wrong_is_said_where_something_is_to_be_exported() {
        for (variables, expected) in [
            (&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")][..], &[][..]),
            (
                &[
                    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4317/v1/traces"),
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ],
                &[
                    "OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\": only http/protobuf is spoken, and is used; collectors take that on port 4318, not 4317",
                ],
            ),
            (
                &[("OTEL_TRACES_EXPORTER", "console")],
                &["OTEL_TRACES_EXPORTER is \"console\": there are otlp and none"],
            ),
            (
                &[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "u:hush@c:4318")],
                &["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT is no http:// or https:// URL: nothing goes there"],
            ),
            (
                &[
                    ("OTEL_LOGS_EXPORTER", "otlp"),
                    ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "ok=1,Authorization: Bearer dG9rZW4ZQ==,hush,"),
                ],
                &[
                    "OTEL_EXPORTER_OTLP_LOGS_HEADERS: entry 2 is no header as name=value, and is left out",
                    "OTEL_EXPORTER_OTLP_LOGS_HEADERS: entry 3 is no header as name=value, and is left out",
                ],
            ),
            (
                &[
                    ("OTEL_LOGS_EXPORTER", "otlp"),
                    ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
                    ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
                ],
                &[
                    "OTEL_EXPORTER_OTLP_COMPRESSION is \"zstd\": there are gzip and none; none is used",
                    "OTEL_TRACES_SAMPLER is \"jaeger_remote\": there are always_on, always_off and traceidratio, each also with parentbased_ before it; all is sampled",
                ],
            ),
        ] {
            assert_eq!(read(variables).1, expected, "{variables:?}");
        }
    }

    #[test]
    fn a_signals_own_variables_go_before_those_of_all() {
        let (settings, warnings) = read(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=%41"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
            ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "700"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "20"),
            ("OTEL_SERVICE_NAME", "mine"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=lab"),
        ]);
        assert_eq!(warnings, [""; 0]);
        let seen = [Signal::Traces, Signal::Metrics, Signal::Logs].map(|signal| {
            let target = settings.target(signal).expect("on");
            let (name, value) = &target.headers[0];
            (format!("{name}={}", value.to_str().expect("text")), target.timeout.as_millis(), target.gzip)
        });
        assert_eq!(seen, [("b=A".into(), 500, true), ("a=1".into(), 500, false), ("a=1".into(), 700, true)]);
        assert_eq!((settings.span_batch.queue, settings.span_batch.batch), (10, 10));
        assert_eq!(settings.log_batch.delay, Duration::from_millis(20));
        let of = |key: &str| {
            settings
                .resource
                .iter()
                .filter(|(name, _)| name == key)
                .map(|(_, value)| value.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (of("service.name"), of("deployment.environment.name")),
            (vec!["mine".into()], vec!["lab".into()])
        );
        assert_eq!(
            of("process.pid"),
            [Value::Whole(std::process::id().into())],
            "a number, as the conventions say"
        );
    }
}
