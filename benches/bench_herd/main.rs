//! A thundering herd: many processes store the same content at the same time, in one bucket.
//!
//! Each process is a server of its own. All of them reach one fake S3 through one proxy, which delays every call. A store of
//! another content, alone, is measured in the same run, so that the ratio of the two depends little on the machine.
//! `BENCH_PROCESSES` (8,40,100) and `BENCH_DELAY_MS` (15) change the measurement. It fails when a store is not acknowledged, or
//! when the versions and ids are not those of as many stores.
//!
//! All processes share the processors of one machine, with the fake S3 as well: when a call takes longer than the delay, this
//! is what is measured. `cargo test --package cache-core --test herd` simulates the same in virtual time.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

mod herd;
mod report;
#[allow(dead_code, unused_imports, reason = "the tests use more of it")]
#[path = "../../tests/it/support/mod.rs"]
mod support;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use cache_testing::fake_s3::{FakeS3, Quirks};
use cache_testing::faulty_proxy::{FaultyProxy, Network};

use self::herd::{Herd, Variant};
use self::report::{Report, print};
use self::support::Mode;

#[tokio::main]
async fn main() -> ExitCode {
    let from_env = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let delay = Duration::from_millis(from_env("BENCH_DELAY_MS", "15").parse().unwrap());
    let sizes = from_env("BENCH_PROCESSES", "8,40,100");
    let sizes = sizes.split(',').map(|size| size.trim().parse().unwrap());
    let fake = FakeS3::start(Quirks::default()).await;
    let proxy = FaultyProxy::start(&fake.endpoint_url(), 1).await;
    let mut herd = Herd::new(mode(&proxy), proxy.clone());
    let mut report = Report::default();
    print(&format!("every storage call takes at least {delay:?}; times in seconds"));
    report.header();
    for size in sizes {
        // Servers ask a look-alike what it can do when they start, which is not what is measured.
        proxy.set(Network::default());
        herd.grow(size).await;
        proxy.set(Network { delay, ..Network::default() });
        for variant in Variant::ALL {
            report.add(variant, &herd.stampede(variant).await);
        }
    }
    report.finish()
}

/// How a server reaches the bucket.
fn mode(proxy: &FaultyProxy) -> Mode {
    let environment = [
        ("AWS_ENDPOINT_URL", proxy.endpoint_url()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ];
    Mode::S3 { bucket: "herd".to_owned(), environment }
}
