//! The log: which lines are written, and how they look.
//!
//! The level is that of `RUST_LOG`, else of `AWS_LAMBDA_LOG_LEVEL`, else `info`. A level without a crate applies to the
//! service; libraries stay at `info`, since below that they may log headers and contents. `RUST_LOG` can name them:
//! `info,hyper=debug`.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::panic;
use std::str::FromStr;

use serde_json::{Map, Value};
use thiserror::Error;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::log_writer::LogWriter;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object in each line.
    Json,
}

/// A text that names no format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is neither text nor json")]
pub struct InvalidLogFormat;

impl FromStr for LogFormat {
    type Err = InvalidLogFormat;

    fn from_str(text: &str) -> Result<Self, InvalidLogFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(InvalidLogFormat),
        }
    }
}

const RUST_LOG: &str = "RUST_LOG";
const LAMBDA_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";
/// The crates that a level without a crate applies to.
const OWN: [&str; 3] = ["cache_core", "cache_lambda", "cache_storage"];
/// The level of libraries. The AWS SDK logs every place where it looked for credentials and a region; the error that
/// follows is enough.
const LIBRARIES: &str = "info,aws_config=error";

/// Sets up the log of this process, on standard error. Panics become lines of it. A log that cannot be written never
/// stops the service.
pub fn start(lookup: &dyn Fn(&str) -> Option<String>, format: LogFormat, in_lambda: bool) -> Log {
    let (filter, problem) = choose(lookup);
    // Lambda stops the process with the response, so a thread would write its lines much later.
    let log = Log((!in_lambda).then(|| LogWriter::to(std::io::stderr())));
    let writer = match &log.0 {
        Some(writer) => BoxMakeWriter::new(writer.clone()),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    // The subscriber would report a line that cannot be written with a panic, and the panic with another one.
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).log_internal_errors(false);
    let subscriber = subscriber.with_writer(writer).with_target(false);
    match format {
        // Lambda dates each line itself.
        LogFormat::Json => subscriber
            .fmt_fields(JsonFields::new())
            .event_format(Flat { dated: !in_lambda })
            .finish()
            .with(filter)
            .init(),
        LogFormat::Text => subscriber.with_ansi(std::io::stderr().is_terminal()).finish().with(filter).init(),
    }
    // The message of a panic may contain stored content.
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or("an unknown place".to_owned(), ToString::to_string);
        tracing::error!("a panic at {place}");
    }));
    if let Some(problem) = problem {
        tracing::warn!("{problem}");
    }
    log
}

/// The log of this process. Dropping it writes the lines that are left.
#[derive(Debug)]
#[must_use = "the last lines are lost unless it lives as long as the process"]
pub struct Log(Option<LogWriter>);

impl Log {
    /// Writes a line for the person who started the process, which is no event.
    pub fn line(&self, text: &str) {
        let line = format!("{text}\n");
        // Without a reader there is nobody to tell.
        let _ = match self.0.clone() {
            Some(mut writer) => writer.write_all(line.as_bytes()),
            None => std::io::stderr().write_all(line.as_bytes()),
        };
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(writer) = &self.0 {
            writer.flush_all();
        }
    }
}

/// The filter, and a warning if the setting is invalid. An invalid setting does not stop the server.
fn choose(lookup: &dyn Fn(&str) -> Option<String>) -> (Targets, Option<String>) {
    let set = |name: &'static str| Some((name, lookup(name).filter(|value| !value.trim().is_empty())?));
    let Some((name, value)) = set(RUST_LOG).or_else(|| set(LAMBDA_LEVEL)) else {
        return (libraries(), None);
    };
    match directives(name, value.trim()).and_then(|directives| directives.parse().ok()) {
        Some(filter) => (filter, None),
        None => {
            let problem = format!(
                "{name}: '{value}' is not usable, so the level is info: give trace, debug, info, warn, error or off, or \
                 in {RUST_LOG} also levels by crate, such as info,hyper=debug"
            );
            (libraries(), Some(problem))
        }
    }
}

fn libraries() -> Targets {
    LIBRARIES.parse().expect("these are levels by crate")
}

/// The value as directives; `None` when it is invalid.
fn directives(name: &str, value: &str) -> Option<String> {
    let level = value.to_ascii_lowercase();
    match level.as_str() {
        "trace" | "debug" => {
            let own = OWN.map(|name| format!("{name}={level}"));
            Some(format!("{LIBRARIES},{}", own.join(",")))
        }
        "info" => Some(LIBRARIES.to_owned()),
        "warn" | "error" | "off" => Some(level),
        // Lambda's highest level, which nothing here uses.
        "fatal" => Some("off".to_owned()),
        // A word alone would be the name of a crate, and everything else would fall silent.
        _ => (name == RUST_LOG && value.contains('=')).then(|| value.to_owned()),
    }
}

/// A JSON object for each event, with its own fields and those of its spans on one level: the id of a request is in the
/// same place in all of its lines.
struct Flat {
    dated: bool,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, JsonFields> for Flat {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut own = fields(|writer| JsonFields::new().format_fields(writer, event))?;
        let mut line = Map::new();
        if self.dated {
            let mut now = String::new();
            SystemTime.format_time(&mut Writer::new(&mut now))?;
            line.insert("timestamp".to_owned(), now.into());
        }
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.extend(own.shift_remove_entry("message"));
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<FormattedFields<JsonFields>>() {
                line.extend(serde_json::from_str::<Map<String, Value>>(of_span).unwrap_or_default());
            }
        }
        line.extend(own);
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// The fields that `format` writes as a JSON object.
fn fields(format: impl FnOnce(Writer<'_>) -> fmt::Result) -> Result<Map<String, Value>, fmt::Error> {
    let mut text = String::new();
    format(Writer::new(&mut text))?;
    serde_json::from_str(&text).map_err(|_| fmt::Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the filter for these variables, and whether there is a warning.
    #[track_caller]
    fn check(variables: &[(&str, &str)], written: &str, warned: bool) {
        let lookup = |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
        let (filter, problem) = choose(&lookup);
        let mut directives: Vec<_> = filter.to_string().split(',').map(str::to_owned).collect();
        directives.sort();
        assert_eq!((directives.join(","), problem.is_some()), (written.to_owned(), warned), "{problem:?}");
    }

    #[test]
    fn a_level_may_come_from_either_variable() {
        check(&[], "aws_config=error,info", false);
        check(&[(RUST_LOG, "warn")], "warn", false);
        check(&[(LAMBDA_LEVEL, "WARN")], "warn", false);
        check(&[(LAMBDA_LEVEL, "FATAL")], "off", false);
        check(&[(RUST_LOG, "ERROR"), (LAMBDA_LEVEL, "DEBUG")], "error", false);
        check(&[(RUST_LOG, " "), (LAMBDA_LEVEL, "ERROR")], "error", false);
    }

    #[test]
    fn libraries_tell_more_only_when_they_are_named() {
        let own = "aws_config=error,cache_core=trace,cache_lambda=trace,cache_storage=trace,info";
        check(&[(LAMBDA_LEVEL, "TRACE")], own, false);
        check(&[(RUST_LOG, "trace")], own, false);
        check(&[(RUST_LOG, "info,hyper=debug")], "hyper=debug,info", false);
    }

    #[test]
    fn a_value_that_is_no_level_is_warned_about_and_means_info() {
        for variable in [(RUST_LOG, "verbose"), (RUST_LOG, "hyper=loud"), (LAMBDA_LEVEL, "hyper=debug")] {
            check(&[variable], "aws_config=error,info", true);
        }
    }
}
