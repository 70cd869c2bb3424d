//! What the publisher tells of itself: how Redis is, what failed, what was lost.

use redis::RedisError;

use super::explain;
use super::fence::Guarantee;
use super::task::{Destination, Task};
use super::trimming::Lag;
use crate::clock;
use crate::error::{Code, Error};
use crate::notice::{Gap, GapCause, Notice, RedisStatus};
use crate::redis_connection;

impl Task {
    pub(super) fn tell_redis(&self, destination: &Destination, state: Result<Guarantee, &RedisError>) {
        let waiting = usize::try_from(self.outbox.borrow().waiting()).unwrap_or_default();
        self.hub.tell_redis(RedisStatus {
            connected: state.is_ok(),
            address: redis_connection::address(&destination.redis),
            delivery: state.ok(),
            reason: state.err().map(explain),
            waiting,
        });
    }

    pub(super) fn tell_error(&self, error: Error) {
        tracing::error!(code = error.code.as_str(), "{error}");
        self.hub.tell(&Notice::Error { error, context: "redis" });
    }

    pub(super) fn tell_faults(&self) {
        let faults = self.outbox.borrow_mut().take_faults();
        for error in faults {
            tracing::error!(code = error.code.as_str(), "{error}");
            self.hub.tell(&Notice::Error { error, context: "outbox" });
        }
    }

    /// Whoever may add entries need not have the right to look at them.
    pub(super) fn tell_untrimmed(&self, error: &RedisError) {
        if !self.untrimmed.replace(true) {
            let reason = explain(error);
            self.tell_error(Error::new(
                Code::Lag,
                format!(
                    "the stream is not trimmed to redis.maxlen: {reason}; that takes XLEN, XRANGE, XINFO, XPENDING and \
                     XDEL on the stream"
                ),
            ));
        }
    }

    /// A group that keeps the stream from being trimmed is named when it begins to, and before.
    pub(super) fn tell_lag(&self, lag: Option<Lag>, maxlen: u64) {
        let said = lag.as_ref().map(|lag| (lag.group.clone(), lag.over));
        if self.lag.replace(said.clone()) == said {
            return;
        }
        if let Some(lag) = lag {
            self.tell_error(lag.into_error(maxlen));
        }
    }

    /// An outbox in memory ends with the daemon: what Redis has not taken by now it never gets.
    pub(super) fn tell_unpublished(&self) {
        let outbox = self.outbox.borrow();
        let waiting = outbox.waiting();
        if waiting > 0 && outbox.is_durable() {
            tracing::info!(waiting, "events stay in the outbox and are published after the next start");
        } else if waiting > 0 && outbox.publishes() {
            let message =
                format!("unpublished events: {waiting}; redis did not take them before the daemon stopped");
            self.hub.tell(&Notice::Error { error: Error::new(Code::Redis, message), context: "redis" });
        } else if waiting > 0 {
            let message = format!("events that could not be stored before the daemon stopped: {waiting}");
            self.hub.tell(&Notice::Error { error: Error::new(Code::Outbox, message), context: "outbox" });
        }
    }

    pub(super) fn tell_lost(&self) {
        let lost = self.outbox.borrow_mut().take_lost();
        if lost > 0 {
            tracing::error!(lost, "outbox full, events dropped");
            self.hub.tell(&Notice::Gap(Gap {
                source: "outbox",
                cause: GapCause::OutboxFull,
                lost: Some(lost),
                timestamp: clock::now_ms(),
                synthesized: 0,
            }));
        }
    }
}
