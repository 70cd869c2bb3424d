//! One request to a collector: HTTP/1.1, over TLS where the URL says so. A connection serves one request, as exports are seconds
//! apart.

use std::fmt::Display;
use std::future::Future;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::NAME;
use super::settings::{CertificateFiles, Target};
use crate::error::shown;

/// What is read of an answer.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Why a collector has not taken something.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) outlook: Outlook,
}

/// Whether the same request may be taken another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// Never.
    None,
    /// Perhaps.
    Again,
    /// Perhaps, after the pause that the collector asks for.
    After(Duration),
}

impl Failure {
    fn passing(reason: impl Display) -> Self {
        Self { reason: shown(&format!("{reason}")), outlook: Outlook::Again }
    }
}

/// How collectors are spoken to.
pub(super) struct Client {
    files: CertificateFiles,
    /// Once it could be made: a file may be there later.
    tls: OnceLock<Arc<ClientConfig>>,
}

impl Client {
    pub(super) fn new(files: CertificateFiles) -> Self {
        Self { files, tls: OnceLock::new() }
    }

    /// Hands a message to a collector. Gives its answer's body.
    pub(super) async fn post(&self, target: &Target, message: &[u8]) -> Result<Bytes, Failure> {
        let answered = timeout(target.timeout, self.exchange(target, message)).await;
        answered.unwrap_or_else(|_| Err(Failure::passing(format!("no answer within {:?}", target.timeout))))
    }

    async fn exchange(&self, target: &Target, message: &[u8]) -> Result<Bytes, Failure> {
        let request = request(target, message)?;
        // It has one: else it would be no target.
        let host = target.url.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_tls = target.url.scheme_str() == Some("https");
        let port = target.url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await.map_err(Failure::passing)?;
        if !is_tls {
            return send(stream, request).await;
        }
        let tls = self.tls()?;
        let name = ServerName::try_from(host.to_owned()).map_err(Failure::passing)?;
        let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(Failure::passing)?;
        send(stream, request).await
    }
}

impl Client {
    fn tls(&self) -> Result<Arc<ClientConfig>, Failure> {
        if let Some(tls) = self.tls.get() {
            return Ok(Arc::clone(tls));
        }
        let made = tls(&self.files).map_err(Failure::passing)?;
        Ok(Arc::clone(self.tls.get_or_init(|| made)))
    }
}

fn request(target: &Target, message: &[u8]) -> Result<Request<Full<Bytes>>, Failure> {
    let Target { url, headers, gzip, .. } = target;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path)
        .header(HOST, authority(url))
        .header(USER_AGENT, concat!("autoweave-usb-daemon/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/x-protobuf");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let body = if *gzip {
        request = request.header(CONTENT_ENCODING, "gzip");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(message).and_then(|()| encoder.finish()).map_err(Failure::passing)?
    } else {
        message.to_vec()
    };
    request.body(Full::new(body.into())).map_err(Failure::passing)
}

/// Without what a user name or a password would be.
fn authority(url: &Uri) -> &str {
    let authority = url.authority().map_or(NAME, |authority| authority.as_str());
    authority.rsplit_once('@').map_or(authority, |(_, place)| place)
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<Bytes, Failure> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(Failure::passing)?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(Failure::passing)?;
        taken(response).await
    };
    while_driven(answer, connection).await
}

/// The answer, while the connection under it does its work. That may be done before.
async fn while_driven<T>(answer: impl Future<Output = T>, connection: impl Future) -> T {
    tokio::pin!(answer, connection);
    let mut is_done = false;
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            _ = &mut connection, if !is_done => is_done = true,
        }
    }
}

async fn taken(response: Response<Incoming>) -> Result<Bytes, Failure> {
    let status = response.status();
    if !status.is_success() {
        let is_passing = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        let pause = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let reason = format!("the collector answers {status}");
        let outlook = match pause {
            _ if !is_passing => Outlook::None,
            Some(seconds) => Outlook::After(Duration::from_secs(seconds)),
            None => Outlook::Again,
        };
        return Err(Failure { reason, outlook });
    }
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
    // It has taken the message, whatever else it says.
    Ok(body.map(http_body_util::Collected::to_bytes).unwrap_or_default())
}

fn tls(files: &CertificateFiles) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match &files.authority {
        Some(file) => {
            for certificate in certificates("OTEL_EXPORTER_OTLP_CERTIFICATE", file)? {
                roots.add(certificate).map_err(|error| format!("OTEL_EXPORTER_OTLP_CERTIFICATE: {error}"))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("no TLS: {error}"))?
        .with_root_certificates(roots);
    let config = match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| format!("OTEL_EXPORTER_OTLP_CLIENT_KEY: {error}"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: {error}"))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn certificates(name: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    read().map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_missing_may_be_there_the_next_time() {
        let file = std::env::temp_dir().join(format!("usb-daemon-authority-{}", std::process::id()));
        let authority = Some(file.to_string_lossy().into_owned());
        let client = Client::new(CertificateFiles { authority, ..CertificateFiles::default() });
        let failure = client.tls().expect_err("no such file");
        assert_eq!(failure.outlook, Outlook::Again);
        // One without certificates is none the less a file.
        std::fs::write(&file, "").expect("a file");
        let made = client.tls();
        std::fs::remove_file(&file).expect("there");
        assert!(made.is_ok() && client.tls().is_ok(), "and is not read again");
    }
}
