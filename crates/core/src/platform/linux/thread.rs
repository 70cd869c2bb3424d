//! The calling thread, and those that a library starts on it.

use std::ffi::CString;
use std::fs;

use rustix::process::setpriority_process;
use rustix::thread::{gettid, set_name};

/// Added to the niceness of threads that come after others.
const NICENESS: i32 = 10;
const OWN_THREADS: &str = "/proc/self/task";

/// Has this thread, and those that it starts, come after all others. On Linux this is the calling thread's alone; where it is
/// refused, it is merely as eager as everybody.
pub(crate) fn stand_back() {
    let _ = setpriority_process(None, NICENESS);
}

/// Has this thread run only where nobody else wants to. A processor that does its work counts as a free one: whoever is woken need not
/// wait for it, or go elsewhere. There is no way back.
pub(crate) fn stand_aside() {
    give_way(0);
}

/// Threads that a library starts on the calling thread without giving them a name: theirs is that of whoever starts them.
pub(crate) struct Offspring(String);

impl Offspring {
    /// The calling thread takes a name that no other has, for now.
    pub(crate) fn expect() -> Self {
        let name = format!("aw-{}", gettid().as_raw_nonzero());
        rename(&name);
        Self(name)
    }

    /// Names those that have been started, and the calling thread. With `aside` they run only where nobody else wants to.
    pub(crate) fn settle(self, name: &str, own_name: &str, aside: bool) {
        let own = gettid().as_raw_nonzero().get();
        rename(own_name);
        for entry in fs::read_dir(OWN_THREADS).into_iter().flatten().flatten() {
            let Some(thread) = entry.file_name().to_str().and_then(|thread| thread.parse::<i32>().ok())
            else {
                continue;
            };
            let path = entry.path().join("comm");
            if thread == own || fs::read_to_string(&path).is_ok_and(|found| found.trim_end() != self.0) {
                continue;
            }
            // One that ends meanwhile needs neither.
            let _ = fs::write(&path, name);
            if aside {
                give_way(thread);
            }
        }
    }
}

fn rename(name: &str) {
    if let Ok(name) = CString::new(name) {
        let _ = set_name(&name);
    }
}

/// Where it is refused the thread goes on as before.
fn give_way(thread: i32) {
    // SAFETY: a `sched_param` has numbers only.
    let parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    // Not by the C library's function, which does nothing in musl.
    // SAFETY: 0 is the calling thread, others are this process's own; the kernel reads one `sched_param`.
    unsafe { libc::syscall(libc::SYS_sched_setscheduler, thread, libc::SCHED_IDLE, &raw const parameter) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn threads_that_a_library_starts_get_a_name_and_stand_aside_and_no_others_do() {
        let (tell, thread) = channel::<i32>();
        let (end, ended) = channel::<()>();
        let starter = std::thread::spawn(move || {
            let offspring = Offspring::expect();
            let child = std::thread::spawn(move || {
                let _ = tell.send(gettid().as_raw_nonzero().get());
                let _ = ended.recv();
            });
            let child_id = thread.recv().expect("it runs");
            offspring.settle("aw-test-child", "aw-test-start", true);
            (child_id, gettid().as_raw_nonzero().get(), child)
        });
        let (child, _, handle) = starter.join().expect("no panic");
        let read =
            |file: &str| fs::read_to_string(format!("{OWN_THREADS}/{child}/{file}")).expect("a thread");
        assert_eq!(read("comm").trim_end(), "aw-test-child");
        // SAFETY: asks about a thread of this process.
        let policy = |thread: i32| unsafe { libc::syscall(libc::SYS_sched_getscheduler, thread) };
        assert_eq!(policy(child), libc::c_long::from(libc::SCHED_IDLE));
        assert_eq!(policy(0), libc::c_long::from(libc::SCHED_OTHER));
        end.send(()).expect("it waits");
        handle.join().expect("no panic");
    }
}
