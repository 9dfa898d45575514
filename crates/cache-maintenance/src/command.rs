//! The subcommands `copy` and `verify`, for whichever program has them.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::error::{Error, error_chain};
use cache_core::storage::Storage;
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};

use crate::address::StoreAddress;
use crate::copy::{CopyOptions, CopyReport, copy};
use crate::progress::Progress;
use crate::verify::{FindingKind, RepairReport, VerifyReport, repair, verify};

/// Something was found: differences, damage, or what belongs to nothing.
pub const EXIT_FINDINGS: u8 = 7;
/// It could not be done.
pub const EXIT_FAILED: u8 = 1;

/// How many findings the text of a report has.
const MAX_SHOWN: usize = 100;

/// A subcommand with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    action: Action,
    format: Format,
    progress_format: ProgressFormat,
}

/// How the report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// As JSON on several lines.
    Json,
    /// As JSON on one line.
    JsonLine,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Copy { from: StoreAddress, to: StoreAddress, options: CopyOptions },
    Verify { store: StoreAddress, repair: bool },
}

/// How progress is shown, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressFormat {
    /// A line for people: one that is written over on a terminal, else one every five seconds.
    Text,
    /// A line of JSON every five seconds.
    Json,
    /// Nothing.
    None,
}

/// The options as they were given.
#[derive(Default)]
struct Given {
    stores: Vec<StoreAddress>,
    from: Option<StoreAddress>,
    to: Option<StoreAddress>,
    parallel: Option<usize>,
    progress: Option<ProgressFormat>,
    flags: Vec<String>,
}

impl Command {
    /// `copy`, for a program that has read its arguments itself.
    pub fn copy(
        from: StoreAddress,
        to: StoreAddress,
        options: CopyOptions,
        format: Format,
        progress_format: ProgressFormat,
    ) -> Self {
        Self { action: Action::Copy { from, to, options }, format, progress_format }
    }

    /// `verify`, for a program that has read its arguments itself.
    pub fn verify(store: StoreAddress, repair: bool, format: Format, progress_format: ProgressFormat) -> Self {
        Self { action: Action::Verify { store, repair }, format, progress_format }
    }

    /// Reads a subcommand, `copy` or `verify`, and its arguments.
    ///
    /// # Errors
    ///
    /// What is wrong with them, and how to fix it.
    pub fn parse(name: &str, arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut given = Given::read(arguments)?;
        let format = if given.take_flag("--json") { Format::Json } else { Format::Text };
        let progress_format = given.progress.unwrap_or(ProgressFormat::Text);
        let action = match name {
            "copy" => {
                let overwrite = given.take_flag("--overwrite");
                let convert = given.take_flag("--convert");
                let parallel = given.parallel.take().unwrap_or(CopyOptions::default().parallel);
                let from = given.from.take().ok_or("copy needs --from STORE")?;
                let to = given.to.take().ok_or("copy needs --to STORE")?;
                Action::Copy { from, to, options: CopyOptions { parallel, overwrite, convert } }
            }
            "verify" => {
                let repair = given.take_flag("--repair");
                let store = given.stores.pop().ok_or("verify needs a STORE")?;
                Action::Verify { store, repair }
            }
            other => return Err(format!("unrecognized command '{other}'")),
        };
        given.expect_nothing_left(name)?;
        Ok(Self { action, format, progress_format })
    }

    /// Does it. The report goes to standard output, progress to standard error.
    ///
    /// # Errors
    ///
    /// Why it could not be done.
    pub async fn run(self) -> Result<u8, String> {
        match self.action {
            Action::Copy { ref from, ref to, options } => {
                let (source, target) = (open_existing(from).await?, open(to).await?);
                let work = async |progress: &Progress| copy(source, target, options, progress).await;
                let started = Instant::now();
                let report = with_progress(self.progress_format, work).await?;
                self.print(&report, &copied(&report, to, started.elapsed()))?;
                Ok(if report.is_clean() { 0 } else { EXIT_FINDINGS })
            }
            Action::Verify { ref store, repair: false } => {
                let storage = open_existing(store).await?;
                let report =
                    with_progress(self.progress_format, async |progress: &Progress| verify(storage, progress).await)
                        .await?;
                self.print(&report, &verified(&report))?;
                Ok(if report.is_clean() { 0 } else { EXIT_FINDINGS })
            }
            Action::Verify { ref store, repair: true } => {
                let storage = open_existing(store).await?;
                let report =
                    with_progress(self.progress_format, async |progress: &Progress| repair(storage, progress).await)
                        .await?;
                self.print(&report, &mended(&report))?;
                Ok(if report.left.is_clean() { 0 } else { EXIT_FINDINGS })
            }
        }
    }

