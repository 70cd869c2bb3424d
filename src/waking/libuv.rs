//! What is used of the host's libuv: looked up in the process, because a host need not have it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;

use napi::bindgen_prelude::{Function, JsObjectValue, JsValuesTupleIntoVec, Object};
use napi::sys::{napi_env, napi_get_and_clear_last_exception, napi_status, uv_loop_s};
use napi::{Env, JsValue};

/// Kinds of `uv_handle_type`.
pub(super) const ASYNC: c_int = 1;
pub(super) const POLL: c_int = 8;
/// `UV_READABLE` of `uv_poll_event`.
pub(super) const READABLE: c_int = 1;

pub(super) type Handle = c_void;
pub(super) type OnHandle = unsafe extern "C" fn(*mut Handle);
/// With a status, and what there is.
pub(super) type OnPoll = unsafe extern "C" fn(*mut Handle, c_int, c_int);

/// Functions of libuv 1, whose ABI does not change.
#[derive(Clone, Copy)]
pub(super) struct Libuv {
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    pub(super) async_init: unsafe extern "C" fn(*mut uv_loop_s, *mut Handle, OnHandle) -> c_int,
    pub(super) async_send: unsafe extern "C" fn(*mut Handle) -> c_int,
    pub(super) poll_init: unsafe extern "C" fn(*mut uv_loop_s, *mut Handle, c_int) -> c_int,
    pub(super) poll_start: unsafe extern "C" fn(*mut Handle, c_int, OnPoll) -> c_int,
    pub(super) close: unsafe extern "C" fn(*mut Handle, OnHandle),
    pub(super) unref: unsafe extern "C" fn(*mut Handle),
    pub(super) loop_of: unsafe extern "C" fn(napi_env, *mut *mut uv_loop_s) -> napi_status,
}

impl Libuv {
    /// That of the host of this function. None where that is another one than Node, even if it has functions of these names, as Bun has, and
    /// where what is found in the process is not the libuv that Node runs on.
    pub(super) fn of_host<Arguments: JsValuesTupleIntoVec>(
        function: &Function<Arguments, ()>,
    ) -> Option<Self> {
        let env = function.value().env;
        let Ok(version) = version_of_node(Env::from_raw(env)) else {
            let mut thrown = null_mut();
            // SAFETY: `env` is that of the call that this is part of. Whatever was thrown was no answer.
            unsafe { napi_get_and_clear_last_exception(env, &raw mut thrown) };
            return None;
        };
        let (libuv, found) = Self::find()?;
        (version? == found).then_some(libuv)
    }

    /// Room for a handle of this kind, a box's: whoever has it gives it back once libuv has done with it.
    pub(super) fn room_for(self, kind: c_int) -> *mut [u64] {
        // SAFETY: looks into a table.
        let size = unsafe { (self.handle_size)(kind) };
        Box::into_raw(vec![0; size.div_ceil(size_of::<u64>())].into_boxed_slice())
    }

    /// With its version.
    fn find() -> Option<(Self, String)> {
        // SAFETY: each is declared here as libuv's and Node's headers have it; the version is a constant.
        unsafe {
            let version: unsafe extern "C" fn() -> *const c_char = symbol(c"uv_version_string")?;
            let found = Self {
                handle_size: symbol(c"uv_handle_size")?,
                async_init: symbol(c"uv_async_init")?,
                async_send: symbol(c"uv_async_send")?,
                poll_init: symbol(c"uv_poll_init")?,
                poll_start: symbol(c"uv_poll_start")?,
                close: symbol(c"uv_close")?,
                unref: symbol(c"uv_unref")?,
                loop_of: symbol(c"napi_get_uv_event_loop")?,
            };
            Some((found, CStr::from_ptr(version()).to_string_lossy().into_owned()))
        }
    }
}

/// `process.versions.uv`, where the host is Node.
fn version_of_node(env: Env) -> napi::Result<Option<String>> {
    let process: Object = env.get_global()?.get_named_property("process")?;
    let versions: Object = process.get_named_property("versions")?;
    if versions.has_named_property("bun")? || versions.has_named_property("deno")? {
        return Ok(None);
    }
    versions.get_named_property("uv").map(Some)
}

/// # Safety
/// `Signature` is a pointer to a function, of the kind that has this name.
unsafe fn symbol<Signature: Copy>(name: &CStr) -> Option<Signature> {
    const { assert!(size_of::<Signature>() == size_of::<*mut c_void>()) }
    // SAFETY: the name ends with a zero.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    // SAFETY: of the same size, and of this type as the caller says.
    (!found.is_null()).then(|| unsafe { std::mem::transmute_copy(&found) })
}
