//! Publishes a program's events, each once: under a producer of its own, behind the daemon's fence.
//!
//! A number is given when an event is sent, and given again only once no packet that carries it can still arrive.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use redis::RedisError;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Reply, Server, pauses};
use crate::error::Error;
use crate::event::Event;
use crate::outbox::Placed;
use crate::publisher::fence::{Fence, Ground, Guarantee, Outcome};
use crate::publisher::{EXPIRES, explain, search};

/// Events that one batch carries at most.
const BATCH: usize = 100;

/// An event that waits for its entry.
pub(super) struct Outgoing {
    event: Box<Event>,
    deadline: Instant,
    reply: Reply,
    /// Sent under this number, and nothing has been heard of it.
    sent: Option<u64>,
}

impl Outgoing {
    pub(super) fn new(event: Box<Event>, deadline: Instant, reply: Reply) -> Self {
        Self { event, deadline, reply, sent: None }
    }

    fn settle(self, stream_id: &str) {
        (self.reply)(Ok(format!("\"{stream_id}\"")));
    }
}

pub(super) struct Writer {
    server: Rc<Server>,
    producer: Arc<str>,
    fence: Option<Fence>,
    waiting: VecDeque<Outgoing>,
    /// Number of the last event that is published.
    published: u64,
    /// Number of the last event that has been sent.
    sent: u64,
    /// A watermark that is known to be wrong: Redis does not roll back, and it could not be set back.
    wrong_watermark: Option<u64>,
    why: Option<String>,
}

impl Writer {
    pub(super) fn new(server: Rc<Server>, producer: String) -> Self {
        let producer = Arc::from(producer);
        Self {
            server,
            producer,
            fence: None,
            waiting: VecDeque::new(),
            published: 0,
            sent: 0,
            wrong_watermark: None,
            why: None,
        }
    }

    pub(super) async fn run(mut self, mut queue: UnboundedReceiver<Outgoing>) {
        let mut pauses = pauses();
        loop {
            if self.waiting.is_empty() {
                let Some(next) = queue.recv().await else { return };
                self.waiting.push_back(next);
            }
            while let Ok(next) = queue.try_recv() {
                self.waiting.push_back(next);
            }
            let deadline = self.waiting.iter().map(|outgoing| outgoing.deadline).min();
            let deadline = deadline.unwrap_or_else(Instant::now);
            match timeout_at(deadline, self.turn()).await {
                Ok(Ok(())) => {
                    pauses = super::pauses();
                    self.why = None;
                }
                Ok(Err(error)) => {
                    self.fence = None;
                    self.why = Some(explain(&error));
                    let pause = pauses.next().unwrap_or_default();
                    // Whatever comes first.
                    let _ = timeout_at(deadline, sleep(pause)).await;
                }
                Err(_) => self.fence = None,
            }
            self.withdraw_late();
        }
    }

    /// Rejects what has waited for too long. What was sent may yet arrive, and the error says so.
    fn withdraw_late(&mut self) {
        let now = Instant::now();
        let (late, waiting): (VecDeque<_>, _) =
            self.waiting.drain(..).partition(|outgoing| outgoing.deadline <= now);
        self.waiting = waiting;
        for Outgoing { reply, sent, .. } in late {
            let Error { code, message, .. } = self.server.too_late(self.why.clone());
            let then = match sent {
                None => "the event is not published",
                Some(_) => "whether the event is published is not known",
            };
            reply(Err(Error::new(code, format!("{message}; {then}"))));
        }
    }

    async fn turn(&mut self) -> Result<(), RedisError> {
        let mut fence = match self.fence.take() {
            Some(fence) => fence,
            None => Fence::raise(self.server.connect().await?, self.ground()).await?,
        };
        self.reconcile(&mut fence).await?;
        if self.waiting.is_empty() {
            self.fence = Some(fence);
            return Ok(());
        }
        let mut batch = Vec::new();
        for (outgoing, seq) in self.waiting.iter_mut().take(BATCH).zip(self.published + 1..) {
            outgoing.sent = Some(seq);
            outgoing.event.seq = seq;
            outgoing.event.producer = Arc::clone(&self.producer);
            batch.push(Placed { position: 0, event: Arc::new((*outgoing.event).clone()) });
            self.sent = self.sent.max(seq);
        }
        let last = batch.last().map(|placed| placed.event.seq);
        match fence.publish(&fence.encoder().encode(batch)).await? {
            Outcome::Published(stream_ids) => self.settle(stream_ids),
            // The next turn sees what has become of it.
            Outcome::Overtaken => {}
            Outcome::Refused { stream_ids, error, set_back } => {
                self.settle(stream_ids);
                if set_back {
                    self.sent = self.published;
                    self.waiting.iter_mut().for_each(|outgoing| outgoing.sent = None);
                } else {
                    self.wrong_watermark = last;
                }
                return Err(error);
            }
        }
        self.fence = Some(fence);
        Ok(())
    }

    fn settle(&mut self, stream_ids: Vec<String>) {
        for stream_id in stream_ids {
            let Some(outgoing) = self.waiting.pop_front() else { return };
            self.published += 1;
            outgoing.settle(&stream_id);
        }
    }

    /// Finds out what has become of events that nothing has been heard of. Afterwards nothing is under way.
    async fn reconcile(&mut self, fence: &mut Fence) -> Result<(), RedisError> {
        if fence.guarantee() == Guarantee::ExactlyOnce {
            if fence.watermark().unwrap_or(0) == self.published && self.sent == self.published {
                return Ok(());
            }
            let wrong = self.wrong_watermark;
            let found = loop {
                // An emptied server knows nothing, and numbers are not given twice.
                let found = match fence.watermark() {
                    found if found.is_some() && found == wrong => self.published,
                    found => found.unwrap_or(0).max(self.published),
                };
                // Moves the fence, so that a packet of a dead connection finds it moved.
                if fence.set(found).await? || fence.guarantee() == Guarantee::AtLeastOnce {
                    break found;
                }
            };
            self.wrong_watermark = None;
            self.take_as_published(fence, found).await?;
        }
        self.sent = self.published;
        for outgoing in &mut self.waiting {
            outgoing.sent = None;
        }
        Ok(())
    }

    async fn take_as_published(&mut self, fence: &mut Fence, watermark: u64) -> Result<(), RedisError> {
        let published = self.published;
        let has_arrived =
            |outgoing: &Outgoing| outgoing.sent.is_some_and(|seq| seq > published && seq <= watermark);
        let arrived = self.waiting.iter().filter(|outgoing| has_arrived(outgoing));
        let wanted: HashSet<String> = arrived.map(|outgoing| outgoing.event.event_id()).collect();
        // They are published, whether or not their IDs can be had.
        let found = if wanted.is_empty() {
            HashMap::new()
        } else {
            search::find(fence.connection(), &self.server.redis.stream, wanted).await?
        };
        let (arrived, waiting): (VecDeque<_>, VecDeque<_>) = self.waiting.drain(..).partition(has_arrived);
        self.waiting = waiting;
        self.published = watermark;
        for outgoing in arrived {
            let stream_id = found.get(&outgoing.event.event_id()).cloned().unwrap_or_default();
            outgoing.settle(&stream_id);
        }
        Ok(())
    }

    fn ground(&self) -> Ground {
        Ground {
            stream: self.server.redis.stream.clone(),
            producer: self.producer.to_string(),
            host: crate::platform::machine::host_name(),
            expires: Some(EXPIRES),
            // What others have published has no journey here.
            traces: None,
        }
    }
}
