//! By a handle of libuv's on the event loop.
//!
//! Node's threadsafe function wakes JavaScript's thread under a lock that this thread takes next. Where both share a processor, whoever is
//! woken runs at once, finds the lock taken and goes back to sleep, behind all that waits for the processor by then.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use napi::bindgen_prelude::{Function, JsValuesTupleIntoVec};
use napi::sys::{self, napi_async_cleanup_hook_handle, napi_env, napi_value};
use napi::{Error, JsValue, Result};

use super::called::{Called, Give, check};
use super::libuv::{ASYNC, Handle, Libuv};
use super::visits::{Visits, Watched};
use super::{Visit, Waking};

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
    called: Called,
    /// The handle itself: libuv's, who writes there.
    room: *mut [u64],
    visits: RefCell<Option<Rc<Visits>>>,
    /// Last: the environment waits for it.
    hook: Hook,
}

/// What tells that the environment ends.
struct Hook(Cell<napi_async_cleanup_hook_handle>);

pub(super) fn waking<Arguments: JsValuesTupleIntoVec + 'static>(
    function: &Function<Arguments, ()>,
    give: Give,
    libuv: Libuv,
) -> Result<(Waking, OnLoop)> {
    let (waker, on_loop) = open(function.value().env, function.value().value, give, libuv)?;
    Ok((Arc::new(move || waker.wake()), on_loop))
}

/// The side that is woken, for others on its thread.
pub(super) struct OnLoop(Weak<Woken>);

impl OnLoop {
    /// Looks in whenever `watched` is readable, in the place of what it looked for before. Where there is something to be given, that is
    /// given as if it had been woken.
    pub(super) fn attend(&self, watched: Watched, visit: Visit) {
        let Some(woken) = self.0.upgrade() else { return };
        woken.withdraw();
        if woken.shared.handle().is_none() {
            return;
        }
        let mut event_loop = null_mut();
        // SAFETY: an environment that is there as long as the handle is, on its thread.
        if unsafe { check((woken.shared.libuv.loop_of)(woken.called.env, &raw mut event_loop)) }.is_err() {
            return;
        }
        let who = Rc::downgrade(&woken);
        let visit = Box::new(move || {
            if let Some(woken) = who.upgrade() {
                visit(&|| woken.called.call());
            }
        });
        // SAFETY: that environment's loop.
        let visits = unsafe { Visits::open(woken.shared.libuv, event_loop, watched, visit) };
        woken.visits.replace(visits);
    }

    /// Gives what waits, as if it had been woken. False where it can be woken no more.
    pub(super) fn give(&self) -> bool {
        let woken = self.0.upgrade();
        if let Some(woken) = &woken {
            woken.called.call();
        }
        woken.is_some()
    }

    /// Looks in no more.
    pub(super) fn withdraw(&self) {
        if let Some(woken) = self.0.upgrade() {
            woken.withdraw();
        }
    }
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

fn open(env: napi_env, function: napi_value, give: Give, libuv: Libuv) -> Result<(Waker, OnLoop)> {
    let shared = Arc::new(Shared { libuv, handle: RwLock::new(None), is_released: AtomicBool::new(false) });
    let mut event_loop = null_mut();
    // SAFETY: `env` and `function` are those of the call that this is part of, on its thread. The hook has the environment wait.
    let called = unsafe {
        check((libuv.loop_of)(env, &raw mut event_loop))?;
        Called::new(env, function, give)?
    };
    let woken = Woken {
        shared: Arc::clone(&shared),
        called,
        room: libuv.room_for(ASYNC),
        visits: RefCell::default(),
        hook: Hook(Cell::new(null_mut())),
    };
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
        let added = sys::napi_add_async_cleanup_hook(env, Some(on_end), data, woken.hook.0.as_ptr());
        if let Err(error) = check(added) {
            woken.close();
            return Err(error);
        }
    }
    Ok((Waker(shared), OnLoop(Rc::downgrade(&woken))))
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
        woken.called.call();
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
        self.withdraw();
        let open = self.shared.handle().take();
        if let Some(Open(handle)) = open {
            // SAFETY: it was open, nobody wakes by it any more, and this is the loop's thread.
            unsafe { (self.shared.libuv.close)(handle, on_closed) };
        }
    }

    fn withdraw(&self) {
        if let Some(visits) = self.visits.take() {
            visits.close();
        }
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        // SAFETY: a box's, and libuv has done with it.
        drop(unsafe { Box::from_raw(self.room) });
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        if !self.0.get().is_null() {
            // SAFETY: on the loop's thread, of an environment that is there until then.
            unsafe { sys::napi_remove_async_cleanup_hook(self.0.get()) };
        }
    }
}
