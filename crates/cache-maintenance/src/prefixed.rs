//! A part of a storage, as if it were a storage of its own.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ObjectHead, ObjectKey, PutMode, Storage, StorageError, Version,
};

/// The objects of another storage whose keys begin with a prefix and `/`.
#[derive(Debug)]
pub struct Prefixed {
    inner: Arc<dyn Storage>,
    folder: String,
}

impl Prefixed {
    /// What is below this prefix.
    pub fn new(inner: Arc<dyn Storage>, prefix: &ObjectKey) -> Self {
        Self { inner, folder: format!("{prefix}/") }
    }

    fn key(&self, key: &ObjectKey) -> Result<ObjectKey, StorageError> {
        format!("{}{key}", self.folder)
            .parse()
            .map_err(|err| StorageError::Refused { key: key.to_string(), source: Box::new(err) })
    }

    fn below(&self, key: String) -> String {
        key.strip_prefix(&self.folder).map(str::to_owned).unwrap_or(key)
    }
}

#[async_trait]
impl Storage for Prefixed {
    async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Option<GetResult>, StorageError> {
        self.inner.get(&self.key(key)?, options).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, StorageError> {
        self.inner.head(&self.key(key)?).await
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<Version, StorageError> {
        self.inner.put(&self.key(key)?, bytes, mode).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.inner.delete(&self.key(key)?).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage, StorageError> {
        let above = |name: &String| format!("{}{name}", self.folder);
        let above = ListRequest {
            prefix: above(&request.prefix),
            start_after: request.start_after.as_ref().map(above),
            ..request.clone()
        };
        let mut page = self.inner.list(&above).await?;
        for object in &mut page.objects {
            object.key = self.below(std::mem::take(&mut object.key));
        }
        page.folders = page.folders.into_iter().map(|folder| self.below(folder)).collect();
        page.next = page.next.map(|next| self.below(next));
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use cache_core::storage::MAX_KEY_BYTES;
    use cache_storage::conformance as checks;
    use cache_storage::memory::Memory;

    use super::*;

    #[tokio::test]
    async fn a_part_is_a_storage_but_for_the_longest_keys() {
        let whole: Arc<dyn Storage> = Arc::new(Memory::default());
        whole.put(&"a/bc".parse().unwrap(), "beside".into(), PutMode::Create).await.unwrap();
        let part = Prefixed::new(whole.clone(), &"a/b".parse().unwrap());
        checks::what_is_put_is_read_back(&part).await;
        checks::update_needs_the_current_version(&part).await;
        checks::deleting_is_idempotent(&part).await;
        checks::get_head_put_and_list_agree_on_the_version(&part).await;
        checks::pages_of_any_size_join_to_the_whole(&part).await;
        checks::pages_with_a_delimiter_join_to_the_whole(&part).await;
        checks::start_after_is_exclusive_and_need_not_exist(&part).await;
        checks::start_after_a_folder_skips_it(&part).await;
        let all = ListRequest { limit: 1_000, ..ListRequest::default() };
        let listed = whole.list(&all).await.unwrap().objects;
        assert!(listed.iter().all(|object| object.key == "a/bc" || object.key.starts_with("a/b/")), "{listed:?}");
        assert_eq!(part.list(&all).await.unwrap().objects.len() + 1, listed.len());
        let long = part.put(&"k".repeat(MAX_KEY_BYTES).parse().unwrap(), "x".into(), PutMode::Create).await;
        assert!(matches!(long, Err(StorageError::Refused { .. })), "{long:?}");
    }
}
