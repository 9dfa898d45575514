//! The server releases the memory that malformed requests take.

use std::fs;

use futures::stream::{self, StreamExt as _};

use super::{compressed_store, gzipped, raw};
use crate::support::{Client, Mode, Request, Server};

const MIB: u64 = 1 << 20;
/// The number of consecutive rounds without growth.
const ROUNDS: usize = 3;
/// The largest number of rounds to wait for that.
const MAX_ROUNDS: u32 = 9;
/// Growth over so many rounds, in bytes. Each round sends about as much, so anything kept would exceed it.
const MAY_STAY: u64 = 48 * MIB;
/// The peak memory that the server may use, in bytes: a few bodies at their limit.
const MAY_PEAK: u64 = 768 * MIB;

/// A figure of the server's memory in bytes; `None` if the system does not report it.
fn memory(server: &Server, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process_id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// About 60 MB of requests that are refused, and two bombs; on disk, where nothing of it stays.
async fn round(server: &Server, round: u32, bomb: &[u8]) {
    for _ in 0..2 {
        assert_eq!(server.client().send(compressed_store(bomb.to_owned())).await.status, 413);
    }
    let refused = vec![b'x'; 20_000_000];
    for kind in ["json", "json/k", "json/k?json_field_path=a"] {
        let reply = server.client().send(Request::post(&format!("/h/direct/store/{kind}")).json(refused.clone())).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
    }
    let (client, numbers) = (server.client(), 0..1500);
    let strangers = numbers.map(|n| stranger(client.clone(), format!("namespace-{round}-{n}")));
    stream::iter(strangers).buffer_unordered(32).collect::<()>().await;
    let flood = raw::head("GET", "/info/health", &format!("X-Flood: {}\r\n", "x".repeat(4 << 20)));
    raw::status(server, &flood).await;
}

/// Requests namespaces in which nothing is stored.
async fn stranger(client: Client, namespace: String) {
    let targets = [format!("/{namespace}/stats"), format!("/{namespace}/exists/hash/0123456789abcdef")];
    for target in targets {
        assert_eq!(client.send(Request::get(&target)).await.status, 200);
    }
}

#[tokio::test]
async fn memory_of_malformed_requests_is_released() {
    let server = Server::start(&Mode::Disk).await;
    let bomb = gzipped(&vec![0; 65 << 20]);
    let mut taken = Vec::new();
    for number in 0..MAX_ROUNDS {
        round(&server, number, &bomb).await;
        let Some(memory) = memory(&server, "VmRSS") else { return };
        taken.push(memory);
        // The allocator may grow once, in any of the rounds; a leak grows in each of them.
        let before = taken.len().checked_sub(1 + ROUNDS).map(|before| taken[before]);
        if before.is_some_and(|before| memory < before + MAY_STAY) {
            break;
        }
        assert!(number + 1 < MAX_ROUNDS, "bytes after each round: {taken:?}");
    }
    let peak = memory(&server, "VmHWM").unwrap();
    assert!(peak < MAY_PEAK, "{} MiB at most", peak / MIB);
}
