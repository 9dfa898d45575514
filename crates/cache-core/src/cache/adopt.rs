//! Adopt: an entry under an id that the caller chooses, such as one that a client knows by heart.

use crate::content::Content;
use crate::error::Error;
use crate::ids::{CacheId, Namespace};
use crate::index::Index;
use crate::layout::Layout;
use crate::record::{Record, RecordState};
use crate::storage::{ObjectKey, PutMode, StorageError};
use crate::strategy::Strategy;

use super::swap::{Addition, Change, Claim, Outcome};
use super::{Cache, StoreRequest};

impl Cache {
    /// Stores a content by the strategy `direct` under a given id; `None` when there is an entry with that id.
    ///
    /// The content is stored under an id of its own first. While that entry is listed nobody can take the content away, so
    /// that the given id can be listed beside it. An id that was given, deleted and given again can come back by a write
    /// that arrives late, other than the ids that the service makes: use it for ids that mean the same thing for ever.
    pub async fn store_under_id(
        &self,
        namespace: &Namespace,
        id: CacheId,
        content: Content,
    ) -> Result<Option<Record>, Error> {
        let cache = self.begin();
        let request = StoreRequest {
            namespace: namespace.clone(),
            strategy: Strategy::Direct,
            cache_key: None,
            file_id: None,
            content,
        };
        let stored = cache.store(&request).await?.record;
        let record = Record { cache_id: id, ..stored.clone() };
        let adopted = cache.write_foreign_record(&record).await? && cache.list_foreign(&record).await?;
        cache.delete(namespace, stored.cache_id).await?;
        Ok(adopted.then_some(record))
    }

    /// Writes a record where there is none, or a grave; `false` when somebody else has the id.
    async fn write_foreign_record(&self, record: &Record) -> Result<bool, Error> {
        let key: ObjectKey = Layout::new(&record.namespace).record(record.cache_id);
        let mode = match self.storage.get(&key, None).await? {
            None => PutMode::Create,
            Some(object) => match RecordState::parse(&object.bytes).map_err(|error| Error::corrupt(&key, error))? {
                RecordState::Live(_) => return Ok(false),
                RecordState::Grave => PutMode::Replace(object.version),
            },
        };
        match self.storage.put(&key, record.to_bytes().into(), mode).await {
            Ok(_) => Ok(true),
            Err(StorageError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn list_foreign(&self, record: &Record) -> Result<bool, Error> {
        let index = Layout::new(&record.namespace).hash_index(&record.cache_hash);
        let loaded = self.load_index(&index).await?;
        let addition = Addition {
            record: record.clone(),
            of: Index::of_hash(&record.cache_hash),
            claim: Claim::Shared,
            base: loaded.state.clone(),
            floor: loaded.next(),
            again: false,
        };
        let outcome = self.swap(&record.namespace, &index, loaded, Change::Add(Box::new(addition))).await?;
        match outcome {
            Outcome::Added { .. } => Ok(true),
            // Only a delete of the entry that was just stored explains it.
            _ => Err(Error::Unavailable(format!("{index}: the content was deleted while it was stored"))),
        }
    }
}
