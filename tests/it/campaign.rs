//! Two servers on one bucket that do everything at once, while S3 is busy, breaks connections and loses replies.
//!
//! A [`ledger`] notes what was acknowledged and judges every answer by it: nothing acknowledged is ever lost or wrong,
//! nothing deleted comes back, and trouble is never told as a miss. `CAMPAIGN_OPERATIONS` says how many operations there are
//! (default 400) and `CAMPAIGN_SEED` which; the seed is printed. The same seed draws the same operations and the same faults,
//! but which call meets which fault depends on the order in which the calls come, so a violation need not come again.

mod ledger;
mod operation;
mod reckoning;

use std::env;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use cache_storage::operation::StorageOp;
use cache_testing::faulty_proxy::{FaultyProxy, Network};
use futures::stream::{self, StreamExt};

use self::ledger::Ledger;
use self::operation::Operation;
use crate::support::server::binary;
use crate::support::{Client, Mode, Server, say};

/// The one namespace of a campaign.
const NAMESPACE: &str = "campaign";

/// Operations under way at once.
const AT_ONCE: usize = 8;

/// What S3 is like most of the time.
const BAD: Network =
    Network { delay: std::time::Duration::ZERO, slow: 0.02, refused: 0.03, reset: 0.02, response_lost: 0.02 };

/// The SDK repeats a call twice, so that few operations fail under [`BAD`]. In a storm many do, and their outcome is unclear.
const STORM: Network = Network { refused: 0.25, reset: 0.2, response_lost: 0.25, ..BAD };

/// One operation in so many is in a storm, which lasts for [`STORM_LENGTH`] operations.
const STORM_EVERY: u64 = 200;
const STORM_LENGTH: u64 = 20;

/// A campaign under way.
struct Campaign {
    seed: u64,
    proxy: FaultyProxy,
    clients: [Client; 2],
    ledger: Mutex<Ledger>,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_however_s3_fails() {
    let from_env = |name: &str| env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let operations = from_env("CAMPAIGN_OPERATIONS").unwrap_or(400);
    let seed = from_env("CAMPAIGN_SEED").unwrap_or(1);
    let Some((mode, proxy)) = Mode::s3_behind_proxy("campaign", seed).await else { return };
    say(&format!("CAMPAIGN_SEED={seed} CAMPAIGN_OPERATIONS={operations}"));
    let servers = [Server::start(&mode).await, Server::start(&mode).await];
    let clients = servers.each_ref().map(Server::client);
    let campaign = Campaign { seed, proxy, clients, ledger: Mutex::default() };
    stream::iter(0..operations).for_each_concurrent(AT_ONCE, |number| campaign.step(number)).await;

    campaign.proxy.set(Network::default());
    campaign.reckon().await;
    sweep(&mode);
    campaign.reckon().await;
    say(&campaign.summary());
    let ledger = campaign.ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(ledger.violations.is_empty(), "{:#?}", ledger.violations);
}

impl Campaign {
    /// Draws an operation, carries it out, and has the answer judged.
    async fn step(&self, number: u64) {
        match number % STORM_EVERY {
            0 => self.proxy.set(BAD),
            rest if rest == STORM_EVERY - STORM_LENGTH => self.proxy.set(STORM),
            _ => {}
        }
        let mut rng = fastrand::Rng::with_seed(self.seed.rotate_left(32) ^ number);
        let client = &self.clients[rng.usize(..self.clients.len())];
        let operation = Operation::draw(&mut rng, number, &self.ledger());
        operation.carry_out(client, &self.ledger).await;
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn summary(&self) -> String {
        let (calls, ledger) = (self.proxy.calls(), self.ledger());
        let failed = calls.iter().filter(|call| call.failed).count();
        let wrong = calls.iter().filter(|call| call.operation == StorageOp::Put && !call.checksum_fits).count();
        assert_eq!(wrong, 0, "a PUT without the SHA-256 of its body");
        let mut text = format!("{} S3 calls, {failed} of them made to fail;", calls.len());
        for (outcome, count) in &ledger.outcomes {
            // Writing to a string does not fail.
            let _ = write!(text, " {outcome}: {count},");
        }
        format!("{text} {} violations", ledger.violations.len())
    }
}

/// Sweeps the bucket. All in it is younger than a day, so nothing may go.
fn sweep(mode: &Mode) {
    let Mode::S3 { bucket, environment } = mode else { return };
    let mut command = Command::new(binary());
    command.arg("sweep").env_clear().envs(environment.iter().cloned()).env("CACHE__SERVICE__BUCKET_NAME", bucket);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    let nothing = format!(
        "{NAMESPACE}: removed 0 expired entries, 0 unreferenced blobs, 0 stale intents, 0 orphaned children, 0 orphaned aliases, 0 orphaned pages, \
         0 orphaned views, 0 orphaned rows of key indexes, 0 tombstones\n"
    );
    assert_eq!(said, nothing);
}
