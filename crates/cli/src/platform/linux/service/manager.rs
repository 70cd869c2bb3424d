//! Tells the manager how the daemon is, on a thread of its own: a manager that is slow to listen blocks that and nothing else.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Service;
use super::notifier::{Notifier, monotonic_usec, status};

/// Asks the daemon's threads for a sign of life within this time. Which of them gives none, if any.
pub(crate) type Ask = Box<dyn Fn(Duration) -> Result<String, &'static str> + Send>;

enum Message {
    Asks(Ask),
    Ready,
    Reloading,
    Stopping(Duration),
    End,
}

/// The way to the manager; nothing where there is none.
#[derive(Debug, Default)]
pub(crate) struct Manager {
    messages: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Manager {
    /// Starts the thread, if somebody wants to hear from it. Why it cannot be told, if so.
    pub(crate) fn start(service: &Service) -> Result<Self, String> {
        let Some(address) = &service.notify else { return Ok(Self::default()) };
        let unusable =
            |error: std::io::Error| format!("the service manager cannot be told at {address}: {error}");
        let notifier = Notifier::new(address).map_err(unusable)?;
        let (messages, received) = channel();
        // As often as systemd advises.
        let period = service.watchdog.map(|watchdog| watchdog / 2);
        let thread = thread::Builder::new().name("aw-manager".into());
        let thread = thread
            .spawn(move || {
                Teller { notifier, period, ask: None, stopping: false, failed: false }.run(&received);
            })
            .map_err(unusable)?;
        Ok(Self { messages: Some(messages), thread: Some(thread) })
    }

    /// From now on signs of life are given as long as this one finds the daemon alive.
    pub(crate) fn asks(&self, ask: Ask) {
        self.send(Message::Asks(ask));
    }

    /// What is present has been told.
    pub(crate) fn ready(&self) {
        self.send(Message::Ready);
    }

    /// The configuration is read again; [`Self::ready`] follows.
    pub(crate) fn reloading(&self) {
        self.send(Message::Reloading);
    }

    /// The daemon stops, which may take so long.
    pub(crate) fn stopping(&self, patience: Duration) {
        self.send(Message::Stopping(patience));
    }

    /// Another way to the same manager.
    pub(crate) fn handle(&self) -> Self {
        Self { messages: self.messages.clone(), thread: None }
    }

    fn send(&self, message: Message) {
        if let Some(messages) = &self.messages {
            // Nobody is told any more once the thread has ended.
            let _ = messages.send(message);
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // Said, because whoever looks on for us may outlive this.
        self.send(Message::End);
        if thread.join().is_err() {
            tracing::error!("the thread that tells the service manager panicked");
        }
    }
}

struct Teller {
    notifier: Notifier,
    period: Option<Duration>,
    ask: Option<Ask>,
    stopping: bool,
    failed: bool,
}

impl Teller {
    fn run(mut self, messages: &Receiver<Message>) {
        let mut next = self.period.map(|period| Instant::now() + period);
        loop {
            let message = match next {
                Some(next) => messages.recv_timeout(next.saturating_duration_since(Instant::now())),
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(message) => self.tell(message),
                Err(RecvTimeoutError::Timeout) => {
                    next = self.period.map(|period| Instant::now() + period);
                    self.show_life();
                }
            }
        }
    }

    fn tell(&mut self, message: Message) {
        match message {
            Message::Asks(ask) => self.ask = Some(ask),
            Message::Ready if self.stopping => {}
            Message::End => {}
            Message::Ready => {
                let state = self.ask().unwrap_or_else(|silent| format!("{silent} does not answer"));
                self.send(&["READY=1".to_owned(), status(&state)]);
            }
            Message::Reloading => {
                let state = status("reads its configuration again");
                self.send(&["RELOADING=1".to_owned(), monotonic_usec(), state]);
            }
            Message::Stopping(patience) => {
                self.stopping = true;
                let extend = format!("EXTEND_TIMEOUT_USEC={}", patience.as_micros());
                self.send(&["STOPPING=1".to_owned(), extend, status("publishes what waits, and stops")]);
            }
        }
    }

    /// No timer's word: each sign of life has been asked for.
    fn show_life(&mut self) {
        if self.stopping {
            // Nobody asks for one, and threads that have ended do not answer.
            return;
        }
        match self.ask() {
            Ok(state) => self.send(&["WATCHDOG=1".to_owned(), status(&state)]),
            Err(silent) => {
                tracing::error!(thread = silent, "no answer: the service manager is given no sign of life");
                self.send(&[status(&format!("{silent} does not answer"))]);
            }
        }
    }

    fn ask(&self) -> Result<String, &'static str> {
        // Longer than that, and the sign of life comes too late.
        let patience = self.period.map_or(Duration::from_secs(1), |period| period / 2);
        self.ask.as_ref().map_or_else(|| Ok("starts".to_owned()), |ask| ask(patience))
    }

    fn send(&mut self, lines: &[String]) {
        if let Err(error) = self.notifier.send(lines)
            && !std::mem::replace(&mut self.failed, true)
        {
            tracing::warn!(%error, "the service manager cannot be told");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn service(name: &str, watchdog: Option<Duration>) -> (UnixDatagram, Manager) {
        let name = format!("usb-daemon-test-{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let socket = UnixDatagram::bind_addr(&address).expect("bound");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let service = Service { notify: Some(format!("@{name}")), watchdog, ..Service::default() };
        (socket, Manager::start(&service).expect("started"))
    }

    fn heard(socket: &UnixDatagram) -> Vec<String> {
        let mut room = [0; 1024];
        let length = socket.recv(&mut room).expect("a notification");
        String::from_utf8_lossy(&room[..length]).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_manager_hears_each_state_in_order() {
        let (socket, manager) = service("states", None);
        manager.asks(Box::new(|_| Ok("3 devices\nare here".into())));
        manager.ready();
        manager.reloading();
        manager.handle().ready();
        manager.stopping(Duration::from_secs(7));
        manager.ready();
        drop(manager);
        assert_eq!(heard(&socket), ["READY=1", "STATUS=3 devices\\nare here"]);
        let reloading = heard(&socket);
        assert_eq!(reloading[0], "RELOADING=1");
        assert!(reloading[1].strip_prefix("MONOTONIC_USEC=").is_some_and(|usec| usec.parse::<u64>().is_ok()));
        assert_eq!(heard(&socket)[0], "READY=1");
        assert_eq!(heard(&socket)[..2], ["STOPPING=1", "EXTEND_TIMEOUT_USEC=7000000"]);
        socket.set_nonblocking(true).expect("set");
        assert!(socket.recv(&mut [0]).is_err(), "who stops is not ready");
    }

    #[test]
    fn a_thread_that_does_not_answer_brings_no_sign_of_life() {
        let (socket, manager) = service("stuck", Some(Duration::from_millis(10)));
        let stuck = Arc::new(AtomicBool::new(false));
        let is_stuck = Arc::clone(&stuck);
        manager.asks(Box::new(move |_| {
            if is_stuck.load(Ordering::SeqCst) { Err("the engine") } else { Ok("fine".into()) }
        }));
        while heard(&socket) != ["WATCHDOG=1", "STATUS=fine"] {}
        stuck.store(true, Ordering::SeqCst);
        // What had been sent by then.
        while heard(&socket) == ["WATCHDOG=1", "STATUS=fine"] {}
        for _ in 0..5 {
            assert_eq!(heard(&socket), ["STATUS=the engine does not answer"]);
        }
        stuck.store(false, Ordering::SeqCst);
        while heard(&socket) != ["WATCHDOG=1", "STATUS=fine"] {}
    }

    #[test]
    fn who_stops_gives_no_sign_of_life_and_is_not_said_to_be_stuck() {
        let period = Duration::from_millis(10);
        let (socket, manager) = service("stops", Some(period));
        manager.asks(Box::new(|_| Err("the engine")));
        manager.stopping(Duration::from_secs(7));
        while heard(&socket)[0] != "STOPPING=1" {}
        std::thread::sleep(period * 5);
        drop(manager);
        socket.set_nonblocking(true).expect("set");
        assert!(socket.recv(&mut [0]).is_err());
    }

    #[test]
    fn where_no_manager_listens_there_is_no_thread_and_nothing_fails() {
        let manager = Manager::start(&Service::default()).expect("nothing");
        assert!(manager.thread.is_none());
        manager.ready();
        let service = Service { notify: Some("@usb-daemon-nobody".into()), ..Service::default() };
        Manager::start(&service).expect("a thread").ready();
    }
}
