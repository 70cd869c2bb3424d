//! Connections: how many at once, who makes room, and what a request may be like.
//!
//! Invariant: there are never more sockets than [`most`] says, and the one that has just been accepted.

use std::collections::HashMap;
use std::io::{ErrorKind, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, yield_now};
use tokio::time::{Instant, sleep_until};
use tower_service::Service as _;

use super::patience::{Course, PatientStream, Watched};
use crate::platform::process_limits;
use crate::platform::socket::give_up_after;

/// Connections at once, where the process may have enough file descriptors.
const MOST: usize = 256;
const LEAST: usize = 8;
/// Headers of a request.
const MOST_HEADERS: usize = 64;
/// Bytes of a request's head, and of what is read ahead.
const LONGEST_HEAD: usize = 16 * 1024;
/// What the kernel keeps of an answer that nobody reads: it may be so much for each connection.
const SEND_BUFFER: usize = 128 * 1024;
const RECEIVE_BUFFER: usize = 32 * 1024;
/// How long a client that has vanished without a word is written to.
const VANISHED: Duration = Duration::from_secs(30);
/// How long nobody is accepted when the process can have no further file descriptor.
const EXHAUSTED: Duration = Duration::from_millis(100);

const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 93\r\n\
    cache-control: no-store\r\nretry-after: 1\r\nconnection: close\r\n\r\n\
    {\"error\":{\"code\":\"ERR_USB_HTTP_BUSY\",\"message\":\"every connection is in use; try again soon\"}}";

/// Connections at once: a quarter of the file descriptors that the process may have, or fewer. It has other uses for them.
pub(super) fn most() -> usize {
    let descriptors = process_limits::descriptors().unwrap_or(u64::MAX);
    usize::try_from(descriptors / 4).unwrap_or(MOST).clamp(LEAST, MOST)
}

/// Serves until it is dropped, and all connections with it.
pub(super) async fn serve(listener: TcpListener, router: Router) -> std::convert::Infallible {
    // Connections inherit these. Where the kernel refuses them, its own will do.
    let _ = sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER);
    let _ = sockopt::set_socket_recv_buffer_size(&listener, RECEIVE_BUFFER);
    let mut http = http1::Builder::new();
    // How long a head may take is the stream's to say.
    http.header_read_timeout(None)
        .max_headers(MOST_HEADERS)
        .max_header_size(LONGEST_HEAD)
        .max_buf_size(LONGEST_HEAD);
    let connections = Connections::default();
    let places = Arc::new(Semaphore::new(most()));
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                rest_after(&error, &connections).await;
                continue;
            }
        };
        match connections.make_room(&places).await {
            Some(place) => connections.add(&http, socket, place, router.clone()),
            None => refuse(socket),
        }
        // Who has just come is to be read before the next ones can push it out.
        yield_now().await;
    }
}

async fn rest_after(error: &std::io::Error, connections: &Connections) {
    let is_the_clients = matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    );
    if !is_the_clients {
        tracing::warn!(%error, "http connection cannot be accepted");
        let _ = connections.give_one_up();
        tokio::time::sleep(EXHAUSTED).await;
    }
}

/// Says why, if that can be said without waiting.
fn refuse(socket: TcpStream) {
    if let Ok(mut socket) = socket.into_std() {
        let _ = socket.write(FULL);
    }
}

#[derive(Clone, Default)]
struct Connections(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    last: u64,
    connections: HashMap<u64, (Arc<Course>, AbortHandle)>,
}

/// Whether a connection can be spared.
enum Spared {
    /// One has been ended.
    Now,
    /// Not before this moment.
    From(Instant),
    Nobody,
}

/// What a connection has as long as its socket is open.
struct Slot {
    id: u64,
    connections: Connections,
    _place: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.lock().connections.remove(&self.id);
    }
}

impl Connections {
    fn add(&self, http: &http1::Builder, socket: TcpStream, place: OwnedSemaphorePermit, router: Router) {
        // Each answer is whole when it is written.
        let _ = socket.set_nodelay(true);
        give_up_after(&socket, VANISHED);
        let mut open = self.lock();
        open.last += 1;
        let slot = Slot { id: open.last, connections: self.clone(), _place: place };
        let id = slot.id;
        let course = Arc::new(Course::new());
        let stream = PatientStream::new(socket, Arc::clone(&course), slot);
        let answering = Arc::clone(&course);
        let service = service_fn(move |request: Request<Incoming>| {
            let begun = answering.begin();
            let mut router = router.clone();
            async move {
                let answer = router.call(request.map(Body::new)).await?;
                Ok::<_, std::convert::Infallible>(answer.map(|body| Watched { body, _answering: begun }))
            }
        });
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let task = tokio::spawn(async move {
            // What goes wrong here is the client's: it has gone, or was too slow, or speaks no HTTP.
            if let Err(error) = connection.await {
                tracing::trace!(%error, "http connection");
            }
        });
        open.connections.insert(id, (course, task.abort_handle()));
    }

    /// A place for one more, if anybody can be spared. Nobody else is accepted meanwhile: who floods us waits, too.
    async fn make_room(&self, places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        loop {
            let free = Arc::clone(places).acquire_owned();
            match Arc::clone(places).try_acquire_owned().map_err(|_| self.give_one_up()) {
                Ok(place) => return Some(place),
                // Its place is free once its socket is closed.
                Err(Spared::Now) => return free.await.ok(),
                Err(Spared::From(when)) => tokio::select! {
                    place = free => return place.ok(),
                    () = sleep_until(when) => {}
                },
                Err(Spared::Nobody) => return None,
            }
        }
    }

    /// Ends the connection that can best be spared: one that has not asked anything yet, then one that has been answered, then one
    /// whose client reads nothing; of several the one that has been so for longest.
    fn give_one_up(&self) -> Spared {
        let mut open = self.lock();
        let now = Instant::now();
        let standings =
            open.connections.iter().filter_map(|(id, (course, _))| Some((course.standing()?, *id)));
        let standings: Vec<_> = standings.collect();
        let due = standings.iter().filter(|((_, from), _)| *from <= now).min();
        let Some((_, id)) = due else {
            let next = standings.iter().map(|((_, from), _)| *from).min();
            return next.map_or(Spared::Nobody, Spared::From);
        };
        if let Some((_, connection)) = open.connections.remove(id) {
            connection.abort();
        }
        Spared::Now
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::FULL;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = std::str::from_utf8(FULL).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).expect("JSON");
    }
}
