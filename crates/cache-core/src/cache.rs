//! The use cases. Each is a method of [`NamespaceCache`] or [`Cache`], in a file of its own; this file holds what they share.
//!
//! Reading order: `store` (the commit of an entry), `commit` (the one loop that changes a manifest or key index, and its group
//! commit), `key_index_entries` (adding an entry to its key index), `retrieve`, `delete`.
//!
//! ```
//! # use std::sync::Arc;
//! # use cache_core::cache::{Cache, Selector, StoreRequest};
//! # use cache_core::content::Content;
//! # use cache_core::strategy::Strategy;
//! # use cache_storage::memory::Memory;
//! # use cache_storage::system::{OsRng, SystemClock};
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let cache = Cache::new(Arc::new(Memory::default()), Arc::new(SystemClock), Arc::new(OsRng));
//! let demo = cache.namespace(&"demo".parse()?);
//! let content = Content::string("hello".to_owned())?;
//! let stored = demo.store(&StoreRequest::new(Strategy::Direct, content)).await?;
//! let found = demo.retrieve(&Selector::Id(stored.entry.cache_id)).await?.expect("it was just stored");
//! assert_eq!(found.bytes, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod admin;
mod alias;
mod attempt;
mod audit;
mod backoff;
mod batch;
mod catalog;
mod children;
mod clear_namespace;
mod commit;
mod content;
mod content_reader;
mod dated_entries;
mod delete;
mod dry_run;
mod exists;
mod group_commit;
mod head;
mod intents;
mod key_changes;
mod key_index_entries;
mod listing;
mod load;
mod locate;
mod manifest_changes;
mod namespaces;
mod object_cache;
mod page_tree;
mod pages;
mod paths;
mod python_store;
mod quota;
mod retrieve;
mod revisions;
mod rollback;
mod settings;
mod store;
mod sweep;
mod update;
mod upload;
mod versions;
mod views;
mod zip;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::admin::{AdminFile, FileDeleted, ListFiles};
pub use self::audit::{AuditedContent, AuditedEntry, ContentPlace, KeyIndexAudit, ManifestAudit};
pub use self::batch::{BatchItem, MAX_BATCH_ITEMS};
pub use self::children::{Child, ChildName};
pub use self::content_reader::{ContentReader, PART_BYTES};
pub use self::dated_entries::{DatedEntry, EntriesRequest};
pub use self::delete::Deleted;
pub use self::listing::NamePage;
pub use self::namespaces::Stats;
pub use self::object_cache::ObjectCacheCounts;
pub use self::paths::Paths;
pub use self::python_store::{Conversion, PythonEntry, PythonEntryState};
pub use self::retrieve::{Retrieved, RetrievedOrTooLarge, Selector};
pub use self::store::{IdempotencyKey, MAX_TTL, MIN_TTL, StoreRequest, Stored};
pub use self::sweep::{MAX_REPORTED_DAMAGED, SWEEP_MIN_AGE, SweepReport};
pub use self::update::UpdateRequest;
pub use self::upload::{MAX_TEXT_UPLOAD_BYTES, Receiving, Upload, UploadLimits, UploadRequest};
pub use self::versions::{ListedVersion, Versions, VersionsOf};
pub use self::zip::{ArchiveDestination, ArchiveEntry, ArchiveError, Archives, Edited, StoredArchive};

use self::dry_run::DryRun;
use self::group_commit::GroupCommit;
use self::object_cache::ObjectCache;
use self::python_store::PythonNamespaces;
use self::quota::QuotaTable;
use self::settings::SettingsCache;
use crate::clock::Clock;
use crate::error::Error;
use crate::ids::Namespace;
use crate::key_index::KeyIndex;
use crate::layout::Layout;
use crate::manifest::{Limits, Manifest};
use crate::rng::Rng;
use crate::storage::{GetOptions, GetResult, ObjectKey, PutMode, Storage, StorageError, Version};
use crate::time::{Deadline, UnixMillis};

/// How long one operation keeps trying when it has no deadline.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(25);

/// The time to live of a namespace that sets none, in hours.
pub const DEFAULT_TTL_HOURS: u32 = 24;

/// How many calls to the storage one operation makes side by side when it needs many.
pub(crate) const CONCURRENCY: usize = 32;

/// The cache: all use cases over one storage. Cheap to clone; clones share what is in flight and what is in memory.
#[derive(Debug, Clone)]
pub struct Cache {
    storage: Arc<dyn Storage>,
    shared: Arc<Shared>,
    default_ttl_hours: u32,
    max_in_memory_bytes: u64,
    deadline: Option<Deadline>,
}

/// How a cache works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheConfig {
    /// How many bytes of manifests, key indexes and blobs it keeps in memory, to save reading them again; 0 for none.
    pub object_cache_bytes: u64,
    /// The time to live of namespaces that set none, in hours.
    pub default_ttl_hours: u32,
    /// It reads no content into memory that has more bytes than this. Uploads may be larger.
    pub max_in_memory_bytes: u64,
    /// At which sizes objects are split.
    pub limits: Limits,
}

impl Default for CacheConfig {
    /// Nothing in memory, [`DEFAULT_TTL_HOURS`], contents of any size.
    fn default() -> Self {
        Self {
            object_cache_bytes: 0,
            default_ttl_hours: DEFAULT_TTL_HOURS,
            max_in_memory_bytes: u64::MAX,
            limits: Limits::default(),
        }
    }
}

