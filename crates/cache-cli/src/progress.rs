//! How far a transfer is: a bar on a terminal, else a line every five seconds, or JSON.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use cache_client::Progress;
use serde_json::json;

use crate::args::ProgressKind;
use crate::output::{Output, say, size};

/// How often it is shown on a terminal.
const ON_TERMINAL: Duration = Duration::from_millis(100);
/// How often it is shown elsewhere.
const ELSEWHERE: Duration = Duration::from_secs(5);
/// How many characters the name and the bar have; the rest of a line of 80 is numbers.
const NAME_CHARS: usize = 14;
const BAR_CHARS: u64 = 15;

/// How a transfer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A bar that moves.
    Bar,
    /// A line now and then.
    Lines,
    /// The same as JSON.
    Json,
    /// Not at all.
    Nothing,
}

impl Style {
    /// What was asked for, on this terminal.
    pub fn of(kind: ProgressKind, output: &Output) -> Self {
        match kind {
            ProgressKind::None => Self::Nothing,
            ProgressKind::Json => Self::Json,
            ProgressKind::Auto if output.is_json() => Self::Json,
            ProgressKind::Auto if is_terminal() => Self::Bar,
            ProgressKind::Auto => Self::Lines,
        }
    }

    fn interval(self) -> Duration {
        match self {
            Self::Bar => ON_TERMINAL,
            Self::Lines | Self::Json | Self::Nothing => ELSEWHERE,
        }
    }
}

/// Whether a line can be written over on stderr.
fn is_terminal() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    std::io::stderr().is_terminal() && !is_dumb
}

/// Removes the bar when a transfer ends, also when it is given up.
struct Line(Style);

impl Drop for Line {
    fn drop(&mut self) {
        if self.0 == Style::Bar {
            // Fails only when nobody looks.
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Shows how far a transfer is, until the work is done.
pub async fn shown<T>(style: Style, what: &str, progress: &Progress, work: impl Future<Output = T>) -> T {
    let _line = Line(style);
    let began = Instant::now();
    let mut ticks = tokio::time::interval(style.interval());
    ticks.tick().await;
    tokio::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return result,
            _ = ticks.tick() => show(style, what, progress, began.elapsed()),
        }
    }
}

fn show(style: Style, what: &str, progress: &Progress, elapsed: Duration) {
    let (bytes, total) = (progress.bytes(), progress.total());
    match style {
        Style::Bar => drop(write!(std::io::stderr(), "\r\x1b[K{}", bar(what, bytes, total, elapsed))),
        Style::Lines => say(&bar(what, bytes, total, elapsed)),
        Style::Json => say(&json!({"progress": {"what": what, "bytes": bytes, "total": total}}).to_string()),
        Style::Nothing => {}
    }
}

/// A line of at most 80 characters.
fn bar(what: &str, bytes: u64, total: Option<u64>, elapsed: Duration) -> String {
    let chars = what.chars().count();
    let name: String = match chars > NAME_CHARS {
        true => std::iter::once('…').chain(what.chars().skip(chars - NAME_CHARS + 1)).collect(),
        false => what.to_owned(),
    };
    let rate = bytes as f64 / elapsed.as_secs_f64().max(0.001);
    let speed = format!("{}/s", size(rate as u64));
    let Some(total) = total else { return format!("{name} {}, {speed}", size(bytes)) };
    let done = bytes.min(total);
    let full = (done * BAR_CHARS / total) as usize;
    let empty = BAR_CHARS as usize - full;
    let rest = match (done < total, rate > 0.0) {
        (true, true) => format!("{speed}, {:.0} s left", (total - done) as f64 / rate),
        // A file is read for its SHA-256 before the first byte is sent.
        (true, false) => "starting".to_owned(),
        // What was sent has to be stored, and what arrived to be written.
        (false, _) => "waiting for its end".to_owned(),
    };
    format!("{name} [{}{}] {:3} % of {}, {rest}", "#".repeat(full), " ".repeat(empty), done * 100 / total, size(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_shown_as_it_was_asked_for() {
        let (text, json) = (Output::new(false), Output::new(true));
        assert_eq!(Style::of(ProgressKind::Auto, &json), Style::Json);
        for output in [&text, &json] {
            assert_eq!(Style::of(ProgressKind::Json, output), Style::Json);
            assert_eq!(Style::of(ProgressKind::None, output), Style::Nothing);
        }
    }

    #[test]
    fn a_line_fits_a_terminal_of_80_columns() {
        let (gib, elapsed) = (1 << 30, Duration::from_secs(2));
        assert_eq!(
            bar("a.bin", gib / 4, Some(gib), elapsed),
            "a.bin [###            ]  25 % of 1.0 GiB, 128.0 MiB/s, 6 s left"
        );
        assert_eq!(bar("a.bin", 0, None, elapsed), "a.bin 0 B, 0 B/s");
        assert_eq!(bar("a.bin", 0, Some(gib), elapsed), "a.bin [               ]   0 % of 1.0 GiB, starting");
        for (bytes, total) in [(0, 999 << 20), (999 << 20, 999 << 20), (5, 4)] {
            let line = bar(&"folder/".repeat(9), bytes, Some(total), Duration::from_secs(99_999));
            assert!(line.chars().count() <= 80 && line.starts_with('…'), "{line}");
        }
    }
}
