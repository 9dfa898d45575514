//! Two servers on one bucket that do everything at once, while S3 is busy, breaks connections and loses replies.
//!
//! A [`history`] records the acknowledged operations and checks every response against them: nothing acknowledged is
//! lost or wrong, nothing deleted comes back, and a failure is never reported as a miss. `CHAOS_OPERATIONS` is the
//! number of operations (default 400) and `CHAOS_SEED` the seed, which is printed. The same seed draws the same
//! operations and faults, but the order of the calls decides which call gets which fault, so a violation is not always
//! reproducible.

mod final_check;
mod history;
mod operation;

use std::env;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use cache_storage::operation::StorageOp;
use cache_testing::faulty_proxy::{FaultyProxy, Network};
use futures::stream::{self, StreamExt};

use self::history::History;
use self::operation::Operation;
use crate::support::server::binary;
use crate::support::{Client, Mode, Server, say};

/// The one namespace of a run.
const NAMESPACE: &str = "chaos";

/// Operations under way at once.
const CONCURRENCY: usize = 8;

/// The network most of the time.
const BAD: Network =
    Network { delay: std::time::Duration::ZERO, slow: 0.02, refused: 0.03, reset: 0.02, response_lost: 0.02 };

/// The SDK repeats a call twice, so that few operations fail under [`BAD`]. In a storm many do, and their outcome is
/// unknown.
const STORM: Network = Network { refused: 0.25, reset: 0.2, response_lost: 0.25, ..BAD };

/// One operation in so many is in a storm, which lasts for [`STORM_LENGTH`] operations.
const STORM_EVERY: u64 = 200;
const STORM_LENGTH: u64 = 20;

/// A run under way.
struct ChaosRun {
    seed: u64,
    proxy: FaultyProxy,
    clients: [Client; 2],
    history: Mutex<History>,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_however_s3_fails() {
    let from_env = |name: &str| env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let operations = from_env("CHAOS_OPERATIONS").unwrap_or(400);
    let seed = from_env("CHAOS_SEED").unwrap_or(1);
    let Some((mode, proxy)) = Mode::s3_behind_proxy("chaos", seed).await else { return };
    say(&format!("CHAOS_SEED={seed} CHAOS_OPERATIONS={operations}"));
    let servers = [Server::start(&mode).await, Server::start(&mode).await];
    let clients = servers.each_ref().map(Server::client);
    let run = ChaosRun { seed, proxy, clients, history: Mutex::default() };
    stream::iter(0..operations).for_each_concurrent(CONCURRENCY, |number| run.step(number)).await;

    run.proxy.set(Network::default());
    run.check_finally().await;
    sweep(&mode);
    run.check_finally().await;
    say(&run.summary());
    let history = run.history.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(history.violations.is_empty(), "{:#?}", history.violations);
}

impl ChaosRun {
    /// Draws an operation, carries it out, and checks the response.
    async fn step(&self, number: u64) {
        match number % STORM_EVERY {
            0 => self.proxy.set(BAD),
            rest if rest == STORM_EVERY - STORM_LENGTH => self.proxy.set(STORM),
            _ => {}
        }
        let mut rng = fastrand::Rng::with_seed(self.seed.rotate_left(32) ^ number);
        let client = &self.clients[rng.usize(..self.clients.len())];
        let operation = Operation::draw(&mut rng, number, &self.history());
        operation.carry_out(client, &self.history).await;
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn summary(&self) -> String {
        let (calls, history) = (self.proxy.calls(), self.history());
        let failed = calls.iter().filter(|call| call.failed).count();
        let wrong = calls.iter().filter(|call| call.operation == StorageOp::Put && !call.checksum_fits).count();
        assert_eq!(wrong, 0, "a PUT without the SHA-256 of its body");
        let mut text = format!("{} S3 calls, {failed} of them made to fail;", calls.len());
        for (outcome, count) in &history.outcomes {
            // Writing to a string does not fail.
            let _ = write!(text, " {outcome}: {count},");
        }
        format!("{text} {} violations", history.violations.len())
    }
}

/// Sweeps the bucket. Everything in it is younger than a day, so nothing may be removed.
fn sweep(mode: &Mode) {
    let Mode::S3 { bucket, environment } = mode else { return };
    let mut command = Command::new(binary());
    command.arg("sweep").env_clear().envs(environment.iter().cloned()).env("CACHE__SERVICE__BUCKET_NAME", bucket);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    let nothing = format!(
        "{NAMESPACE}: removed 0 expired entries, 0 unreferenced blobs, 0 stale intents, 0 orphaned children, 0 orphaned aliases, 0 orphaned pages, \
         0 orphaned views, 0 orphaned rows of key indexes; emptied 0 tombstones\n"
    );
    assert_eq!(said, nothing);
}
