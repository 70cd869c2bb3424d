//! Waking a thread of JavaScript's from any other thread.
//!
//! By a handle on its event loop where the host is Node, by Node's threadsafe function elsewhere (docs/adr/0018).

#[cfg(unix)]
mod libuv;
#[cfg(unix)]
mod on_loop;
mod threadsafe;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use napi::bindgen_prelude::{Function, JsValuesTupleIntoVec};
use usb_daemon_core::Code;

use crate::arguments::Handed;
use crate::failure::Result;

/// Calls a function of JavaScript's soon, and returns at once. Calls that come before it has run may become one, and those whose caller goes
/// before that none.
pub(crate) type Waking = Arc<dyn Fn() + Send + Sync>;

/// Has `function` called whenever the result is. Weak: whether anything keeps the process alive is the facade's to say, and to take
/// back.
pub(crate) fn waking(function: Function<(), ()>) -> Result<Waking> {
    calling(function, || Ok(()))
}

/// The same, with what `give` gives on the thread of JavaScript's: to ask for it from there would be another way back and forth.
pub(crate) fn handing(
    function: Function<Handed, ()>,
    give: impl Fn() -> Result<Handed> + 'static,
) -> Result<Waking> {
    calling(function, give)
}

fn calling<Arguments: JsValuesTupleIntoVec + 'static>(
    function: Function<Arguments, ()>,
    arguments: impl Fn() -> Result<Arguments> + 'static,
) -> Result<Waking> {
    let give = move || arguments().map_err(|error| napi::Error::from_reason(error.reason.clone()));
    let system = |error: napi::Error| napi::Error::new(Code::System, error.reason.clone());
    #[cfg(unix)]
    if let Some(libuv) = libuv::Libuv::of_host(&function) {
        return on_loop::waking(&function, give, libuv).map_err(system);
    }
    threadsafe::waking(function, give).map_err(system)
}

/// Gives what is called by the host: a panic must not go through that.
fn guarded<Given>(give: impl FnOnce() -> napi::Result<Given>) -> napi::Result<Given> {
    catch_unwind(AssertUnwindSafe(give)).unwrap_or_else(|_| {
        Err(napi::Error::from_reason("what waits could not be given: the addon panicked"))
    })
}
