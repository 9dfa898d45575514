//! A connection whose peer has to keep up: each wait for it has a time limit.
//!
//! Written here because hyper's `header_read_timeout` also counts the time between two requests, and it has none for
//! bodies and for writes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::{Activity, Waiting};
use crate::config::limits::Limits;

/// A stream that fails with `TimedOut` when its peer takes too long.
pub(super) struct TimedStream {
    stream: TcpStream,
    activity: Activity,
    limits: Limits,
    /// What is read for, and since when that has been pending.
    reading: Option<(Waiting, Instant)>,
    read_timer: Pin<Box<Sleep>>,
    /// Since when a write has been pending.
    writing: Option<Instant>,
    write_timer: Pin<Box<Sleep>>,
}

impl TimedStream {
    pub(super) fn new(stream: TcpStream, activity: Activity, limits: Limits) -> Self {
        let timer = || Box::pin(sleep_until(Instant::now() + limits.idle_timeout));
        Self { stream, activity, reading: None, read_timer: timer(), writing: None, write_timer: timer(), limits }
    }

    /// Whether the peer has not sent in time what it owes.
    fn has_read_too_long(&mut self, context: &mut Context<'_>) -> bool {
        let waiting = self.activity.waiting();
        let limit = match waiting {
            Waiting::Idle => self.limits.idle_timeout,
            Waiting::Head => self.limits.head_timeout,
            Waiting::Body => self.limits.body_timeout,
            Waiting::Nothing => {
                self.reading = None;
                return false;
            }
        };
        let since = match self.reading {
            Some((before, since)) if before == waiting => since,
            Some(_) | None => Instant::now(),
        };
        self.reading = Some((waiting, since));
        is_over(&mut self.read_timer, since + limit, context)
    }

    /// The outcome of a write: an error when the peer has not received in time what it was sent.
    fn written<T>(&mut self, outcome: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.writing = None;
            return outcome;
        }
        let since = *self.writing.get_or_insert_with(Instant::now);
        match is_over(&mut self.write_timer, since + self.limits.body_timeout, context) {
            true => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            false => Poll::Pending,
        }
    }
}

/// Whether this time has come; if not, the task is woken then. A timer that is due earlier is left as it is until it
/// fires, since most waits end long before their limit.
fn is_over(timer: &mut Pin<Box<Sleep>>, deadline: Instant, context: &mut Context<'_>) -> bool {
    loop {
        if deadline < timer.deadline() {
            timer.as_mut().reset(deadline);
        }
        if timer.as_mut().poll(context).is_pending() {
            return false;
        }
        if Instant::now() >= deadline {
            return true;
        }
        timer.as_mut().reset(deadline);
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_pending() {
            return match this.has_read_too_long(context) {
                true => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                false => Poll::Pending,
            };
        }
        if buffer.filled().len() > filled {
            this.activity.received();
        }
        // The limit of a head is for all of its reads together.
        this.reading = this.reading.filter(|(waiting, _)| *waiting == Waiting::Head);
        read
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.written(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        // hyper flushes at the end of a response, and has begun to read before that: the wait for the next request
        // begins here.
        if flushed.is_ready() && this.activity.waiting() == Waiting::Idle && this.has_read_too_long(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
