//! Who may ask: under which name, from which page, and with which token.

use std::net::IpAddr;

use axum::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{Method, StatusCode, Version};

use super::answer::Refusal;
use super::page;
use crate::config::{MonitoringConfig, Token};
use crate::error::shown;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The rules for this server's address.
pub(super) struct Access {
    token: Option<Token>,
    is_loopback: bool,
    /// In lowercase.
    names: Vec<String>,
}

impl Access {
    pub(super) fn new(config: &MonitoringConfig, host_name: &str) -> Self {
        let is_loopback = is_loopback(config.host);
        let mut names: Vec<String> = config.allowed_hosts.iter().map(|name| name.to_lowercase()).collect();
        if !is_loopback {
            let own = host_name.to_lowercase();
            names.extend(own.split_once('.').map(|(short, _)| short.to_owned()));
            names.push(own);
        }
        Self { token: config.token.clone(), is_loopback, names }
    }

    /// Whether this request is granted.
    pub(super) fn check(&self, request: &Parts) -> Result<(), Refusal> {
        let path = request.uri.path();
        if self.is_loopback || !matches!(path, "/live" | "/ready" | "/metrics") {
            self.check_host(request)?;
        }
        if request.method == Method::PUT {
            check_site(request)?;
            if self.token.is_none() {
                return Err(Refusal::new(
                    StatusCode::FORBIDDEN,
                    "ERR_USB_HTTP_TOKEN",
                    "nothing can be changed over HTTP as long as the daemon has no token: set monitoring.token (USB_DAEMON_HTTP_TOKEN), \
                     and send it as Authorization: Bearer <token>",
                ));
            }
        }
        if matches!(path, "/live" | "/ready") || page::is_file(path) {
            Ok(())
        } else {
            self.check_token(&request.headers)
        }
    }

    /// A page of somebody else's whose name has come to mean our address asks under that name.
    fn check_host(&self, request: &Parts) -> Result<(), Refusal> {
        let mut hosts = request.headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => Some(host.to_str().unwrap_or_default()),
            // No browser asks like that.
            (None, _) if request.version == Version::HTTP_10 => None,
            _ => return Err(bad_host("exactly one Host header is needed")),
        };
        let asked = [host, request.uri.authority().map(Authority::as_str)];
        match asked.into_iter().flatten().find(|host| !self.is_ours(host)) {
            None => Ok(()),
            Some(host) => {
                let advice = if self.is_loopback {
                    "call it localhost or 127.0.0.1"
                } else {
                    "call it by its address"
                };
                let message = format!(
                    "this server is not called {}: {advice}, or name that in monitoring.allowed_hosts",
                    shown(host)
                );
                Err(Refusal::new(StatusCode::FORBIDDEN, "ERR_USB_HTTP_HOST", message))
            }
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let Some(name) = name_of(host) else { return false };
        if let Ok(address) = name.parse::<IpAddr>() {
            return !self.is_loopback || is_loopback(address) || self.names.contains(&name);
        }
        name == "localhost" || name.ends_with(".localhost") || self.names.contains(&name)
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.token else { return Ok(()) };
        let refusal = |message| Err(Refusal::new(StatusCode::UNAUTHORIZED, "ERR_USB_HTTP_TOKEN", message));
        let Some(shown) = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes())) else {
            return refusal("a token is needed: send monitoring.token as Authorization: Bearer <token>");
        };
        if token.is(shown) {
            Ok(())
        } else {
            refusal("this is not the token of this daemon: see monitoring.token")
        }
    }
}

fn bad_host(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "ERR_USB_HTTP_HOST", message)
}

