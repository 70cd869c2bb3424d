//! Waking a thread of JavaScript's from any other thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use napi::bindgen_prelude::{Function, JsValuesTupleIntoVec};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use usb_daemon_core::Code;

use crate::arguments::Handed;
use crate::failure::Result;

/// Calls a function of JavaScript's soon, and returns at once.
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
    let function = function
        .build_threadsafe_function::<()>()
        .weak::<true>()
        .build_callback(move |_| {
            // N-API calls this: a panic must not go through it.
            let given = catch_unwind(AssertUnwindSafe(&arguments));
            let given = given
                .map_err(|_| napi::Error::from_reason("what waits could not be given: the addon panicked"))?;
            given.map_err(|error| napi::Error::from_reason(error.reason.clone()))
        })
        .map_err(|error| napi::Error::new(Code::System, error.reason.clone()))?;
    Ok(Arc::new(move || {
        // Refused only while the environment is being torn down: nobody is left to be woken.
        let _ = function.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }))
}
