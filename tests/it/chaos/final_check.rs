//! The final check: every entry is read in every way, and every list is compared with the acknowledged operations.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};

use super::history::{Key, Which};
use super::operation::Asker;
use super::{CONCURRENCY, ChaosRun, NAMESPACE};
use crate::support::Request;

impl ChaosRun {
    /// Checks everything. Call it when no operation is in flight and S3 does not fail.
    pub async fn check_finally(&self) {
        let reads = self.reads();
        stream::iter(reads.iter().enumerate())
            .for_each_concurrent(CONCURRENCY, |(number, (place, which))| async move {
                self.asker(number).read(place, which).await;
            })
            .await;
        let lists = self.lists();
        stream::iter(lists.iter().enumerate())
            .for_each_concurrent(CONCURRENCY, |(number, which)| self.asker_of_versions(number, which))
            .await;
        for number in 0..self.clients.len() {
            self.compare_ids(number).await;
            self.compare_hashes(number).await;
        }
    }

    fn asker(&self, number: usize) -> Asker<'_> {
        Asker { client: &self.clients[number % self.clients.len()], history: &self.history }
    }

    async fn asker_of_versions(&self, number: usize, which: &Which) {
        self.asker(number).versions(which).await;
    }

    /// Every entry by its id, those deleted included; and every hash and key, by their newest one.
    fn reads(&self) -> Vec<(String, Which)> {
        let ids = self.history().entries.keys().map(|id| (id.clone(), Which::Id(id.clone()))).collect::<Vec<_>>();
        let newest = self.lists().into_iter().map(|which| match &which {
            Which::Id(id) => (id.clone(), which),
            Which::Hash(hash) => (format!("hash/{hash}"), which),
            Which::Key(key) => (format!("key/{key}"), which),
        });
        ids.into_iter().chain(newest).collect()
    }

    /// Every hash and every key.
    fn lists(&self) -> Vec<Which> {
        let history = self.history();
        let hashes: BTreeSet<&String> = history.attempts.iter().map(|attempt| &attempt.hash).collect();
        let keys: BTreeSet<&Key> = history.attempts.iter().filter_map(|attempt| attempt.key.as_ref()).collect();
        let hashes = hashes.into_iter().map(|hash| Which::Hash(hash.clone()));
        hashes.chain(keys.into_iter().map(|key| Which::Key(key.clone()))).collect()
    }

    async fn compare_ids(&self, number: usize) {
        let listed = self.list(number, "file-ids").await;
        let mut history = self.history();
        let entries: Vec<_> = history
            .entries
            .iter()
            .map(|(id, entry)| (id.clone(), entry.is_certain(u64::MAX), entry.is_gone(u64::MAX)))
            .collect();
        for (id, certain, gone) in entries {
            let shown = listed.contains(&id);
            history.hold(shown || !certain, || format!("{id} is missing in the list of all ids"));
            history.hold(!shown || !gone, || format!("the deleted {id} is in the list of all ids"));
        }
    }

    async fn compare_hashes(&self, number: usize) {
        let listed = self.list(number, "file-hashes").await;
        let mut history = self.history();
        let certain = history.entries.values().filter(|entry| entry.is_certain(u64::MAX));
        let missing: BTreeSet<_> =
            certain.map(|entry| entry.hash.clone()).filter(|hash| !listed.contains(hash)).collect();
        history.hold(missing.is_empty(), || format!("{missing:?} are missing in the list of all hashes"));
    }

    async fn list(&self, number: usize, name: &str) -> BTreeSet<String> {
        let reply = self.asker(number).client.send(Request::get(&format!("/{NAMESPACE}/{name}"))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let texts = reply.json().as_array().cloned().unwrap_or_default();
        texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    }
}
