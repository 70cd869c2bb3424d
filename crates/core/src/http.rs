//! The HTTP server: health, on a thread of its own, so that it answers whatever the host process is doing.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::error::{Code, Error};
use crate::hub::{Health, HealthStatus, Hub};
use crate::notice::Notice;
use crate::threads;

const RETRY: Duration = Duration::from_secs(5);

/// The running server.
pub struct HttpServer {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl HttpServer {
    /// Starts the thread. A port that is taken is said and tried again; it never keeps the daemon from starting.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn start(address: SocketAddr, hub: Hub) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::new(Code::System, format!("no runtime for the HTTP server: {error}")))?;
        let (stop, stopping) = watch::channel(false);
        let thread = threads::spawn("aw-http", move || runtime.block_on(serve(address, hub, stopping)))
            .map_err(|error| Error::new(Code::System, format!("no thread for the HTTP server: {error}")))?;
        Ok(Self { stop, thread })
    }

    /// Ends the server; requests under way are cut.
    pub fn stop(self) {
        let _ = self.stop.send(true);
        if self.thread.join().is_err() {
            tracing::error!("http server panicked");
        }
    }
}

async fn serve(address: SocketAddr, hub: Hub, mut stopping: watch::Receiver<bool>) {
    let work = async {
        let listener = listen(address, &hub).await;
        let router = Router::new()
            .route("/health", get(health))
            .route("/live", get(live))
            .route("/ready", get(ready))
            .with_state(hub);
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "http server failed");
        }
    };
    tokio::select! {
        () = work => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

async fn listen(address: SocketAddr, hub: &Hub) -> TcpListener {
    let mut told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                tracing::info!(%address, "http server listens");
                return listener;
            }
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    hub.tell(&Notice::Error { error: unusable(address, &error), context: "http" });
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn unusable(address: SocketAddr, error: &std::io::Error) -> Error {
    let why = if error.kind() == std::io::ErrorKind::AddrInUse {
        "another process has this port: set monitoring.healthcheck_port, or monitoring.enabled to false"
            .to_owned()
    } else {
        error.to_string()
    };
    Error::new(Code::Port, format!("no health endpoint at {address}: {why}; tried again, detection goes on"))
}

async fn health(State(hub): State<Hub>) -> (StatusCode, Json<Health>) {
    let health = hub.health();
    let code = match health.status {
        HealthStatus::Healthy | HealthStatus::Degraded => StatusCode::OK,
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(health))
}

async fn live() -> &'static str {
    "ok\n"
}

async fn ready(State(hub): State<Hub>) -> (StatusCode, &'static str) {
    if hub.health().started {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    }
}
