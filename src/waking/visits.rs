//! A handle of libuv's that has an event loop look in when a descriptor is readable.

use std::cell::Cell;
use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

use napi::sys::uv_loop_s;

use super::guarded;
use super::libuv::{Handle, Libuv, POLL, READABLE};

/// What is watched, which stays open as long as the handle.
pub(super) type Watched = Box<dyn AsFd>;

/// Of the loop's thread alone.
pub(super) struct Visits {
    libuv: Libuv,
    watched: Watched,
    visit: Box<dyn Fn()>,
    is_open: Cell<bool>,
    /// The handle itself: libuv's, who writes there.
    room: *mut [u64],
}

impl Visits {
    /// Has `visit` called on the loop's thread whenever `watched` is readable, until this is closed. It keeps no process alive. None where
    /// the loop takes no such handle.
    ///
    /// # Safety
    /// `event_loop` is one that runs, and this is its thread.
    pub(super) unsafe fn open(
        libuv: Libuv,
        event_loop: *mut uv_loop_s,
        watched: Watched,
        visit: Box<dyn Fn()>,
    ) -> Option<Rc<Self>> {
        let room = libuv.room_for(POLL);
        let visits = Rc::new(Self { libuv, watched, visit, is_open: Cell::new(false), room });
        let handle = visits.handle();
        let fd = visits.watched.as_fd().as_raw_fd();
        // SAFETY: as the caller says; the room stays where it is until the handle is closed, and so does the descriptor.
        unsafe {
            if (libuv.poll_init)(event_loop, handle, fd) != 0 {
                return None;
            }
            // `on_closed` takes this back.
            *handle.cast::<*const Self>() = Rc::into_raw(Rc::clone(&visits));
            visits.is_open.set(true);
            (libuv.unref)(handle);
        }
        visits.begin().then_some(visits)
    }

    /// False where the loop does not watch it; then it is closed.
    fn begin(&self) -> bool {
        // SAFETY: an open handle, and this is the loop's thread.
        let begun = unsafe { (self.libuv.poll_start)(self.handle(), READABLE, on_readable) } == 0;
        if !begun {
            self.close();
        }
        begun
    }

    /// Once: whoever comes later finds it closed.
    pub(super) fn close(&self) {
        if self.is_open.replace(false) {
            // SAFETY: it was open, and this is the loop's thread.
            unsafe { (self.libuv.close)(self.handle(), on_closed) };
        }
    }

    fn handle(&self) -> *mut Handle {
        self.room.cast()
    }
}

impl Drop for Visits {
    fn drop(&mut self) {
        // SAFETY: a box's, which libuv has done with, or has never had.
        drop(unsafe { Box::from_raw(self.room) });
    }
}

/// libuv calls this on the loop's thread.
unsafe extern "C" fn on_readable(handle: *mut Handle, status: c_int, _: c_int) {
    // SAFETY: an open handle. It is held meanwhile: who is called may close it.
    let visits = unsafe {
        let data = *handle.cast::<*const Visits>();
        Rc::increment_strong_count(data);
        Rc::from_raw(data)
    };
    // What panics has been reported, and must not go through libuv.
    let _ = guarded(|| {
        (visits.visit)();
        Ok(())
    });
    // libuv watches no more what had an error.
    if status < 0 && visits.is_open.get() {
        visits.begin();
    }
}

/// libuv calls this once it has done with the handle.
unsafe extern "C" fn on_closed(handle: *mut Handle) {
    // SAFETY: what `open` has given the handle.
    drop(unsafe { Rc::from_raw(*handle.cast::<*const Visits>()) });
}