/// What all clones of a cache have in common.
#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    manifests: Arc<GroupCommit<Manifest>>,
    key_indexes: Arc<GroupCommit<KeyIndex>>,
    settings: SettingsCache,
    quotas: QuotaTable,
    python_namespaces: PythonNamespaces,
    objects: ObjectCache,
    limits: Limits,
}

/// The use cases of one namespace. Nothing that it does leaves its namespace.
#[derive(Debug, Clone)]
pub struct NamespaceCache {
    cache: Cache,
    namespace: Namespace,
}

impl Shared {
    fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, object_cache_bytes: u64, limits: Limits) -> Self {
        Self {
            clock,
            rng,
            manifests: Arc::default(),
            key_indexes: Arc::default(),
            settings: SettingsCache::default(),
            quotas: QuotaTable::default(),
            python_namespaces: PythonNamespaces::default(),
            objects: ObjectCache::new(object_cache_bytes),
            limits,
        }
    }
}

impl Cache {
    /// A cache over a storage, configured as [`CacheConfig::default`] says.
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self::with_config(storage, clock, rng, &CacheConfig::default())
    }

    /// A cache over a storage.
    pub fn with_config(
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        config: &CacheConfig,
    ) -> Self {
        Self {
            storage,
            shared: Arc::new(Shared::new(clock, rng, config.object_cache_bytes, config.limits)),
            default_ttl_hours: config.default_ttl_hours,
            max_in_memory_bytes: config.max_in_memory_bytes,
            deadline: None,
        }
    }

    /// The same cache, whose operations stop trying at this time.
    #[must_use]
    pub fn with_deadline(&self, deadline: Deadline) -> Self {
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// The same cache over another view of its storage, such as one that counts. It shares with this cache what is in flight,
    /// so both have to lead to the same objects.
    #[must_use]
    pub fn with_storage(&self, storage: Arc<dyn Storage>) -> Self {
        Self { storage, ..self.clone() }
    }

    /// The same cache, but nothing that it does changes the storage. It shares nothing with this cache.
    fn dry_run(&self) -> Self {
        let Shared { clock, rng, limits, .. } = &*self.shared;
        let shared = Shared::new(Arc::clone(clock), Arc::clone(rng), 0, *limits);
        let storage = Arc::new(DryRun::new(Arc::clone(&self.storage), Arc::clone(clock)));
        Self { storage, shared: Arc::new(shared), ..self.clone() }
    }

    /// The use cases of a namespace.
    pub fn namespace(&self, namespace: &Namespace) -> NamespaceCache {
        NamespaceCache { cache: self.clone(), namespace: namespace.clone() }
    }

    /// How the objects in memory were used since the process started.
    pub fn object_cache(&self) -> ObjectCacheCounts {
        self.shared.objects.counts()
    }

    /// Whether clients can read and write directly from and to the storage.
    pub fn presigns(&self) -> bool {
        self.storage.presigner().is_some()
    }

    /// Whether large contents can be read in parts: see [`Storage::seeks`].
    pub fn reads_in_parts(&self) -> bool {
        self.storage.seeks()
    }

    /// The same cache with its deadline set, counted from now when there was none.
    fn with_default_deadline(&self) -> Self {
        self.with_deadline(self.deadline.unwrap_or_else(|| Deadline::at(self.now().plus(DEFAULT_TIMEOUT))))
    }

    fn now(&self) -> UnixMillis {
        self.shared.clock.now()
    }

    fn random(&self) -> u64 {
        self.shared.rng.next_u64()
    }

    fn is_past_deadline(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline.has_passed(self.now()))
    }

    async fn read(&self, key: &ObjectKey) -> Result<Option<Bytes>, Error> {
        let found = self.storage.get(key, &GetOptions::default()).await?;
        Ok(found.and_then(GetResult::into_object).map(|object| object.bytes))
    }

    async fn overwrite(&self, key: &ObjectKey, bytes: impl Into<Bytes>) -> Result<Version, Error> {
        Ok(self.storage.put(key, bytes.into(), PutMode::Overwrite).await?)
    }

    /// Writes an object that must not be there yet; `false` when it is. An earlier attempt of the same call may be what is
    /// there.
    async fn create(&self, key: &ObjectKey, bytes: impl Into<Bytes>) -> Result<bool, Error> {
        match self.storage.put(key, bytes.into(), PutMode::Create).await {
            Ok(_) => Ok(true),
            Err(StorageError::Precondition { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn remove(&self, key: &ObjectKey) -> Result<(), Error> {
        Ok(self.storage.delete(key).await?)
    }

    /// Removes an object that nobody needs any more. What cannot be removed is left for the sweep.
    async fn remove_garbage(&self, key: &ObjectKey) {
        if let Err(error) = self.remove(key).await {
            tracing::info!(%key, %error, "left for the sweep");
        }
    }
}

impl NamespaceCache {
    /// The namespace.
    pub fn name(&self) -> &Namespace {
        &self.namespace
    }

    fn layout(&self) -> Layout<'_> {
        Layout::new(&self.namespace)
    }

    /// The same with its deadline set.
    fn with_default_deadline(&self) -> Self {
        Self { cache: self.cache.with_default_deadline(), namespace: self.namespace.clone() }
    }
}
