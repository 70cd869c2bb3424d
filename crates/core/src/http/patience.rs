//! How long a client may take: to send a request, to ask for more, and to read what it has asked for.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// From the first byte of a request, or from the connection's beginning, to the end of its head.
const HEAD: Duration = Duration::from_secs(10);
/// From one request to the next.
const IDLE: Duration = Duration::from_secs(75);
/// For anything at all of what a client does not read.
const STALLED: Duration = Duration::from_secs(10);
/// Who has read nothing for so long may have to make room.
const SLOW: Duration = Duration::from_secs(1);
/// Who has just come has at least so much time to ask.
const GRACE: Duration = Duration::from_millis(100);

/// How far a connection is, as its socket and its requests see it.
pub(super) struct Course(Mutex<Stretch>);

struct Stretch {
    stage: Stage,
    since: Instant,
    /// Since when the client has been reading nothing.
    stalled: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No request has been complete yet.
    New,
    /// Answered, and nothing asked since.
    Idle,
    /// A further request has begun to come.
    Asking,
    /// A request is being answered.
    Busy,
}

/// Who goes first where there is no room: the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It has not asked anything yet.
    New,
    /// It has been answered.
    Idle,
    /// It does not read its answer.
    Slow,
}

impl Course {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Stretch { stage: Stage::New, since: Instant::now(), stalled: None }))
    }

    /// Whether it may be given up to make room, and from when on.
    pub(super) fn standing(&self) -> Option<(Rank, Instant)> {
        let stretch = self.lock();
        match stretch.stage {
            Stage::New => Some((Rank::New, stretch.since + GRACE)),
            Stage::Idle | Stage::Asking => Some((Rank::Idle, stretch.since)),
            Stage::Busy => stretch.stalled.map(|since| (Rank::Slow, since + SLOW)),
        }
    }

    /// A request is complete; what is given here lasts as long as its answer.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.enter(Stage::Busy);
        Answering(Arc::clone(self))
    }

    fn enter(&self, stage: Stage) {
        let mut stretch = self.lock();
        stretch.stage = stage;
        stretch.since = Instant::now();
    }

    fn note_read(&self) {
        if self.lock().stage == Stage::Idle {
            self.enter(Stage::Asking);
        }
    }

    /// When a client that sends nothing is given up.
    fn read_deadline(&self) -> Option<Instant> {
        let stretch = self.lock();
        match stretch.stage {
            Stage::New | Stage::Asking => Some(stretch.since + HEAD),
            Stage::Idle => Some(stretch.since + IDLE),
            Stage::Busy => None,
        }
    }

    /// When a client that reads nothing is given up.
    fn write_deadline(&self) -> Instant {
        *self.lock().stalled.get_or_insert_with(Instant::now) + STALLED
    }

    fn note_written(&self) {
        self.lock().stalled = None;
    }

    fn lock(&self) -> MutexGuard<'_, Stretch> {
        // Nothing under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered.
pub(super) struct Answering(Arc<Course>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.enter(Stage::Idle);
    }
}

