//! By a handle of libuv's on the event loop.
//!
//! Node's threadsafe function wakes JavaScript's thread under a lock that this thread takes next. Where both share a processor, whoever is
//! woken runs at once, finds the lock taken and goes back to sleep, behind all that waits for the processor by then.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use napi::bindgen_prelude::{Function, JsValuesTupleIntoVec, ToNapiValue};
use napi::sys::{self, napi_async_cleanup_hook_handle, napi_async_context, napi_env, napi_ref, napi_value};
use napi::{Error, JsError, JsValue, Result, Status};

use super::libuv::{Handle, Libuv};
use super::{Waking, guarded};

/// In traces of the host's.
const RESOURCE: &str = "usb-daemon";

type Give = Box<dyn Fn(napi_env) -> Result<Vec<napi_value>>>;

/// What both sides have.
struct Shared {
    libuv: Libuv,
    /// None before it is open, and once it is closed. Many wake at once; only the loop's thread writes.
    handle: RwLock<Option<Open>>,
    /// Nobody is left who would wake.
    is_released: AtomicBool,
}

struct Open(*mut Handle);

// SAFETY: other threads than the loop's do nothing with it but `async_send`, which is there for that.
unsafe impl Send for Open {}
// SAFETY: as above; several may do so at once.
unsafe impl Sync for Open {}

/// The side that wakes.
struct Waker(Arc<Shared>);

/// The side that is woken: the handle's data, of the loop's thread alone.
struct Woken {
    shared: Arc<Shared>,
    env: napi_env,
    function: napi_ref,
    context: napi_async_context,
    hook: Cell<napi_async_cleanup_hook_handle>,
    give: Give,
    /// The handle itself: libuv's, who writes there.
    room: *mut [u64],
}

pub(super) fn waking<Arguments: JsValuesTupleIntoVec + 'static>(
    function: &Function<Arguments, ()>,
    give: impl Fn() -> Result<Arguments> + 'static,
    libuv: Libuv,
) -> Result<Waking> {
    let give: Give = Box::new(move |env| guarded(|| give()?.into_vec(env)));
    let waker = open(function.value().env, function.value().value, give, libuv)?;
    Ok(Arc::new(move || waker.wake()))
}

impl Waker {
    fn wake(&self) {
        // JavaScript's thread takes this lock only to close.
        if let Some(Open(handle)) = &*self.0.handle.read().unwrap_or_else(PoisonError::into_inner) {
            // SAFETY: it is open as long as it stands there, and any thread may do this.
            unsafe { (self.0.libuv.async_send)(*handle) };
        }
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.0.is_released.store(true, Ordering::Release);
        self.wake();
    }
}

