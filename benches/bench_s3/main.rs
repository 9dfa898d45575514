//! The cost of each operation on S3, compared with the same S3 calls of a program that does nothing else.
//!
//! Both go through one proxy that delays every call, to one look-alike, in turns. So a ratio of 1 means that the
//! service adds nothing to what S3 itself takes. `BENCH_DELAY_MS` (50) and `BENCH_REPETITIONS` (30) change the
//! measurement. It fails if a store, a retrieve or any operation exceeds its budget of time, calls or round trips.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

mod baseline;
mod operation;
#[allow(dead_code, unused_imports, reason = "the tests use more of it")]
#[path = "../../tests/it/support/mod.rs"]
mod support;

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cache_storage::operation::StorageOp;
use cache_testing::faulty_proxy::{Call, FaultyProxy, Network};

use self::baseline::Baseline;
use self::operation::{Fixtures, MEASURED, Measured, Promise};
use self::support::{Client, Mode, Server};

const BUCKET: &str = "bench";

/// Repetitions that only make connections and fill caches.
const WARM_UP: usize = 3;

/// What an operation may take, compared with the same bare calls.
const MOST: f64 = 1.2;

/// The setup of all measurements.
struct Bench {
    proxy: FaultyProxy,
    measured: Client,
    fixtures: Fixtures,
    bare: Baseline,
    repetitions: usize,
}

/// Medians of one operation.
struct Cost {
    calls: usize,
    rounds: usize,
    service: Duration,
    bare: Duration,
}

/// The table, line by line, and whether all promises are kept.
struct Report {
    kept: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let from_env = |name: &str| env::var(name).ok().map(|value| value.parse::<usize>().unwrap());
    let delay = Duration::from_millis(from_env("BENCH_DELAY_MS").unwrap_or(50) as u64);
    let Some((behind, proxy)) = Mode::s3_behind_proxy(BUCKET, 1).await else { return ExitCode::FAILURE };
    let Some(direct) = Mode::s3(BUCKET).await else { return ExitCode::FAILURE };
    // The measured entries were stored by another process, so that no cache can help.
    let (measured, other) = (Server::start(&behind).await, Server::start(&direct).await);
    proxy.set(Network { delay, ..Network::default() });
    let bench = Bench {
        bare: Baseline::new(&proxy.endpoint_url(), BUCKET),
        proxy,
        measured: measured.client(),
        fixtures: Fixtures::new(other.client()),
        repetitions: from_env("BENCH_REPETITIONS").unwrap_or(30),
    };
    let kept = bench.run().await;
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Bench {
    async fn run(&self) -> bool {
        let mut report = Report { kept: true };
        self.bare.put("bare/get", 5).await;
        let (put, get) = (self.time_bare(StorageOp::Put).await, self.time_bare(StorageOp::Get).await);
        print(&format!(
            "medians of {}; one bare PUT {:.1} ms, one bare GET {:.1} ms",
            self.repetitions,
            ms(put),
            ms(get)
        ));
        print("operation                               calls  rounds        ms   bare ms  ratio");
        for measured in &MEASURED {
            let cost = self.measure(measured).await;
            report.add(measured, &cost, put, get);
        }
        print(if report.kept { "all promises kept" } else { "a promise is broken" });
        report.kept
    }

    /// One bare call, of a small object.
    async fn time_bare(&self, operation: StorageOp) -> Duration {
        let target = format!("/{BUCKET}/bare/get");
        let call = Call { round_trip: 1, operation, target, size: 5, checksum_fits: true, failed: false };
        let mut times = Vec::new();
        for _ in 0..WARM_UP + self.repetitions {
            times.push(self.bare.repeat(std::slice::from_ref(&call)).await);
        }
        median(times.split_off(WARM_UP))
    }

    /// The operation and its bare calls, in turns.
    async fn measure(&self, measured: &Measured) -> Cost {
        let (mut calls, mut rounds, mut service, mut bare) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for number in 0..WARM_UP + self.repetitions {
            let request = self.fixtures.prepare(measured.operation, number).await;
            self.proxy.reset();
            let started = Instant::now();
            let reply = self.measured.send(request).await;
            let took = started.elapsed();
            assert_eq!(reply.status, 200, "{}", reply.text());
            let seen = self.proxy.calls();
            let wrong = seen.iter().find(|call| call.operation == StorageOp::Put && !call.checksum_fits);
            assert_eq!(wrong, None, "a PUT without the SHA-256 of its body");
            let took_bare = self.bare.repeat(&seen).await;
            if number >= WARM_UP {
                calls.push(seen.len());
                rounds.push(seen.last().map_or(0, |call| call.round_trip));
                service.push(took);
                bare.push(took_bare);
            }
        }
        Cost { calls: median(calls), rounds: median(rounds), service: median(service), bare: median(bare) }
    }
}

impl Report {
    fn add(&mut self, measured: &Measured, cost: &Cost, put: Duration, get: Duration) {
        let ratio = cost.service.div_duration_f64(cost.bare);
        let verdict = if cost.calls > measured.most_calls || cost.rounds > measured.most_rounds {
            Err(format!("more than {} calls or {} rounds", measured.most_calls, measured.most_rounds))
        } else if ratio > MOST {
            Err(format!("more than {MOST} of the same bare calls"))
        } else {
            match measured.promise {
                Some(Promise::OfPut(most)) => compare(cost, "PUT", put, most),
                Some(Promise::OfGet(most)) => compare(cost, "GET", get, most),
                None => Ok(String::new()),
            }
        };
        self.kept &= verdict.is_ok();
        let (Ok(verdict) | Err(verdict)) = verdict;
        print(&format!(
            "{:38} {:>6} {:>7} {:>9.1} {:>9.1} {ratio:>6.2}  {verdict}",
            measured.operation.to_string(),
            cost.calls,
            cost.rounds,
            ms(cost.service),
            ms(cost.bare),
        ));
    }
}

/// What to print, as an error if it took longer than so many times one bare call.
fn compare(cost: &Cost, what: &str, one: Duration, most: f64) -> Result<String, String> {
    let ratio = cost.service.div_duration_f64(one);
    let text = format!("{ratio:.2} of one {what} (at most {most})");
    if ratio <= most { Ok(text) } else { Err(format!("{text}: too slow")) }
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn print(line: &str) {
    // The reader may close the pipe early, as `head` does.
    let _ = writeln!(io::stdout(), "{line}");
}
