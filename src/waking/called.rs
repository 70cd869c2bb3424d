//! A function of JavaScript's, as Node's threadsafe function calls it.

use std::ptr::null_mut;

use napi::bindgen_prelude::{JsValuesTupleIntoVec, ToNapiValue};
use napi::sys::{self, napi_async_context, napi_env, napi_ref, napi_value};
use napi::{Error, JsError, Result, Status};

use super::guarded;
use crate::arguments::Handed;

/// In traces of the host's.
const RESOURCE: &str = "usb-daemon";

/// What each of the calls is made with.
pub(super) type Give = Box<dyn Fn() -> Result<Vec<Handed>>>;

/// Of the thread alone on which it was made.
pub(super) struct Called {
    pub(super) env: napi_env,
    function: napi_ref,
    context: napi_async_context,
    give: Give,
}

impl Called {
    /// Calls `function` with each that `give` gives.
    ///
    /// # Safety
    /// `env` and `function` are those of the call that this is part of, on its thread, and the environment goes after this has.
    pub(super) unsafe fn new(env: napi_env, function: napi_value, give: Give) -> Result<Self> {
        let mut called = Self { env, function: null_mut(), context: null_mut(), give };
        // SAFETY: as the caller says.
        unsafe {
            check(sys::napi_create_reference(env, function, 1, &raw mut called.function))?;
            let name = ToNapiValue::to_napi_value(env, RESOURCE)?;
            // `AsyncLocalStorage` has for a listener what it had for whoever has made the object.
            check(sys::napi_async_init(env, null_mut(), name, &raw mut called.context))?;
        }
        Ok(called)
    }

    /// One call after another. What is thrown is thrown within the callback's scope, and ticks come at its end.
    pub(super) fn call(&self) {
        let env = self.env;
        let (mut scope, mut resource) = (null_mut(), null_mut());
        // SAFETY: as whoever has made this says.
        let within = || unsafe {
            sys::napi_get_global(env, &raw mut resource);
            if sys::napi_open_callback_scope(env, resource, self.context, &raw mut scope)
                == sys::Status::napi_ok
            {
                self.call_each(resource);
                sys::napi_close_callback_scope(env, scope);
            }
        };
        // SAFETY: as above.
        unsafe { with_handles(env, within) };
    }

    /// # Safety
    /// As of `call_within`.
    unsafe fn call_each(&self, this: napi_value) {
        let env = self.env;
        match guarded(&self.give) {
            Ok(each) => {
                for handed in each {
                    // Within handles of its own: what one is given must not outlive a collection that comes while the others are called.
                    // SAFETY: as the caller says.
                    unsafe { with_handles(env, || self.call_within(this, handed)) };
                }
            }
            // SAFETY: as the caller says.
            Err(error) => unsafe { throw(env, JsError::from(error).into_value(env)) },
        }
    }

    /// # Safety
    /// On the thread of `new`, within a scope for handles and one for a callback.
    unsafe fn call_within(&self, this: napi_value, handed: Handed) {
        let env = self.env;
        let (mut function, mut returned, mut thrown) = (null_mut(), null_mut(), null_mut());
        // SAFETY: as the caller says; what has been got is looked at before it is used.
        unsafe {
            let arguments = match guarded(|| handed.into_vec(env)) {
                Ok(arguments) => arguments,
                Err(error) => {
                    // One that is pending would let nobody be called any more.
                    sys::napi_get_and_clear_last_exception(env, &raw mut thrown);
                    return throw(env, JsError::from(error).into_value(env));
                }
            };
            sys::napi_get_reference_value(env, self.function, &raw mut function);
            if function.is_null() {
                return;
            }
            let status = sys::napi_call_function(
                env,
                this,
                function,
                arguments.len(),
                arguments.as_ptr(),
                &raw mut returned,
            );
            if status == sys::Status::napi_pending_exception
                && sys::napi_get_and_clear_last_exception(env, &raw mut thrown) == sys::Status::napi_ok
            {
                throw(env, thrown);
            }
        }
    }
}

/// Does something within a scope for handles; nothing where there can be none.
///
/// # Safety
/// On the thread of an environment that is there.
unsafe fn with_handles(env: napi_env, work: impl FnOnce()) {
    let mut handles = null_mut();
    // SAFETY: as the caller says.
    unsafe {
        if sys::napi_open_handle_scope(env, &raw mut handles) == sys::Status::napi_ok {
            work();
            sys::napi_close_handle_scope(env, handles);
        }
    }
}

/// # Safety
/// On the thread of an environment that is there.
unsafe fn throw(env: napi_env, thrown: napi_value) {
    // SAFETY: as the caller says. Refused where JavaScript runs no more.
    unsafe { sys::napi_fatal_exception(env, thrown) };
}

impl Drop for Called {
    fn drop(&mut self) {
        // SAFETY: as whoever has made this says.
        unsafe {
            if !self.function.is_null() {
                sys::napi_delete_reference(self.env, self.function);
            }
            if !self.context.is_null() {
                sys::napi_async_destroy(self.env, self.context);
            }
        }
    }
}

pub(super) fn check(status: sys::napi_status) -> Result<()> {
    if status == sys::Status::napi_ok {
        return Ok(());
    }
    Err(Error::new(Status::from(status), "the event loop cannot be called from other threads"))
}
