//! Waking a thread of JavaScript's from any other thread.
//!
//! By a handle on its event loop where the host is Node, by Node's threadsafe function elsewhere (docs/adr/0018).

#[cfg(unix)]
mod called;
#[cfg(unix)]
mod libuv;
#[cfg(unix)]
mod on_loop;
mod threadsafe;
#[cfg(unix)]
mod visits;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use napi::Error;
use napi::bindgen_prelude::{Function, JsValuesTupleIntoVec};
use usb_daemon_core::Code;

use crate::arguments::Handed;
use crate::failure::Result;

/// Calls a function of JavaScript's soon, and returns at once. Calls that come before it has run may become one, and those whose caller goes
/// before that none.
pub(crate) type Waking = Arc<dyn Fn() + Send + Sync>;

/// What an event loop does when it looks in: it is given what gives what waits.
#[cfg(unix)]
pub(crate) type Visit = Box<dyn Fn(&dyn Fn())>;

/// What wakes a thread of JavaScript's, and what that thread may look in for by itself.
pub(crate) struct Handing {
    pub(crate) wake: Waking,
    /// None where the loop takes no handles of ours.
    #[cfg(unix)]
    on_loop: Option<on_loop::OnLoop>,
}

impl Handing {
    /// Calls with what waits, on the event loop's thread. False where what waits is not given by calls.
    #[cfg_attr(not(unix), expect(clippy::unused_self, reason = "there is nothing to call by"))]
    pub(crate) fn give(&self) -> bool {
        #[cfg(unix)]
        if let Some(on_loop) = &self.on_loop {
            return on_loop.give();
        }
        false
    }
}

#[cfg(unix)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nothing there is worth a visit"))]
impl Handing {
    /// Whether the event loop can look in by itself.
    pub(crate) fn takes_visits(&self) -> bool {
        self.on_loop.is_some()
    }

    /// Has the event loop look in by `visit` whenever `watched` is readable, until it is to do so no more. On that loop's thread.
    pub(crate) fn attend(&self, watched: impl std::os::fd::AsFd + 'static, visit: Visit) {
        if let Some(on_loop) = &self.on_loop {
            on_loop.attend(Box::new(watched), visit);
        }
    }

    /// On that loop's thread.
    pub(crate) fn withdraw(&self) {
        if let Some(on_loop) = &self.on_loop {
            on_loop.withdraw();
        }
    }
}

/// Has `function` called whenever the result is. Weak: whether anything keeps the process alive is the facade's to say, and to take
/// back.
pub(crate) fn waking(function: Function<(), ()>) -> Result<Waking> {
    calling(function, || Ok(vec![Handed::Nothing]), || Ok(())).map(|handing| handing.wake)
}

/// The same, with what `each` gives on the thread of JavaScript's, a call for each: to ask for it from there would be another way back and
/// forth. A host whose wake-up is one call is given `all` at once.
pub(crate) fn handing(
    function: Function<Handed, ()>,
    each: impl Fn() -> Result<Vec<Handed>> + 'static,
    all: impl Fn() -> Result<Handed> + 'static,
) -> Result<Handing> {
    calling(function, each, all)
}

fn calling<Arguments: JsValuesTupleIntoVec + 'static>(
    function: Function<Arguments, ()>,
    each: impl Fn() -> Result<Vec<Handed>> + 'static,
    all: impl Fn() -> Result<Arguments> + 'static,
) -> Result<Handing> {
    let reason = |error: Error<Code>| napi::Error::from_reason(error.reason.clone());
    let system = |error: napi::Error| napi::Error::new(Code::System, error.reason.clone());
    #[cfg(unix)]
    if let Some(libuv) = libuv::Libuv::of_host(&function) {
        let each = Box::new(move || each().map_err(reason));
        let (wake, on_loop) = on_loop::waking(&function, each, libuv).map_err(system)?;
        return Ok(Handing { wake, on_loop: Some(on_loop) });
    }
    #[cfg(not(unix))]
    drop(each);
    let wake = threadsafe::waking(function, move || all().map_err(reason)).map_err(system)?;
    Ok(Handing {
        wake,
        #[cfg(unix)]
        on_loop: None,
    })
}

/// Gives what is called by the host: a panic must not go through that.
fn guarded<Given>(give: impl FnOnce() -> napi::Result<Given>) -> napi::Result<Given> {
    catch_unwind(AssertUnwindSafe(give)).unwrap_or_else(|_| {
        Err(napi::Error::from_reason("what waits could not be given: the addon panicked"))
    })
}
