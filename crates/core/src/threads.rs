//! Threads: each has a name, and says what it has to say where whoever started it does.

use std::io;
use std::thread::{Builder, JoinHandle};
#[cfg(not(windows))]
use std::time::Duration;

use tracing::Dispatch;
use tracing::dispatcher::{get_default, with_default};

/// So long whatever only confirms, or is not waited for, lies before a thread is woken for it or goes on with it. By then the event that
/// it is about has been told and published, by threads that would have to share a processor with that one.
#[cfg(not(windows))]
pub(crate) const STANDS_ASIDE: Duration = Duration::from_millis(2);

/// Who hears the lines that the calling thread logs.
pub(crate) fn hearer() -> Dispatch {
    get_default(Dispatch::clone)
}

/// Starts a thread of this name. Its lines go where those of the calling thread go: several daemons in one process hear their
/// own only, without a subscriber that is everybody's.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let hearer = hearer();
    Builder::new().name(name.to_owned()).spawn(move || with_default(&hearer, work))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::log::{Log, LogLevel};

    #[test]
    fn a_thread_of_a_thread_is_heard_where_the_first_one_is() {
        let log = Log::new(Arc::new(LogLevel::new("info").expect("a level")), Box::new(|| ()));
        log.set_listened(true);
        let within = spawn("unheard", || tracing::info!("nobody's"));
        within.expect("a thread").join().expect("no panic");
        let outer = log.within(|| spawn("outer", || spawn("inner", || tracing::info!("heard"))));
        let inner = outer.expect("a thread").join().expect("no panic");
        inner.expect("a thread").join().expect("no panic");
        let (lines, _) = log.take(8);
        assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["heard"]);
    }
}
