//! The HTTP server, on a thread of its own, so that it answers whatever the host process is doing.

mod access;
mod answer;
mod api;
mod connections;
mod events;
mod feed;
mod follower;
#[cfg(test)]
mod follower_laws;
mod metrics;
mod page;
mod patience;
mod query;
mod routes;
mod state;
mod wording;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use self::access::Access;
use self::events::most_followers;
pub(crate) use self::feed::Feed;
use self::follower::Store;
use self::routes::Site;
use crate::config::MonitoringConfig;
use crate::delivery::Ask;
use crate::error::{Code, Error};
use crate::host::EventLoop;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::notice::Notice;
use crate::platform::bus::Drivers;
use crate::settings::Settings;
use crate::threads;

const RETRY: Duration = Duration::from_secs(5);

/// What the server answers from.
pub(crate) struct Served {
    pub(crate) hub: Hub,
    /// The host's, where there is one.
    pub(crate) event_loop: Option<Arc<EventLoop>>,
    pub(crate) settings: Arc<Settings>,
    /// An onlooker of the hub's.
    pub(crate) feed: Arc<Feed>,
    /// Gives events that are kept.
    pub(crate) ask: Ask,
    pub(crate) metrics: Arc<Metrics>,
    /// This machine's.
    pub(crate) host_name: String,
}

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
    pub(crate) fn start(config: &MonitoringConfig, served: Served) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::new(Code::System, format!("no runtime for the HTTP server: {error}")))?;
        let address = SocketAddr::new(config.host, config.healthcheck_port);
        let hub = served.hub.clone();
        let site = served.site(config);
        let (stop, stopping) = watch::channel(false);
        let thread = threads::spawn("aw-http", move || runtime.block_on(serve(address, hub, site, stopping)))
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

impl Served {
    fn site(self, config: &MonitoringConfig) -> Site {
        let Self { hub, event_loop, settings, feed, ask, metrics, host_name } = self;
        Site {
            access: Access::new(config, &host_name),
            hub,
            event_loop,
            drivers: Drivers::new(),
            settings,
            feed,
            store: Arc::new(Store { ask, turn: Semaphore::new(1) }),
            followers: Arc::new(Semaphore::new(most_followers())),
            metrics,
        }
    }
}

async fn serve(address: SocketAddr, hub: Hub, site: Site, mut stopping: watch::Receiver<bool>) {
    let work = async {
        let listener = listen(address, &hub).await;
        connections::serve(listener, routes::router(Arc::new(site))).await
    };
    tokio::select! {
        never = work => match never {},
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