/// An answer's body, which says when it has been handed over.
pub(super) struct Watched<B> {
    pub(super) body: B,
    pub(super) _answering: Answering,
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket whose client has only so much time. `S` is dropped before `K`, what is kept as long as the socket is open.
pub(super) struct PatientStream<S, K> {
    socket: S,
    course: Arc<Course>,
    reading: Pin<Box<Sleep>>,
    writing: Pin<Box<Sleep>>,
    _kept: K,
}

impl<S, K> PatientStream<S, K> {
    pub(super) fn new(socket: S, course: Arc<Course>, kept: K) -> Self {
        let now = Instant::now();
        Self {
            socket,
            course,
            reading: Box::pin(tokio::time::sleep_until(now)),
            writing: Box::pin(tokio::time::sleep_until(now)),
            _kept: kept,
        }
    }
}

impl<S: AsyncRead + Unpin, K: Unpin> AsyncRead for PatientStream<S, K> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.socket).poll_read(context, buffer) {
            if buffer.filled().len() > before {
                this.course.note_read();
            }
            // One that sends a byte now and then has no more time than others.
            if this.course.read_deadline().is_some_and(|deadline| deadline <= Instant::now()) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            return Poll::Ready(read);
        }
        let Some(deadline) = this.course.read_deadline() else { return Poll::Pending };
        ready!(until(&mut this.reading, deadline, context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin, K: Unpin> PatientStream<S, K> {
    fn written<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.course.note_written();
            return written;
        }
        let deadline = self.course.write_deadline();
        ready!(until(&mut self.writing, deadline, context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin, K: Unpin> AsyncWrite for PatientStream<S, K> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.written(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, parts);
        self.written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

fn until(timer: &mut Pin<Box<Sleep>>, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
    if timer.deadline() != deadline {
        timer.as_mut().reset(deadline);
    }
    timer.as_mut().poll(context)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{advance, timeout};

    use super::*;

    /// The server's side and the client's.
    fn pair() -> (PatientStream<DuplexStream, ()>, Arc<Course>, DuplexStream) {
        let (server, client) = duplex(16);
        let course = Arc::new(Course::new());
        (PatientStream::new(server, Arc::clone(&course), ()), course, client)
    }

    async fn timed_out(read: impl Future<Output = io::Result<usize>>, within: Duration) -> bool {
        let error = timeout(within, read).await.expect("an end").expect_err("a failure");
        error.kind() == io::ErrorKind::TimedOut
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_byte_by_byte_has_no_more_time_than_another() {
        let (mut server, _, mut client) = pair();
        let began = Instant::now();
        let drip = async {
            loop {
                client.write_all(b"x").await.expect("taken");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let read = async {
            let mut byte = [0];
            loop {
                if let Err(error) = server.read(&mut byte).await {
                    return error.kind();
                }
            }
        };
        let kind = tokio::select! { kind = read => kind, () = drip => unreachable!() };
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= HEAD && began.elapsed() < HEAD + Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_there_is_more_time_and_while_one_is_answered_all_of_it() {
        let (mut server, course, mut client) = pair();
        client.write_all(b"x").await.expect("taken");
        server.read_exact(&mut [0]).await.expect("a byte");
        let answering = course.begin();
        let mut bytes = [0; 1];
        assert!(timeout(IDLE * 2, server.read(&mut bytes)).await.is_err(), "busy");
        drop(answering);
        assert!(timeout(IDLE / 2, server.read(&mut bytes)).await.is_err(), "idle");
        assert!(timed_out(server.read(&mut bytes), IDLE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_is_given_up_and_who_reads_a_little_is_not() {
        let (mut server, course, mut client) = pair();
        let _answering = course.begin();
        server.write_all(&[0; 16]).await.expect("room");
        assert_eq!(course.standing(), None);
        assert!(timeout(STALLED / 2, server.write(&[0])).await.is_err(), "not yet");
        assert!(course.standing().is_some_and(|(rank, from)| rank == Rank::Slow && from <= Instant::now()));
        client.read_exact(&mut [0; 16]).await.expect("bytes");
        server.write_all(&[0; 16]).await.expect("room again");
        assert_eq!(course.standing(), None);
        assert!(timed_out(server.write(&[0]), STALLED * 2).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_asked_nothing_goes_before_who_has_been_answered_and_nobody_who_waits_for_an_answer() {
        let courses: Vec<_> = (0..3).map(|_| Arc::new(Course::new())).collect();
        let has_time = courses[0].standing().is_some_and(|(_, from)| from > Instant::now());
        assert!(has_time, "it has just come");
        let answering = courses[1].begin();
        drop(courses[2].begin());
        advance(SLOW * 2).await;
        let ranks = courses.iter().map(|course| course.standing().map(|(rank, _)| rank));
        assert_eq!(ranks.collect::<Vec<_>>(), [Some(Rank::New), None, Some(Rank::Idle)]);
        assert!(Rank::New < Rank::Idle && Rank::Idle < Rank::Slow);
        drop(answering);
        poll_fn(|_| Poll::Ready(())).await;
    }
}
