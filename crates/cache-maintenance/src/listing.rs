//! Listing and reading the objects of a storage. A call that may succeed if it is made again is.

use cache_core::error::Error;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ListedObject, Object, ObjectKey, Storage, StorageError,
};

use crate::retry::retry;

/// How many objects a page of a listing has.
const PAGE: usize = 1_000;

/// One page of the objects in a folder.
pub(crate) async fn page(
    storage: &dyn Storage,
    folder: &str,
    start_after: Option<String>,
) -> Result<ListPage, StorageError> {
    let request = ListRequest { prefix: folder.to_owned(), start_after, delimiter: false, limit: PAGE };
    retry(|| storage.list(&request)).await
}

/// Does something for every object in a folder.
pub(crate) async fn for_each(
    storage: &dyn Storage,
    folder: &str,
    mut work: impl FnMut(ListedObject),
) -> Result<(), Error> {
    let mut after = None;
    loop {
        let page = page(storage, folder, after.take()).await?;
        page.objects.into_iter().for_each(&mut work);
        let Some(next) = page.next else { return Ok(()) };
        after = Some(next);
    }
}

/// Reads a whole object.
pub(crate) async fn read(storage: &dyn Storage, key: &ObjectKey) -> Result<Option<Object>, StorageError> {
    let options = GetOptions::default();
    let found = retry(|| storage.get(key, &options)).await?;
    Ok(found.and_then(GetResult::into_object))
}
