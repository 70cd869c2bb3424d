//! A member of a consumer group as an object of JavaScript's. Its facade is `js/consumer.js`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use napi::bindgen_prelude::{Function, PromiseRaw};
use napi::{Env, JsDeferred, JsValue};
use napi_derive::napi;
use usb_daemon_core::{Abandonment, Code, Consumer, ConsumerConfig, Handover, LAST_FLUSH, Log, Member};

use crate::failure::{Result, failure};
use crate::log::NativeLog;
use crate::telemetry::NativeTelemetry;
use crate::waking::{Waking, waking};

type Answer = fn(Env) -> napi::Result<()>;

/// A consumer that can be started once.
#[napi]
pub struct NativeConsumer {
    config: ConsumerConfig,
    wake: Waking,
    log: Arc<Log>,
    // Behind a lock, because a stop under way shares this object with the calls that come meanwhile.
    run: Mutex<Run>,
}

#[derive(Default)]
struct Run {
    consumer: Option<Consumer>,
    /// Its part in what this process exports.
    member: Option<Member>,
    /// Kept after the stop: what it has not told yet can still be taken.
    handover: Option<Arc<Handover>>,
    /// Kept after the stop, which may wait for a handler whose environment has ended.
    abandonment: Option<Abandonment>,
}

impl Drop for Run {
    /// Nobody is left who could be done with an event.
    fn drop(&mut self) {
        if let Some(abandonment) = &self.abandonment {
            abandonment.abandon();
        }
    }
}

#[napi]
impl NativeConsumer {
    /// Checks the configuration. `wake` is called once whenever notices begin to wait; lines go to `log`.
    #[napi(constructor, catch_unwind)]
    pub fn new(config: String, wake: Function<(), ()>, log: &NativeLog) -> Result<Self> {
        let config = ConsumerConfig::from_json(&config).map_err(failure)?;
        Ok(Self { config, wake: waking(wake)?, log: log.shared(), run: Mutex::default() })
    }

    /// Starts its thread. Its lines go to `telemetry`, too.
    #[napi(catch_unwind)]
    pub fn start(&self, telemetry: Option<&NativeTelemetry>) -> Result<()> {
        let wake = Arc::clone(&self.wake);
        let wake = Box::new(move || wake());
        let telemetry = telemetry.map(NativeTelemetry::shared);
        self.log.export(telemetry.clone());
        // The exporter's lines too: where there is no daemon, nobody else hears them.
        let started = self.log.within(|| {
            let member = telemetry.map(|telemetry| telemetry.join(None)).transpose()?;
            Ok((member, Consumer::start(self.config.clone(), wake)?))
        });
        let (member, consumer) = started.map_err(|error| {
            self.log.export(None);
            failure(error)
        })?;
        let mut run = self.run();
        run.handover = Some(Arc::clone(consumer.handover()));
        run.abandonment = Some(consumer.abandonment());
        run.consumer = Some(consumer);
        run.member = member;
        Ok(())
    }

    /// Up to `limit` notices as JSON: `{ more, notices }`. Until `more` is false there is no further wake-up.
    #[napi(catch_unwind)]
    pub fn take(&self, limit: u32) -> Result<String> {
        let handover = self.run().handover.clone();
        let (notices, more) =
            handover.map_or_else(Default::default, |handover| handover.take(limit as usize));
        let notices = serde_json::to_string(&notices)
            .map_err(|error| napi::Error::new(Code::System, format!("notices cannot be written: {error}")))?;
        Ok(format!("{{\"more\":{more},\"notices\":{notices}}}"))
    }

    /// The handler is done with the event of this ticket; `error` says why not.
    #[napi(catch_unwind)]
    pub fn settle(&self, ticket: f64, error: Option<String>) {
        if let Some(handover) = self.run().handover.clone() {
            handover.settle(number(ticket), error.map_or(Ok(()), Err));
        }
    }

    /// The event of this ticket has come after the stop, and no handler gets it.
    #[napi(catch_unwind)]
    pub fn release(&self, ticket: f64) {
        if let Some(handover) = self.run().handover.clone() {
            handover.release(number(ticket));
        }
    }

    /// Waits for the events that the handler has, then ends and joins the thread. Not on libuv's pool: a handler may need
    /// that to come to its end, and the end of the process waits for it.
    #[napi(catch_unwind)]
    pub fn stop<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, ()>> {
        let (consumer, member) = {
            let mut run = self.run();
            (run.consumer.take(), run.member.take())
        };
        // A handler that stops its consumer gets nothing after that.
        if let Some(consumer) = &consumer {
            consumer.finish();
        }
        let (give, given) = mpsc::channel::<JsDeferred<(), Answer>>();
        let log = Arc::clone(&self.log);
        let join = move || {
            log.within(|| {
                if let Some(consumer) = consumer {
                    consumer.stop();
                }
                if let Some(member) = member {
                    member.leave(LAST_FLUSH);
                }
            });
            log.export(None);
            // None where it could not be made: the caller knows.
            if let Ok(deferred) = given.recv() {
                deferred.resolve(|_| Ok(()));
            }
        };
        thread::Builder::new()
            .name("aw-consumer-end".into())
            .spawn(join)
            .map_err(|error| napi::Error::new(Code::System, format!("no thread for the stop: {error}")))?;
        // Only now: one that is never settled would hold the process for ever.
        let (deferred, promise) =
            env.create_deferred().map_err(|error| napi::Error::new(Code::System, error.reason.clone()))?;
        // The thread waits for it.
        let _ = give.send(deferred);
        Ok(PromiseRaw::new(env.raw(), promise.raw()))
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        // A panic under the lock has become a JavaScript error; the two options it guards are whole.
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A ticket that has been to JavaScript and back.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was ours to begin with")]
fn number(ticket: f64) -> u64 {
    ticket as u64
}
