//! By Node's threadsafe function, which every host has.

use std::sync::Arc;

use napi::bindgen_prelude::{Function, JsValuesTupleIntoVec};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;

use super::{Waking, guarded};

pub(super) fn waking<Arguments: JsValuesTupleIntoVec + 'static>(
    function: Function<Arguments, ()>,
    give: impl Fn() -> napi::Result<Arguments> + 'static,
) -> napi::Result<Waking> {
    let function =
        function.build_threadsafe_function::<()>().weak::<true>().build_callback(move |_| guarded(&give))?;
    Ok(Arc::new(move || {
        // Refused only while the environment is being torn down: nobody is left to be woken.
        let _ = function.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }))
}
