//! The first round trip of a store: it reads what the commit needs, and commits a new small content at once.

use futures::future::{join, try_join, try_join3, try_join4};

use crate::error::Error;
use crate::key_index::KeyIndex;
use crate::manifest::Manifest;
use crate::settings::Settings;
use crate::storage::StorageError;

use super::super::commit::CommitContext;
use super::super::head::Loaded;
use super::super::manifest_changes::ListedEntry;
use super::super::settings::CachedSettings;
use super::Store;

/// Contents larger than this are looked up before they are sent: that is worth a round trip.
const LOOK_FIRST_ABOVE_BYTES: u64 = 1024 * 1024;

/// What the first round trip has found.
pub(super) struct FirstRound {
    pub(super) manifest: Loaded<Manifest>,
    pub(super) index: Option<Loaded<KeyIndex>>,
    /// The entry, if the create-only PUT was the commit.
    pub(super) created: Option<ListedEntry>,
    pub(super) context: CommitContext,
}

/// What the create-only PUT of a manifest came to.
enum Created {
    /// The entry is committed.
    Done,
    /// There is a manifest.
    Refused,
    /// It may be committed.
    Unclear,
}

impl Store<'_> {
    pub(super) async fn first_round(&mut self) -> Result<FirstRound, Error> {
        let cached = self.cache.cached_settings();
        if let Some(CachedSettings { settings, .. }) = &cached {
            self.apply_settings(settings)?;
            self.cache.check_quota(settings, self.size()).await?;
            self.read_first_version().await?;
        }
        let first = match &cached {
            None => self.read_first().await?,
            Some(settings) if self.looks_first() => self.look_first(settings).await?,
            Some(settings) => match self.cache.cached(&self.manifest_key) {
                Some(manifest) => self.begin_from_memory(manifest, settings).await?,
                None if self.is_small() => self.create(settings).await?,
                None => self.blob_first(settings).await?,
            },
        };
        if self.request.if_none_match {
            self.check_is_first(first.index.as_ref()).await?;
        }
        Ok(first)
    }

    fn context(&self) -> CommitContext {
        CommitContext::since(self.spec.stored_at)
    }

    /// Whether to look at the manifest before anything is written.
    fn looks_first(&self) -> bool {
        let content = &self.request.content;
        self.size() > LOOK_FIRST_ABOVE_BYTES || content.json_field_path().is_some() || self.request.if_none_match
    }

    fn apply_settings(&mut self, settings: &Settings) -> Result<(), Error> {
        self.cache.check_strategy(settings, self.spec.strategy)?;
        self.spec.expires_at = self.cache.expiry(settings, self.request.ttl, self.spec.stored_at);
        Ok(())
    }

    /// Asks the files of the Python service which version comes next, if the namespace has any.
    async fn read_first_version(&mut self) -> Result<(), Error> {
        self.first_version = self.cache.first_version(self.request.content.cache_hash()).await?;
        Ok(())
    }

    /// Reads the settings beside everything else. The commit has to wait for them, but a blob has not.
    async fn read_first(&mut self) -> Result<FirstRound, Error> {
        let cache = self.cache.clone();
        let blob = !self.is_small() && !self.looks_first();
        let (settings, manifest, index, blob) = try_join4(
            cache.settings(),
            self.load_manifest(),
            self.cache.load_index(self.index_key.as_ref()),
            self.write_blob_if(blob),
        )
        .await?;
        self.own_blob = blob;
        let applied = self.apply_settings(&settings);
        let is_within = self.cache.check_quota(&settings, self.size()).await;
        if let Err(refused) = applied.and(is_within) {
            self.remove_own_blob().await;
            return Err(refused);
        }
        self.read_first_version().await?;
        if manifest.head.is_none() && self.is_small() {
            return self.create_now(index).await;
        }
        Ok(FirstRound { manifest, index, created: None, context: self.context() })
    }

    async fn look_first(&mut self, settings: &CachedSettings) -> Result<FirstRound, Error> {
        let read = try_join(self.load_manifest(), self.cache.load_index(self.index_key.as_ref()));
        let (read, ()) = join(read, self.cache.refresh_settings(Some(settings))).await;
        let (manifest, index) = read?;
        if manifest.head.is_none() && self.is_small() && !self.request.if_none_match {
            return self.create_now(index).await;
        }
        Ok(FirstRound { manifest, index, created: None, context: self.context() })
    }

    async fn begin_from_memory(
        &mut self,
        manifest: Loaded<Manifest>,
        settings: &CachedSettings,
    ) -> Result<FirstRound, Error> {
        let listed = manifest
            .head
            .as_ref()
            .is_some_and(|head| head.contents().with_sha256(&self.request.content.sha256()).is_some());
        let writes_blob = !self.is_small() && !listed;
        let round = try_join(self.index_from_memory(), self.write_blob_if(writes_blob));
        let (round, ()) = join(round, self.cache.refresh_settings(Some(settings))).await;
        let (index, blob) = round?;
        self.own_blob = blob;
        let context = CommitContext { from_memory: true, ..self.context() };
        Ok(FirstRound { manifest, index, created: None, context })
    }

    async fn blob_first(&mut self, settings: &CachedSettings) -> Result<FirstRound, Error> {
        let round =
            try_join3(self.load_manifest(), self.cache.load_index(self.index_key.as_ref()), self.write_blob_if(true));
        let (round, ()) = join(round, self.cache.refresh_settings(Some(settings))).await;
        let (manifest, index, blob) = round?;
        self.own_blob = blob;
        Ok(FirstRound { manifest, index, created: None, context: self.context() })
    }

    /// Creates the manifest with the entry, and reads it in case it is there.
    async fn create(&mut self, settings: &CachedSettings) -> Result<FirstRound, Error> {
        let (manifest, listed) = self.first_state()?;
        let view = self.view_for(listed.row.cache_id);
        let put = self.put_created(manifest);
        let round =
            try_join4(put, self.load_manifest(), self.cache.load_index(self.index_key.as_ref()), self.write_view(view));
        let (round, ()) = join(round, self.cache.refresh_settings(Some(settings))).await;
        let (created, manifest, index, view) = round?;
        self.views.extend(view);
        self.after_create(created, listed, manifest, index).await
    }

    /// Creates the manifest with the entry, when it was seen to be absent.
    async fn create_now(&mut self, index: Option<Loaded<KeyIndex>>) -> Result<FirstRound, Error> {
        let (manifest, listed) = self.first_state()?;
        let view = self.view_for(listed.row.cache_id);
        let put = self.put_created(manifest);
        let (created, view) = try_join(put, self.write_view(view)).await?;
        self.views.extend(view);
        self.after_create(created, listed, Loaded::absent(), index).await
    }

    async fn after_create(
        &mut self,
        created: Created,
        listed: ListedEntry,
        manifest: Loaded<Manifest>,
        index: Option<Loaded<KeyIndex>>,
    ) -> Result<FirstRound, Error> {
        let context = match created {
            Created::Done => {
                let context = self.context();
                return Ok(FirstRound { manifest, index, created: Some(listed), context });
            }
            Created::Refused => CommitContext { losses: 1, ..self.context() },
            Created::Unclear => CommitContext { check_existing: true, ..self.context() },
        };
        // What was read beside the PUT may be the state before another store's.
        let manifest = match manifest.head {
            Some(_) => manifest,
            None => self.load_manifest().await?,
        };
        Ok(FirstRound { manifest, index, created: None, context })
    }

    /// The manifest with this entry alone.
    fn first_state(&self) -> Result<(Manifest, ListedEntry), Error> {
        let mut manifest = Manifest::beginning_with(self.first_version);
        let row = manifest.insert(self.request.content.cache_hash(), &self.new_entry());
        let row = row.map_err(|error| Error::full(error.to_string()))?;
        manifest.prepare_write(self.spec.stored_at);
        let content = manifest.content(row.content).cloned().expect("the row that was just listed has a content");
        Ok((manifest, ListedEntry { row, content, is_shared: false }))
    }

    async fn put_created(&self, manifest: Manifest) -> Result<Created, Error> {
        let bytes = manifest.encode().bytes;
        match self.cache.put_head(&self.manifest_key, manifest, bytes, None, self.spec.stored_at).await? {
            Ok(_) => Ok(Created::Done),
            Err(StorageError::Precondition { .. }) => Ok(Created::Refused),
            Err(StorageError::Unavailable { .. }) => Ok(Created::Unclear),
            Err(error) => Err(error.into()),
        }
    }

    /// The key index as it is in memory: if that is out of date, listing the entry there is refused.
    async fn index_from_memory(&self) -> Result<Option<Loaded<KeyIndex>>, Error> {
        match self.index_key.as_ref().and_then(|key| self.cache.cached(key)) {
            Some(index) => Ok(Some(index)),
            None => self.cache.load_index(self.index_key.as_ref()).await,
        }
    }
}
