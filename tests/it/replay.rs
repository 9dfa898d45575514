//! Replays the recorded exchanges of the Python service, and compares our responses with its.
//!
//! `golden/exchanges.jsonl` is a recording of two generations of the service; `golden/left-out.jsonl` holds the
//! requests that the recording needs but leaves out. A replay sends them in order to one server. Ids, hashes and
//! storage paths that a recorded answer introduced are replaced by the ones that our server gave in its place, see
//! [`names`]. [`compare`] documents the comparison. Intended differences are in
//! [`compat_deviations`](crate::compat_deviations).
//!
//! To check the replay itself, let it run against the Python service and read what it prints; it asserts nothing then:
//! `MGRAPH_REPLAY_URL=127.0.0.1:10017 cargo test -p cache-tests in_memory`. That service should be fresh. It is of one
//! generation and one stack, so the recordings of the others differ: a few dozen lines.

mod compare;
mod exchange;
mod names;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::compat_deviations::DEVIATIONS;
use crate::support::{Client, Mode, Reply, Server, say};
pub use compare::Mismatch;
pub use exchange::Exchange;
use exchange::{LeftOut, RecordedReply};
use names::Names;

#[tokio::test]
async fn every_recorded_exchange_is_replayed_in_memory() {
    if let Ok(authority) = std::env::var("MGRAPH_REPLAY_URL") {
        let mut replay = Replay { python: true, ..Replay::default() };
        replay.run(&Client::new(&authority)).await;
        return say(&replay.report());
    }
    check(&Mode::Memory).await;
}

#[tokio::test]
async fn every_recorded_exchange_is_replayed_on_disk() {
    check(&Mode::Disk).await;
}

#[tokio::test]
async fn every_recorded_exchange_is_replayed_in_sqlite() {
    let Some(mode) = Mode::sqlite() else { return };
    check(&mode).await;
}

#[tokio::test]
async fn every_recorded_exchange_is_replayed_in_zip() {
    let Some(mode) = Mode::zip() else { return };
    check(&mode).await;
}

#[tokio::test]
async fn every_recorded_exchange_is_replayed_on_s3() {
    let Some(mode) = Mode::s3("replay").await else { return };
    check(&mode).await;
}

async fn check(mode: &Mode) {
    let server = Server::start(mode).await;
    let mut replay = Replay::default();
    replay.run(&server.client()).await;
    let report = replay.report();
    assert!(replay.is_clean(), "on {mode:?}:\n{report}");
    if matches!(mode, Mode::Memory) {
        say(&report);
    }
}

/// One walk through the recording.
#[derive(Default)]
struct Replay {
    /// The other end is the Python service: no difference is wanted.
    python: bool,
    names: Names,
    alike: usize,
    void: usize,
    /// How many exchanges each pattern of each row explains.
    used: BTreeMap<(usize, &'static str), usize>,
    unexplained: Vec<String>,
}

/// The outcome of a comparison.
enum Verdict {
    Alike,
    /// As the row at this place of the table says, by this pattern.
    Wanted(usize, &'static str),
    Unexplained(Vec<Mismatch>),
}

impl Replay {
    async fn run(&mut self, client: &Client) {
        let left_out = exchange::left_out();
        for (line, exchange) in exchange::recorded().iter().enumerate() {
            for missing in left_out.iter().filter(|missing| missing.before == line + 1) {
                self.fill_in(client, missing).await;
            }
            self.step(client, line + 1, exchange).await;
        }
    }

    /// Sends a request that the recording leaves out, and remembers what our answer's id stands for.
    async fn fill_in(&mut self, client: &Client, missing: &LeftOut) {
        if self.names.depends_on_missing(&missing.request) {
            return self.names.never_made(missing.stands_for.iter());
        }
        let reply = client.send(missing.request.assemble(&self.names)).await;
        let Some(recorded) = &missing.stands_for else { return };
        let made = serde_json::from_slice::<serde_json::Value>(&reply.body).ok();
        match made.as_ref().and_then(|made| made["cache_id"].as_str()) {
            Some(ours) if reply.status == 200 => self.names.remember(recorded, ours),
            _ => self.names.never_made([recorded]),
        }
    }

