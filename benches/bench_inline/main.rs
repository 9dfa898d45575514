//! The cost of keeping a content in its manifest (inline) or as a separate object (a blob), by its size.
//!
//! Two caches work in turns on one storage, one keeps every content inline and one none. So their ratio shows the
//! effect of a limit in between. The storages are a look-alike of S3 behind a proxy that delays every call, and a disk.
//! The tables are Markdown: `docs/measurements/inline-contents.md` has them, and what follows from them. `BENCH_DELAY_MS` (15) and
//! `BENCH_REPETITIONS` (11) change the measurement.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

mod operation;
mod report;

use std::env;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::storage::{GetOptions, PutMode, Storage};
use cache_storage::disk::Disk;
use cache_testing::faulty_proxy::{FaultyProxy, Network};
use cache_testing::s3_server::S3Server;

use self::operation::{Cost, Operation, Side, random_bytes};
use self::report::{print, print_bare, print_break_even, print_bytes, print_requests, print_times};

/// The sizes that are compared, in KiB.
const SIZES: [usize; 7] = [1, 4, 16, 32, 64, 128, 256];

/// What the two sides cost for each operation, by size.
type Costs = Vec<(Operation, Vec<[Cost; 2]>)>;

#[tokio::main]
async fn main() -> ExitCode {
    let from_env = |name: &str, default| env::var(name).map_or(default, |value| value.parse::<usize>().unwrap());
    let repetitions = from_env("BENCH_REPETITIONS", 11);
    let delay = Duration::from_millis(from_env("BENCH_DELAY_MS", 15) as u64);
    let Some(server) = S3Server::shared() else { return ExitCode::FAILURE };
    let proxy = FaultyProxy::start(&server.endpoint_url(), 1).await;
    let s3: Arc<dyn Storage> = Arc::new(server.storage_at(proxy.endpoint_url(), "inline").await);
    proxy.set(Network { delay, ..Network::default() });
    print(&format!("## S3, every call takes at least {delay:?}\n"));
    print_bare(&bare(&s3, repetitions).await);
    let costs = compare(&s3, repetitions).await;
    print_requests(&costs);
    print_bytes(&costs);
    print_times(&costs);
    print_break_even(&costs);

    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Storage> = Arc::new(Disk::open(folder.path()).unwrap());
    print("## Disk\n");
    print_bare(&bare(&disk, repetitions).await);
    print_times(&compare(&disk, repetitions).await);
    ExitCode::SUCCESS
}

/// The median times of a create-only PUT and of a GET of one object, by size.
async fn bare(storage: &Arc<dyn Storage>, repetitions: usize) -> Vec<[Duration; 2]> {
    let mut times = Vec::new();
    for kib in SIZES {
        let (mut puts, mut gets) = (Vec::new(), Vec::new());
        for number in 0..repetitions {
            let (key, bytes) = (format!("bare/{kib}/{number}").parse().unwrap(), random_bytes(kib));
            let started = Instant::now();
            storage.put(&key, bytes, PutMode::Create).await.unwrap();
            puts.push(started.elapsed());
            let started = Instant::now();
            storage.get(&key, &GetOptions::default()).await.unwrap().unwrap();
            gets.push(started.elapsed());
        }
        times.push([median(puts), median(gets)]);
    }
    times
}

/// Every operation with every size, on both sides in turns.
async fn compare(storage: &Arc<dyn Storage>, repetitions: usize) -> Costs {
    let sides = [Side::inline(storage).await, Side::blob(storage).await];
    let mut costs = Vec::new();
    for operation in Operation::ALL {
        let mut by_size = Vec::new();
        for kib in SIZES {
            let mut measured = [Vec::new(), Vec::new()];
            for _ in 0..repetitions {
                for (side, measured) in sides.iter().zip(&mut measured) {
                    measured.push(operation.measure(side, kib).await);
                }
            }
            by_size.push(measured.map(|costs| Cost::median(&costs)));
        }
        costs.push((operation, by_size));
    }
    costs
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}