    fn print(&self, report: &impl Serialize, text: &str) -> Result<(), String> {
        let text = match self.format {
            Format::Text => Ok(text.to_owned()),
            Format::Json => serde_json::to_string_pretty(report),
            Format::JsonLine => serde_json::to_string(report),
        };
        let text = text.map_err(|err| err.to_string())?;
        // The reader may close the pipe early, as `head` does.
        let _ = writeln!(io::stdout(), "{text}");
        Ok(())
    }
}

impl Given {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut given = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--from" => given.from = Some(store(&value()?)?),
                "--to" => given.to = Some(store(&value()?)?),
                "--parallel" => {
                    let count = value()?.parse().ok().filter(|count| (1..=1_000).contains(count));
                    given.parallel = Some(count.ok_or("--parallel takes a number from 1 to 1000")?);
                }
                "--progress" => given.progress = Some(progress_format(&value()?)?),
                flag if flag.starts_with('-') => given.flags.push(argument),
                address => given.stores.push(store(address)?),
            }
        }
        Ok(given)
    }

    fn take_flag(&mut self, name: &str) -> bool {
        let before = self.flags.len();
        self.flags.retain(|flag| flag != name);
        self.flags.len() < before
    }

    fn expect_nothing_left(&self, command: &str) -> Result<(), String> {
        let stores = self.stores.iter().chain(&self.from).chain(&self.to).map(ToString::to_string);
        let parallel = self.parallel.map(|_| "--parallel".to_owned());
        match self.flags.iter().cloned().chain(stores).chain(parallel).next() {
            Some(left) => Err(format!("{command} does not take '{left}'")),
            None => Ok(()),
        }
    }
}

fn store(text: &str) -> Result<StoreAddress, String> {
    text.parse().map_err(|err: crate::address::InvalidAddress| err.to_string())
}

fn progress_format(text: &str) -> Result<ProgressFormat, String> {
    match text {
        "text" => Ok(ProgressFormat::Text),
        "json" => Ok(ProgressFormat::Json),
        "none" => Ok(ProgressFormat::None),
        other => Err(format!("--progress takes text, json or none, not '{other}'")),
    }
}

async fn open(address: &StoreAddress) -> Result<Arc<dyn Storage>, String> {
    address.open().await.map_err(|err| format!("{address} cannot be used: {}", error_chain(&err)))
}

async fn open_existing(address: &StoreAddress) -> Result<Arc<dyn Storage>, String> {
    address.open_existing().await.map_err(|err| format!("{address} cannot be used: {}", error_chain(&err)))
}