    async fn step(&mut self, client: &Client, line: usize, exchange: &Exchange) {
        if self.names.depends_on_missing(&exchange.request) {
            self.void += 1;
            return self.names.never_made(exchange.response.ids().iter());
        }
        let reply = client.send(exchange.request.assemble(&self.names)).await;
        match self.judge(exchange, &reply) {
            Verdict::Alike => self.alike += 1,
            Verdict::Wanted(row, pattern) => *self.used.entry((row, pattern)).or_default() += 1,
            Verdict::Unexplained(mismatches) => self.unexplained.push(describe(line, exchange, &reply, &mismatches)),
        }
        self.learn(&exchange.response, &reply);
    }

    fn judge(&self, exchange: &Exchange, reply: &Reply) -> Verdict {
        let mut mismatches = compare::compare(exchange, reply, &self.names);
        if !self.python {
            mismatches.extend(compare::own_promises(exchange, reply));
        }
        if mismatches.is_empty() {
            return Verdict::Alike;
        }
        let explanation = DEVIATIONS.iter().enumerate().find_map(|(at, row)| {
            let pattern = row.pattern_of(exchange)?;
            row.ours.expects(reply, &mismatches).then_some(Verdict::Wanted(at, pattern))
        });
        explanation.filter(|_| !self.python).unwrap_or(Verdict::Unexplained(mismatches))
    }

    /// Learns the names that our response introduced; those that it refused do not exist.
    fn learn(&mut self, recorded: &RecordedReply, reply: &Reply) {
        let theirs = recorded.json();
        let ours = serde_json::from_slice(&reply.body).ok();
        if let (Some(theirs), Some(ours)) = (&theirs, &ours) {
            self.names.learn(theirs, ours);
        }
        if recorded.status < 300 && reply.status != recorded.status {
            self.names.never_made(recorded.ids().iter());
        }
    }

    /// Patterns that explain nothing.
    fn unused(&self) -> impl Iterator<Item = &'static str> {
        let patterns =
            DEVIATIONS.iter().enumerate().flat_map(|(at, row)| row.exchanges.iter().map(move |&one| (at, one)));
        patterns.filter(|pattern| !self.used.contains_key(pattern)).map(|(_, pattern)| pattern)
    }

    fn is_clean(&self) -> bool {
        self.unexplained.is_empty() && self.unused().next().is_none()
    }

    fn report(&self) -> String {
        let mut text = String::new();
        for difference in &self.unexplained {
            let _ = writeln!(text, "{difference}");
        }
        for pattern in self.unused().filter(|_| !self.python) {
            let _ = writeln!(text, "no exchange is explained by {pattern:?}\n");
        }
        let _ = writeln!(text, "{} alike", self.alike);
        let _ = writeln!(text, "{} void: about an entry that was refused or not made", self.void);
        let _ = writeln!(text, "{} different without a row", self.unexplained.len());
        let _ = writeln!(text, "{} different on purpose:", self.used.values().sum::<usize>());
        for (at, row) in DEVIATIONS.iter().enumerate() {
            let count: usize = row.exchanges.iter().filter_map(|&pattern| self.used.get(&(at, pattern))).sum();
            let _ = writeln!(text, "  {count:4} {}", row.reason);
        }
        text
    }
}

fn describe(line: usize, exchange: &Exchange, reply: &Reply, mismatches: &[Mismatch]) -> String {
    let cut = |text: &str| text.chars().take(600).collect::<String>();
    let mut text = format!("line {line} [{}] {}\n", exchange.service, exchange.note);
    let _ = writeln!(text, "  {}", cut(&exchange.request.line()));
    for mismatch in mismatches {
        let _ = writeln!(text, "  {mismatch}");
    }
    let _ = writeln!(text, "  recorded: {} {}", exchange.response.status, cut(&exchange.response.text()));
    let _ = writeln!(text, "  ours:     {} {}", reply.status.as_u16(), cut(&reply.text()));
    text
}
