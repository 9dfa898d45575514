//! Writes log lines to standard error from a thread of its own, so that no request waits for their reader.
//!
//! A pipe whose reader has stopped reading would block every request, one without a reader fails each write, and so does a
//! full disk. In these cases lines are lost, and counted; the service goes on. Written here because tracing-appender's
//! own reports panic in exactly these cases, and because it brings files that rotate, with four more crates.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many bytes of lines may wait to be written.
const MAX_WAITING_BYTES: usize = 256 << 10;
/// How long the end of the process waits for the lines that are left.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes lines without ever waiting or failing. Clones write to the same place.
#[derive(Debug, Clone)]
pub struct LogWriter(Arc<Queue>);

/// The lines that wait for the thread.
#[derive(Debug, Default)]
struct Queue {
    lines: Mutex<Lines>,
    /// There is something to write.
    filled: Condvar,
    /// Everything has been written.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    is_writing: bool,
    /// How many lines were lost since this was last reported.
    lost: usize,
}

impl LogWriter {
    /// Writes lines to `target` until the process ends. When no thread can be started, all lines are lost.
    pub fn to(target: impl Write + Send + 'static) -> Self {
        let queue = Arc::new(Queue::default());
        let of_thread = Arc::clone(&queue);
        // Without the thread the queue stays full.
        let _ = thread::Builder::new().name("log".to_owned()).spawn(move || of_thread.write_to(target));
        Self(queue)
    }

    /// Waits until all lines so far are written, for a second at most.
    pub fn flush_all(&self) {
        let is_left = |lines: &mut Lines| lines.is_writing || !lines.waiting.is_empty();
        // Lines that are not written by then are lost.
        drop(self.0.emptied.wait_timeout_while(self.0.lock(), FLUSH_TIMEOUT, is_left));
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut lines = self.lock();
        if lines.waiting.len() + line.len() > MAX_WAITING_BYTES {
            lines.lost += 1;
        } else {
            lines.waiting.extend_from_slice(line);
        }
        drop(lines);
        self.filled.notify_one();
    }

    /// Writes what waits, all of it at once, until the process ends.
    fn write_to(&self, mut target: impl Write) {
        let mut batch = Vec::new();
        loop {
            self.next(&mut batch);
            // There is no other place to report a failure, and the next lines may be written again.
            if target.write_all(&batch).and_then(|()| target.flush()).is_err() {
                self.lock().lost += batch.iter().filter(|byte| **byte == b'\n').count();
            }
        }
    }

    /// Waits for lines, and moves them into `batch` with a report of those that were lost.
    fn next(&self, batch: &mut Vec<u8>) {
        batch.clear();
        let mut lines = self.lock();
        lines.is_writing = false;
        self.emptied.notify_all();
        let is_empty = |lines: &mut Lines| lines.waiting.is_empty();
        let mut lines = self.filled.wait_while(lines, is_empty).unwrap_or_else(PoisonError::into_inner);
        mem::swap(batch, &mut lines.waiting);
        lines.is_writing = true;
        match mem::take(&mut lines.lost) {
            0 => {}
            lost => batch.extend(format!("{lost} lines of the log were lost: nobody read them in time\n").bytes()),
        }
    }
}

impl Write for LogWriter {
    /// Takes the bytes as one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"a line of the log\n";

    /// Keeps what is written, after waiting for the lock; fails while it is told to.
    #[derive(Clone, Default)]
    struct Target(Arc<Mutex<(Vec<u8>, bool)>>);

    impl Target {
        fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().unwrap().0).into_owned()
        }

        fn fail(&self, fails: bool) {
            self.0.lock().unwrap().1 = fails;
        }
    }

    impl Write for Target {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut target = self.0.lock().unwrap();
            if target.1 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            target.0.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_arrive_in_order() {
        let target = Target::default();
        let mut writer = LogWriter::to(target.clone());
        for line in ["a\n", "b\n", "c\n"] {
            writer.write_all(line.as_bytes()).unwrap();
        }
        writer.flush_all();
        assert_eq!(target.text(), "a\nb\nc\n");
    }

    #[test]
    fn a_log_that_nobody_reads_loses_lines_and_says_how_many() {
        let target = Target::default();
        let mut writer = LogWriter::to(target.clone());
        let blocked = target.0.lock().unwrap();
        // One batch may be on its way already, so twice as much has no room for sure.
        let count = 3 * MAX_WAITING_BYTES / LINE.len();
        for _ in 0..count {
            writer.write_all(LINE).unwrap();
        }
        drop(blocked);
        writer.flush_all();
        writer.write_all(LINE).unwrap();
        writer.flush_all();
        let text = target.text();
        let lost: usize = text
            .lines()
            .filter_map(|line| line.split_once(" lines of the log were lost")?.0.parse::<usize>().ok())
            .sum();
        let written = text.matches("a line of the log").count();
        assert!(lost > 0 && written + lost == count + 1, "{lost} lost, {written} written of {}", count + 1);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_when_others_can() {
        let target = Target::default();
        let mut writer = LogWriter::to(target.clone());
        target.fail(true);
        writer.write_all(LINE).unwrap();
        writer.flush_all();
        target.fail(false);
        writer.write_all(LINE).unwrap();
        writer.flush_all();
        assert_eq!(target.text(), "a line of the log\n1 lines of the log were lost: nobody read them in time\n");
    }
}