/// Works, and shows how far it is.
async fn with_progress<T>(
    progress_format: ProgressFormat,
    work: impl AsyncFnOnce(&Progress) -> Result<T, Error>,
) -> Result<T, String> {
    let progress = Arc::new(Progress::default());
    let is_terminal = io::stderr().is_terminal() && progress_format == ProgressFormat::Text;
    let shower = show(progress_format, is_terminal, progress.clone());
    let done = work(&progress).await;
    if let Some(shower) = shower {
        shower.abort();
    }
    if is_terminal {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    done.map_err(|err| error_chain(&err))
}

fn show(progress_format: ProgressFormat, is_terminal: bool, progress: Arc<Progress>) -> Option<JoinHandle<()>> {
    if progress_format == ProgressFormat::None {
        return None;
    }
    let every = Duration::from_millis(if is_terminal { 250 } else { 5_000 });
    Some(tokio::spawn(async move {
        sleep(every).await;
        let mut ticks = interval(every);
        loop {
            ticks.tick().await;
            let snapshot = progress.snapshot();
            let _ = match (progress_format, is_terminal) {
                (ProgressFormat::Json, _) => writeln!(io::stderr(), "{}", snapshot.json()),
                (ProgressFormat::Text | ProgressFormat::None, true) => {
                    write!(io::stderr(), "\r{}\x1b[K", snapshot.line())
                }
                (ProgressFormat::Text | ProgressFormat::None, false) => writeln!(io::stderr(), "{}", snapshot.line()),
            };
        }
    }))
}

fn copied(report: &CopyReport, to: &StoreAddress, took: Duration) -> String {
    let CopyReport { entries, converted, copied, present, checked, bytes, different, damaged } = report;
    let seconds = took.as_secs_f64().max(0.001);
    let (entries_rate, megabytes_rate) = (*entries as f64 / seconds, *bytes as f64 / 1e6 / seconds);
    let mut text = format!(
        "{to} has {entries} entries: {copied} objects ({bytes} bytes) written, {present} were there, {checked} contents checked; \
         {entries_rate:.0} entries/s, {megabytes_rate:.1} MB/s"
    );
    if *converted > 0 {
        text += &format!("\n{converted} entries of the Python service were converted");
    }
    for object in different.iter().take(MAX_SHOWN) {
        text += &format!("\ndifferent in the target, left (--overwrite replaces it): {object}");
    }
    for object in damaged.iter().take(MAX_SHOWN) {
        text += &format!("\nmissing or damaged in the source: {object}");
    }
    text + &more(different.len().max(damaged.len()))
}

fn verified(report: &VerifyReport) -> String {
    let VerifyReport {
        namespaces,
        manifests,
        entries,
        python_entries,
        contents,
        content_bytes,
        key_indexes,
        stale_catalogs,
        unlisted_entries,
        findings,
    } = report;
    let mut text = format!(
        "{namespaces} namespaces, {manifests} manifests, {entries} entries, {contents} contents ({content_bytes} bytes), \
         {key_indexes} key indexes, {stale_catalogs} stale parts of the catalog: {} findings",
        findings.len()
    );
    if *python_entries > 0 {
        text += &format!("\n{python_entries} entries of the Python service, as it stored them");
    }
    if !unlisted_entries.is_empty() {
        text += &format!(
            "\n{} entries without a version under their key, because their store or delete broke off: --json names them",
            unlisted_entries.len()
        );
    }
    for finding in findings.iter().take(MAX_SHOWN) {
        text += &format!("\n{}: {}", name(finding.kind), finding.object);
        let entries: Vec<String> = finding.entries.iter().map(ToString::to_string).collect();
        if !entries.is_empty() {
            text += &format!(" (entries {})", entries.join(", "));
        }
    }
    text += &more(findings.len());
    for kind in findings.iter().map(|finding| finding.kind).collect::<BTreeSet<_>>() {
        text += &format!("\n  {}: {}", name(kind), kind.meaning());
    }
    text
}

/// The name of a kind in JSON.
fn name(kind: FindingKind) -> String {
    serde_json::to_string(&kind).unwrap_or_default().trim_matches('"').to_owned()
}

fn mended(report: &RepairReport) -> String {
    let RepairReport { removed, removed_catalogs, written_views, listed_entries, left } = report;
    format!(
        "removed {removed} objects and rows that belong to nothing and {removed_catalogs} stale parts of the catalog, \
         wrote {written_views} views, listed {listed_entries} entries under their keys; left: {}",
        verified(left)
    )
}

fn more(count: usize) -> String {
    if count > MAX_SHOWN { format!("\n… {} in all: --json shows them", count) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        let mut words = line.split(' ').map(str::to_owned);
        let name = words.next().unwrap();
        Command::parse(&name, words)
    }

    #[test]
    fn options_come_in_any_order() {
        let copy = parse("copy --to zip:b --json --convert --from disk:a --parallel 4 --progress json").unwrap();
        let options = CopyOptions { parallel: 4, overwrite: false, convert: true };
        let (from, to) = ("disk:a".parse().unwrap(), "zip:b".parse().unwrap());
        assert_eq!(
            copy,
            Command {
                action: Action::Copy { from, to, options },
                format: Format::Json,
                progress_format: ProgressFormat::Json
            }
        );
        let verify = parse("verify --repair sqlite:a").unwrap();
        let action = Action::Verify { store: "sqlite:a".parse().unwrap(), repair: true };
        assert_eq!(verify, Command { action, format: Format::Text, progress_format: ProgressFormat::Text });
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, expected) in [
            ("copy --from disk:a", "copy needs --to STORE"),
            ("copy --from disk:a --to disk:b --repair", "copy does not take '--repair'"),
            ("copy --from disk:a --to disk:b zip:c", "copy does not take 'zip:c'"),
            ("copy --from", "--from needs a value"),
            ("copy --parallel 0 --from disk:a --to disk:b", "from 1 to 1000"),
            ("verify", "verify needs a STORE"),
            ("verify ./a", "give disk:FOLDER"),
            ("verify disk:a --convert", "verify does not take '--convert'"),
            ("verify disk:a --overwrite", "verify does not take '--overwrite'"),
            ("verify disk:a --parallel 3", "verify does not take '--parallel'"),
            ("verify disk:a --progress bar", "text, json or none"),
        ] {
            let refused = parse(line).unwrap_err();
            assert!(refused.contains(expected), "{line}: {refused}");
        }
    }
}
