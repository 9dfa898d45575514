//! Racing stores over a storage of which 5 % of the calls fail: acknowledged stores are never lost.

use std::collections::BTreeSet;
use std::sync::Arc;

use cache_core::cache::{Cache, Selector, StoreRequest, VersionsOf};
use cache_core::content::Content;
use cache_core::ids::{CacheId, Namespace};
use cache_core::storage::Storage;
use cache_core::strategy::Strategy;
use cache_storage::disk::Disk;
use cache_storage::memory::Memory;
use cache_storage::system::{OsRng, SystemClock};
use cache_testing::fault_injection::{FaultInjectingStorage, FaultRates};
use cache_testing::s3_server::S3Server;
use futures::future::join_all;

const WRITERS: usize = 32;
const TEXT: &str = "the same for all";

#[tokio::test(flavor = "multi_thread")]
async fn racing_stores_on_failing_memory_keep_what_is_acknowledged() {
    check(Arc::new(Memory::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_stores_on_a_failing_disk_keep_what_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    check(Arc::new(Disk::open(folder.path()).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_stores_over_a_failing_s3_keep_what_they_acknowledged() {
    let Some(server) = S3Server::shared() else { return };
    check(Arc::new(server.storage("failing-stores").await)).await;
}

/// Calls are lost before they arrive, or land and lose their reply, or arrive late.
fn failing(storage: &Arc<dyn Storage>, seed: u64) -> Arc<dyn Storage> {
    let rates = FaultRates { lost: 0.02, response_lost: 0.02, late: 0.01, ..FaultRates::default() };
    Arc::new(FaultInjectingStorage::at_random(Arc::clone(storage), rates, seed))
}

fn cache_over(storage: Arc<dyn Storage>) -> Cache {
    Cache::new(storage, Arc::new(SystemClock), Arc::new(OsRng))
}

async fn check(storage: Arc<dyn Storage>) {
    let namespace: Namespace = "race".parse().unwrap();
    // Two processes on one storage: within one, racing changes to an index share a write.
    let caches = [1, 2].map(|seed| cache_over(failing(&storage, seed)));
    let request = StoreRequest::new(Strategy::Direct, Content::string(TEXT.to_owned()).unwrap());
    let namespaces = caches.map(|cache| cache.namespace(&namespace));
    let stores = (0..WRITERS).map(|writer| namespaces[writer % namespaces.len()].store(&request));
    let acknowledged: Vec<(CacheId, u64)> = join_all(stores)
        .await
        .into_iter()
        .filter_map(|stored| stored.ok().map(|stored| (stored.entry.cache_id, stored.entry.version)))
        .collect();
    assert!(acknowledged.len() > WRITERS / 4, "only {} of {WRITERS} stores succeeded", acknowledged.len());

    let calm = cache_over(storage);
    let calm = calm.namespace(&"race".parse().unwrap());
    let of = VersionsOf::Hash(request.content.cache_hash().clone());
    let listed = calm.versions(&of, None, usize::MAX).await.unwrap().unwrap();
    let numbers: Vec<u64> = listed.versions.iter().map(|listed| listed.version).collect();
    assert_eq!(numbers, (1..=listed.count).collect::<Vec<_>>(), "every version once");
    let listed: BTreeSet<(CacheId, u64)> =
        listed.versions.iter().map(|listed| (listed.cache_id, listed.version)).collect();
    for (id, version) in acknowledged {
        assert!(listed.contains(&(id, version)), "{id} was acknowledged as version {version}");
        let entry = calm.retrieve(&Selector::Id(id)).await.unwrap();
        assert_eq!(entry.unwrap().bytes, TEXT, "{id}");
    }
}