impl Shared {
    fn handle(&self) -> RwLockWriteGuard<'_, Option<Open>> {
        // Nothing under this lock panics.
        self.handle.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(env: napi_env, function: napi_value, give: Give, libuv: Libuv) -> Result<Waker> {
    let shared = Arc::new(Shared { libuv, handle: RwLock::new(None), is_released: AtomicBool::new(false) });
    let room = vec![0; libuv.size_of_async().div_ceil(size_of::<u64>())].into_boxed_slice();
    let mut woken = Woken {
        shared: Arc::clone(&shared),
        env,
        function: null_mut(),
        context: null_mut(),
        hook: Cell::new(null_mut()),
        give,
        room: Box::into_raw(room),
    };
    let mut event_loop = null_mut();
    // SAFETY: `env` and `function` are those of the call that this is part of, on its thread.
    unsafe {
        check((libuv.loop_of)(env, &raw mut event_loop))?;
        check(sys::napi_create_reference(env, function, 1, &raw mut woken.function))?;
        let name = ToNapiValue::to_napi_value(env, RESOURCE)?;
        // `AsyncLocalStorage` has for a listener what it had for whoever has made the object.
        check(sys::napi_async_init(env, null_mut(), name, &raw mut woken.context))?;
    }
    let handle: *mut Handle = woken.room.cast();
    // SAFETY: a loop that runs, on its own thread, and room for a handle that stays where it is until that is closed.
    if unsafe { (libuv.async_init)(event_loop, handle, on_woken) } != 0 {
        return Err(Error::from_reason("the event loop takes no handle"));
    }
    *shared.handle() = Some(Open(handle));
    let woken = Rc::new(woken);
    // SAFETY: as above; from here on `on_closed` lets go of what the handle has.
    unsafe {
        *handle.cast::<*const Woken>() = Rc::into_raw(Rc::clone(&woken));
        (libuv.unref)(handle);
        let data = Rc::as_ptr(&woken).cast_mut().cast();
        let added = sys::napi_add_async_cleanup_hook(env, Some(on_end), data, woken.hook.as_ptr());
        if let Err(error) = check(added) {
            woken.close();
            return Err(error);
        }
    }
    Ok(Waker(shared))
}

/// Of a handle of `open`'s: the first of a handle's fields is its owner's.
///
/// # Safety
/// It is not closed yet, and this is its loop's thread.
unsafe fn data_of(handle: *mut Handle) -> *const Woken {
    // SAFETY: as above; `open` has put it there.
    unsafe { *handle.cast::<*const Woken>() }
}

/// libuv calls this on the loop's thread.
unsafe extern "C" fn on_woken(handle: *mut Handle) {
    // SAFETY: an open handle. It is held meanwhile: who is called may run the loop, which may close the handle.
    let woken = unsafe {
        let data = data_of(handle);
        Rc::increment_strong_count(data);
        Rc::from_raw(data)
    };
    if woken.shared.is_released.load(Ordering::Acquire) {
        woken.close();
    } else {
        woken.call();
    }
}

/// Node calls this where the environment ends, as a worker does, and waits for the hook to be removed.
unsafe extern "C" fn on_end(_: napi_async_cleanup_hook_handle, woken: *mut c_void) {
    // SAFETY: whoever drops it removes the hook.
    unsafe { &*woken.cast::<Woken>() }.close();
}

/// libuv calls this once it has done with the handle.
unsafe extern "C" fn on_closed(handle: *mut Handle) {
    // SAFETY: what `open` has given the handle.
    drop(unsafe { Rc::from_raw(data_of(handle)) });
}

impl Woken {
    /// Once: whoever comes later finds it closed.
    fn close(&self) {
        let open = self.shared.handle().take();
        if let Some(Open(handle)) = open {
            // SAFETY: it was open, nobody wakes by it any more, and this is the loop's thread.
            unsafe { (self.shared.libuv.close)(handle, on_closed) };
        }
    }

    /// As Node's threadsafe function calls: what is thrown is thrown within the callback's scope, and ticks come at its end.
    fn call(&self) {
        let env = self.env;
        let (mut handles, mut scope, mut resource) = (null_mut(), null_mut(), null_mut());
        // SAFETY: on the loop's thread, with an environment that waits for this handle to be closed before it goes.
        unsafe {
            if sys::napi_open_handle_scope(env, &raw mut handles) != sys::Status::napi_ok {
                return;
            }
            sys::napi_get_global(env, &raw mut resource);
            let opened = sys::napi_open_callback_scope(env, resource, self.context, &raw mut scope);
            if opened == sys::Status::napi_ok {
                if let Err(thrown) = self.call_within(resource) {
                    // Refused where JavaScript runs no more.
                    sys::napi_fatal_exception(env, thrown);
                }
                sys::napi_close_callback_scope(env, scope);
            }
            sys::napi_close_handle_scope(env, handles);
        }
    }

    /// What is thrown is the error.
    ///
    /// # Safety
    /// On the loop's thread, within a scope for handles and one for a callback.
    unsafe fn call_within(&self, this: napi_value) -> std::result::Result<(), napi_value> {
        let env = self.env;
        let (mut function, mut returned, mut thrown) = (null_mut(), null_mut(), null_mut());
        // SAFETY: as the caller says; what has been got is looked at before it is used.
        unsafe {
            let arguments = (self.give)(env).map_err(|error| {
                // One that is pending would let nobody be called any more.
                sys::napi_get_and_clear_last_exception(env, &raw mut thrown);
                JsError::from(error).into_value(env)
            })?;
            sys::napi_get_reference_value(env, self.function, &raw mut function);
            if function.is_null() {
                return Ok(());
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
                return Err(thrown);
            }
        }
        Ok(())
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        // SAFETY: on the loop's thread, of an environment that is there until its hook is removed, which comes last; `room` is a box's,
        // and libuv has done with it.
        unsafe {
            drop(Box::from_raw(self.room));
            if !self.function.is_null() {
                sys::napi_delete_reference(self.env, self.function);
            }
            if !self.context.is_null() {
                sys::napi_async_destroy(self.env, self.context);
            }
            if !self.hook.get().is_null() {
                sys::napi_remove_async_cleanup_hook(self.hook.get());
            }
        }
    }
}

fn check(status: sys::napi_status) -> Result<()> {
    if status == sys::Status::napi_ok {
        return Ok(());
    }
    Err(Error::new(Status::from(status), "the event loop cannot be called from other threads"))
}
