//! The publisher of a program as an object of JavaScript's. Its facade is `js/event-publisher.js`. Every answer is JSON.

use std::sync::{Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::{AsyncTask, PromiseRaw};
use napi::{Env, JsValue, Task};
use napi_derive::napi;
use usb_daemon_core::{Code, Error, EventPublisher, Reply};

use crate::failure::{Result, answer_json, failure};

/// A publisher that connects when it is first asked for something.
#[napi]
pub struct NativeEventPublisher {
    publisher: Mutex<Option<EventPublisher>>,
}

#[napi]
impl NativeEventPublisher {
    /// Checks the configuration, which is the key `redis`.
    #[napi(constructor, catch_unwind)]
    pub fn new(redis: String) -> Result<Self> {
        let publisher = EventPublisher::start(&redis).map_err(failure)?;
        Ok(Self { publisher: Mutex::new(Some(publisher)) })
    }

    /// The ID of the event's entry.
    #[napi(catch_unwind)]
    pub fn publish<'env>(
        &self,
        env: &'env Env,
        action: String,
        info: String,
    ) -> Result<PromiseRaw<'env, String>> {
        self.ask(env, |publisher, reply| publisher.publish(&action, &info, reply))
    }

    /// The last entries, the newest first.
    #[napi(catch_unwind)]
    pub fn recent<'env>(&self, env: &'env Env, count: u32) -> Result<PromiseRaw<'env, String>> {
        self.ask(env, |publisher, reply| publisher.recent(count as usize, reply))
    }

    /// Makes a consumer group.
    #[napi(catch_unwind)]
    pub fn make_group<'env>(&self, env: &'env Env, name: String) -> Result<PromiseRaw<'env, String>> {
        self.ask(env, |publisher, reply| publisher.make_group(name, reply))
    }

    /// Answers what has been asked, then ends and joins the thread, off JavaScript's own.
    #[napi(catch_unwind)]
    pub fn close(&self) -> AsyncTask<Close> {
        AsyncTask::new(Close { publisher: self.publisher().take() })
    }

    /// A promise holds the process until it is settled; an idle publisher does not.
    fn ask<'env>(
        &self,
        env: &'env Env,
        ask: impl FnOnce(&EventPublisher, Reply),
    ) -> Result<PromiseRaw<'env, String>> {
        let system = |error: napi::Error| napi::Error::new(Code::System, error.reason.clone());
        let (deferred, promise) = env.create_deferred().map_err(system)?;
        let reply: Reply = Box::new(move |answer| {
            let answer = answer_json(answer);
            deferred.resolve(move |_| Ok(answer));
        });
        match self.publisher().as_ref() {
            Some(publisher) => ask(publisher, reply),
            None => reply(Err(Error::new(Code::NotRunning, "the publisher is closed: make another one"))),
        }
        Ok(PromiseRaw::new(env.raw(), promise.raw()))
    }

    fn publisher(&self) -> MutexGuard<'_, Option<EventPublisher>> {
        // A panic under the lock has become a JavaScript error; the option it guards is whole.
        self.publisher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Joins the thread on libuv's pool.
pub struct Close {
    publisher: Option<EventPublisher>,
}

impl Task for Close {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<()> {
        if let Some(publisher) = self.publisher.take() {
            publisher.close();
        }
        Ok(())
    }

    fn resolve(&mut self, _env: Env, (): ()) -> napi::Result<()> {
        Ok(())
    }
}
