//! Listings, and where S3's differ from the port's.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use cache_core::storage::{ListPage, ListRequest, ListedObject};

use super::error::S3Error;
use super::{S3, size, unix_millis, unquoted};

/// S3 lists at most this many keys and folders in one response.
const MAX_KEYS: usize = 1000;

impl S3 {
    pub(super) async fn list_objects(&self, request: &ListRequest) -> Result<ListPage, S3Error> {
        let response = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&request.prefix)
            .set_start_after(start_after(request))
            .set_delimiter(request.delimiter.then(|| "/".to_owned()))
            // At most a thousand, so no bits are lost.
            .max_keys(request.limit.clamp(1, MAX_KEYS) as i32)
            .send()
            .await?;
        Ok(page(response))
    }
}

/// The `start-after` of the request.
fn start_after(request: &ListRequest) -> Option<String> {
    match &request.start_after {
        // Quirk: S3 would list a folder again because of the keys in it. No key in it comes after the greatest
        // character (except keys with this very character, which no name of the cache can have).
        Some(folder) if request.delimiter && folder.ends_with('/') => Some(format!("{folder}{}", char::MAX)),
        Some(key) => Some(key.clone()),
        // Quirk: S3's console creates folders as empty objects whose key ends with `/`. Such an object would come first
        // here, and at the end of a page with one item it would be mistaken for the folder that the next page skips.
        None if request.prefix.ends_with('/') => Some(request.prefix.clone()),
        None => None,
    }
}

fn page(response: ListObjectsV2Output) -> ListPage {
    // Both lists are in order, so the greater one of their ends is the end of the page.
    let last_key = response.contents().last().and_then(|object| object.key());
    let last_folder = response.common_prefixes().last().and_then(|folder| folder.prefix());
    let next = last_key.max(last_folder).map(str::to_owned).filter(|_| response.is_truncated == Some(true));
    let folders = response.common_prefixes.unwrap_or_default().into_iter().filter_map(|folder| folder.prefix);
    ListPage {
        objects: response.contents.unwrap_or_default().into_iter().filter_map(listed).collect(),
        folders: folders.collect(),
        next,
    }
}

fn listed(object: aws_sdk_s3::types::Object) -> Option<ListedObject> {
    // The console's folders, as above, are not objects.
    let key = object.key.filter(|key| !key.ends_with('/'))?;
    let version = unquoted(&object.e_tag.unwrap_or_default());
    Some(ListedObject { key, size: size(object.size), version, modified: unix_millis(object.last_modified) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_skipped_by_starting_after_everything_in_it() {
        let after = |prefix: &str, key: Option<&str>, delimiter| {
            let key = key.map(str::to_owned);
            start_after(&ListRequest { prefix: prefix.into(), start_after: key, delimiter, limit: 1 })
        };
        assert_eq!(after("", Some("a/"), true).as_deref(), Some("a/\u{10FFFF}"));
        assert_eq!(after("", Some("a/"), false).as_deref(), Some("a/"));
        assert_eq!(after("a/", None, true).as_deref(), Some("a/"));
        assert_eq!(after("a", None, true), None);
    }
}