/// A browser says on whose behalf it asks.
fn check_site(request: &Parts) -> Result<(), Refusal> {
    let headers = &request.headers;
    let is_others = match headers.get(SITE).map(HeaderValue::as_bytes) {
        Some(b"same-origin" | b"none") => false,
        Some(_) => true,
        None => headers.get(ORIGIN).is_some_and(|origin| {
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
            origin.map(|(_, origin)| origin) != host || host.is_none()
        }),
    };
    if !is_others {
        return Ok(());
    }
    let message = "a page of another site may change nothing here";
    Err(Refusal::new(StatusCode::FORBIDDEN, "ERR_USB_HTTP_SITE", message))
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// The name in a Host header, in lowercase, without port and the brackets of an IPv6 address.
fn name_of(host: &str) -> Option<String> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (name, rest) = rest.split_once(']')?;
            name.parse::<std::net::Ipv6Addr>().ok()?;
            (name, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    if !port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    // A dot at the end only says that nothing is to be added.
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn access(host: &str, more: &str) -> Access {
        let json = format!(r#"{{ "monitoring": {{ "host": "{host}"{more} }} }}"#);
        let config = crate::config::Config::from_json(&json).expect("valid");
        Access::new(&config.monitoring, "Box.example.org")
    }

    fn status(access: &Access, request: axum::http::request::Builder) -> u16 {
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        access.check(&parts).err().map_or(200, |refusal| refusal.status.as_u16())
    }

    fn under(access: &Access, path: &str, host: &str) -> u16 {
        status(access, Request::get(path).header(HOST, host))
    }

    const LOOPBACK: [&str; 8] = [
        "localhost",
        "LOCALHOST:8080",
        "a.localhost",
        "localhost.:1",
        "127.0.0.1:8080",
        "127.9.9.9",
        "[::1]:8080",
        "[::ffff:127.0.0.1]",
    ];

    #[test]
    fn on_a_loopback_address_only_loopback_names_are_ours_whatever_is_asked() {
        let access = access("127.0.0.1", r#", "allowed_hosts": ["Usb.lan"]"#);
        for host in LOOPBACK.iter().chain(&["usb.lan", "USB.LAN:99"]) {
            assert_eq!(under(&access, "/health", host), 200, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "192.168.1.1",
            "[fe80::1]",
            "box.example.org",
            "localhost@evil.example",
            "localhost:80:80",
            "localhost:x",
            "[::1",
            "::1",
            "",
            "0x7f.1",
        ] {
            for path in ["/health", "/live", "/ready", "/metrics", "/"] {
                assert_eq!(under(&access, path, host), 403, "{host} {path}");
            }
        }
    }

    #[test]
    fn elsewhere_addresses_and_the_machines_own_name_are_ours_and_probes_may_use_any() {
        let access = access("0.0.0.0", r#", "allowed_hosts": ["usb.lan"]"#);
        for host in LOOPBACK.iter().chain(&[
            "192.168.1.1:80",
            "[fe80::1]:80",
            "box.example.org",
            "BOX:8080",
            "usb.lan",
        ]) {
            assert_eq!(under(&access, "/health", host), 200, "{host}");
        }
        for (path, expected) in
            [("/live", 200), ("/ready", 200), ("/metrics", 200), ("/health", 403), ("/", 403)]
        {
            assert_eq!(under(&access, path, "evil.example"), expected, "{path}");
        }
    }

    #[test]
    fn there_is_one_host_but_in_http_1_0_and_a_whole_address_counts_too() {
        let access = access("127.0.0.1", "");
        let get = || Request::get("/health");
        assert_eq!(status(&access, get()), 400);
        assert_eq!(status(&access, get().version(Version::HTTP_10)), 200);
        assert_eq!(status(&access, get().header(HOST, "localhost").header(HOST, "evil.example")), 400);
        let absolute = |host| Request::get(format!("http://{host}/health")).header(HOST, "localhost");
        assert_eq!(status(&access, absolute("evil.example")), 403);
        assert_eq!(status(&access, absolute("127.0.0.1:1")), 200);
    }

    #[test]
    fn a_token_is_asked_for_but_not_by_probes_and_for_the_pages_files() {
        let access = access("127.0.0.1", r#", "token": "hush""#);
        let get = |path: &str| Request::get(path).header(HOST, "localhost");
        for (path, expected) in [
            ("/live", 200),
            ("/ready", 200),
            ("/", 200),
            ("/health", 401),
            ("/metrics", 401),
            ("/devices", 401),
            ("/events", 401),
            ("/withheld", 401),
            ("/api/v1/usb/status", 401),
            ("/nothing", 401),
        ] {
            assert_eq!(status(&access, get(path)), expected, "{path}");
            assert_eq!(status(&access, get(path).header(AUTHORIZATION, "Bearer hush")), 200, "{path}");
        }
        for wrong in
            ["hush", "Bearer", "Bearer ", "Bearer hus", "Bearer hushh", "Basic hush", "Bearer hush x"]
        {
            assert_eq!(status(&access, get("/health").header(AUTHORIZATION, wrong)), 401, "{wrong}");
        }
        assert_eq!(status(&access, get("/health").header(AUTHORIZATION, "bearer  hush")), 200);
    }

    #[test]
    fn no_page_of_another_site_changes_anything_and_nobody_does_without_a_token() {
        let put = || {
            Request::put("/api/v1/usb/config")
                .header(HOST, "localhost:1")
                .header(AUTHORIZATION, "Bearer hush")
        };
        assert_eq!(status(&access("127.0.0.1", ""), put()), 403);
        let access = access("127.0.0.1", r#", "token": "hush""#);
        for (name, value, expected) in [
            ("x-nothing", "", 200),
            ("sec-fetch-site", "same-origin", 200),
            ("sec-fetch-site", "none", 200),
            ("sec-fetch-site", "cross-site", 403),
            ("sec-fetch-site", "same-site", 403),
            ("origin", "http://localhost:1", 200),
            ("origin", "http://localhost:2", 403),
            ("origin", "https://evil.example", 403),
            ("origin", "null", 403),
        ] {
            assert_eq!(status(&access, put().header(name, value)), expected, "{name}: {value}");
        }
    }
}
