//! What is printed: results on stdout, everything else on stderr; with `--json` each result is one object a line.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::failure::Failure;

/// Where a command prints.
#[derive(Debug)]
pub struct Output {
    json: bool,
    done: AtomicU64,
}

impl Output {
    /// For people, or as JSON.
    pub fn new(json: bool) -> Self {
        Self { json, done: AtomicU64::new(0) }
    }

    /// Whether results are JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// A result: as text for people, or as one object a line.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written to.
    pub fn result(&self, value: &impl Serialize, text: &str) -> Result<(), Failure> {
        self.done.fetch_add(1, Ordering::Relaxed);
        if self.json {
            let line = serde_json::to_string(value).map_err(|error| Failure::failed(error.to_string()))?;
            return self.raw(format!("{line}\n").as_bytes());
        }
        if text.is_empty() { Ok(()) } else { self.raw(format!("{text}\n").as_bytes()) }
    }

    /// Bytes as they are.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written to.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        match written {
            // The reader has what it wants, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                std::process::exit(i32::from(crate::failure::OK))
            }
            written => written.map_err(|error| Failure::failed(format!("stdout: {error}"))),
        }
    }

    /// Something worth knowing, for people only.
    pub fn note(&self, text: &str) {
        if !self.json {
            say(text);
        }
    }

    /// A failure.
    pub fn failure(&self, failure: &Failure) {
        if self.json {
            say(&serde_json::json!({"error": failure}).to_string());
            return;
        }
        say(&format!("error: {}", failure.message));
        if let Some(hint) = &failure.hint {
            say(&format!("hint: {hint}"));
        }
    }

    /// Says what was done before Ctrl-C.
    pub fn interrupted(&self) {
        let done = self.done.load(Ordering::Relaxed);
        if self.json {
            say(&serde_json::json!({"error": {"code": "interrupted", "done": done}}).to_string());
        } else {
            say(&format!("interrupted: {done} done, nothing is half done"));
        }
    }
}

/// A line on stderr.
pub fn say(text: &str) {
    // There is no other place to report that this failed.
    let _ = writeln!(io::stderr(), "{text}");
}

/// A number of bytes for people.
pub fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} B"),
    }
}
