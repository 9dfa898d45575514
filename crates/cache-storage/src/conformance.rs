//! The contract of [`cache_core::storage`] as named checks. A failure names the promise that was broken.
//!
//! [`conformance!`](crate::conformance!) makes a test of each check. A check works below a random prefix, so all checks
//! can share one storage, in one run and the next.

#![allow(clippy::unwrap_used, reason = "these are tests, though other crates can call them")]

use bytes::Bytes;
use cache_core::clock::Clock;
use cache_core::rng::Rng;
use cache_core::storage::{
    GetOptions, GetResult, ListPage, ListRequest, ListedObject, Object, ObjectHead, ObjectKey, PutMode, Storage,
    StorageError, Version,
};
use cache_core::time::UnixMillis;
use futures::future::join_all;
use std::time::Duration;

use crate::system::{OsRng, SystemClock};

pub use copies::*;
pub use keys::*;
pub use listing::*;
pub use objects::*;
pub use parts::*;
pub use races::*;
pub use ranges::*;
pub use versions::*;

mod copies;
mod keys;
mod listing;
mod objects;
mod parts;
mod races;
mod ranges;
mod versions;

/// How far the clock of a backend may be from ours.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Makes one `#[tokio::test]` per check of [`conformance`](mod@crate::conformance), in a module of that name.
///
/// The expression makes the storage. What must be kept alive for it comes first: `let folder = tempdir().unwrap();`.
/// With `let Some(server) = …;` the tests return early if there is none.
#[macro_export]
macro_rules! conformance {
    ($(let $guard:ident = $value:expr;)? $storage:expr) => {
        $crate::conformance! { @module { $(let $guard = $value;)? } $storage }
    };
    (let Some($guard:ident) = $value:expr; $storage:expr) => {
        $crate::conformance! { @module { let Some($guard) = $value else { return }; } $storage }
    };
    (@module $before:tt $storage:expr) => {
        mod conformance {
            #[allow(unused_imports, reason = "what the expression names")]
            use super::*;

            $crate::conformance! { @checks @tests $before $storage; }
        }
    };
    (@checks $($then:tt)*) => {
        $crate::conformance! { $($then)*
            an_absent_key_reads_as_none
            what_is_put_is_read_back
            an_empty_object_is_an_object
            every_byte_is_kept
            a_large_object_is_kept
            overwrite_replaces_what_is_there
            create_writes_an_absent_key
            create_refuses_an_existing_key
            create_works_again_after_a_delete
            update_needs_the_current_version
            update_refuses_an_absent_key
            update_refuses_a_deleted_key
            a_head_has_the_time_and_the_right_digest
            deleting_is_idempotent
            a_known_version_is_not_modified
            a_known_version_is_not_modified_in_any_range
            an_overwritten_object_is_modified
            a_deleted_object_is_none_not_unmodified
            a_recreated_object_is_modified
            get_head_put_and_list_agree_on_the_version
            different_bytes_never_have_equal_versions
            one_of_32_racing_creates_wins
            one_of_32_racing_updates_wins
            racing_compare_and_swaps_lose_no_update
            readers_never_see_half_an_object
            creates_and_deletes_in_one_folder_do_not_interfere
            a_range_is_a_slice
            a_range_beyond_the_end_is_cut
            a_range_after_the_end_has_no_bytes
            an_empty_range_has_no_bytes
            a_range_of_an_empty_object_has_no_bytes
            a_range_of_an_absent_key_is_none
            a_key_may_be_a_file_and_a_folder
            long_segments_are_kept
            the_longest_key_is_kept
            odd_names_are_kept
            keys_that_differ_in_case_are_two
            a_copy_has_the_bytes_of_its_source
            a_copy_of_nothing_is_none
            a_copy_obeys_its_mode
            odd_names_are_copied
            an_object_in_parts_is_created_as_a_whole
            an_object_in_parts_refuses_an_existing_key
            a_listing_is_in_byte_order
            a_listing_of_nothing_is_empty
            a_prefix_is_compared_by_bytes
            a_prefix_that_no_key_can_have_is_empty
            start_after_is_exclusive_and_need_not_exist
            start_after_before_the_prefix_skips_nothing
            pages_of_any_size_join_to_the_whole
            pages_with_a_delimiter_join_to_the_whole
            a_delimiter_groups_folders
            start_after_a_folder_skips_it
            a_listing_has_sizes_versions_and_times
            a_listing_sees_every_acknowledged_change
        }
    };
    (@tests $before:tt $storage:expr; $($check:ident)*) => {
        $($crate::conformance! { @test $before $storage; $check })*
    };
    (@test { $($before:tt)* } $storage:expr; $check:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $check() {
            $($before)*
            let storage = $storage;
            $crate::conformance::$check(&storage).await;
        }
    };
    (@names; $($check:ident)*) => {
        [$(stringify!($check)),*]
    };
}

/// A prefix of the storage that no other check uses.
struct Sandbox<'a> {
    storage: &'a dyn Storage,
    prefix: String,
}

impl<'a> Sandbox<'a> {
    fn new(storage: &'a dyn Storage) -> Self {
        Self { storage, prefix: format!("conformance/{:016x}/", OsRng.next_u64()) }
    }

    fn key(&self, name: &str) -> ObjectKey {
        format!("{}{name}", self.prefix).parse().unwrap()
    }

    async fn put(&self, name: &str, bytes: impl Into<Bytes>, mode: PutMode) -> Result<Version, StorageError> {
        self.storage.put(&self.key(name), bytes.into(), mode).await
    }

    async fn overwrite(&self, name: &str, bytes: impl Into<Bytes>) -> Version {
        self.put(name, bytes, PutMode::Overwrite).await.unwrap()
    }

    async fn overwrite_all(&self, names: &[&str]) {
        join_all(names.iter().map(|name| self.overwrite(name, name.to_string()))).await;
    }

    async fn get_with(&self, name: &str, options: GetOptions) -> Option<GetResult> {
        self.storage.get(&self.key(name), &options).await.unwrap()
    }

    async fn get(&self, name: &str) -> Option<Object> {
        self.get_with(name, GetOptions::default()).await.map(|result| result.into_object().unwrap())
    }

    async fn head(&self, name: &str) -> Option<ObjectHead> {
        self.storage.head(&self.key(name)).await.unwrap()
    }

    async fn copy(&self, from: &str, to: &str, mode: PutMode) -> Result<Option<Version>, StorageError> {
        self.storage.copy(&self.key(from), &self.key(to), mode).await
    }

    async fn text(&self, name: &str) -> Option<String> {
        self.get(name).await.map(|object| String::from_utf8(object.bytes.to_vec()).unwrap())
    }

    async fn delete(&self, name: &str) {
        self.storage.delete(&self.key(name)).await.unwrap();
    }

    /// The objects of one page that holds all of them.
    async fn objects(&self) -> Vec<ListedObject> {
        let request = ListRequest { prefix: self.prefix.clone(), limit: 1000, ..ListRequest::default() };
        self.storage.list(&request).await.unwrap().objects
    }

    /// One page. Prefix and `start_after` are relative to the sandbox, and so is what comes back.
    async fn page(&self, prefix: &str, start_after: Option<&str>, delimiter: bool, limit: usize) -> Page {
        let absolute = |name: &str| format!("{}{name}", self.prefix);
        let start_after = start_after.map(absolute);
        let request = ListRequest { prefix: absolute(prefix), start_after, delimiter, limit };
        Page::of(self.storage.list(&request).await.unwrap(), &self.prefix)
    }

    /// All pages, joined.
    async fn pages(&self, prefix: &str, start_after: Option<&str>, delimiter: bool, limit: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut after = start_after.map(str::to_owned);
        loop {
            let page = self.page(prefix, after.as_deref(), delimiter, limit).await;
            assert!(page.names.len() <= limit, "{page:?} is longer than {limit}");
            names.extend(page.names);
            let Some(next) = page.next else { return names };
            assert!(after.is_none_or(|after| next > after), "{next} is no progress");
            after = Some(next);
        }
    }

    async fn list(&self) -> Vec<String> {
        self.pages("", None, false, 1000).await
    }
}

/// A page without the sandbox's prefix: objects and folders together, in order.
#[derive(Debug, PartialEq)]
struct Page {
    names: Vec<String>,
    next: Option<String>,
}

impl Page {
    fn of(page: ListPage, prefix: &str) -> Self {
        let relative = |name: &str| name.strip_prefix(prefix).unwrap().to_owned();
        let objects: Vec<_> = page.objects.iter().map(|object| relative(&object.key)).collect();
        let folders: Vec<_> = page.folders.iter().map(|folder| relative(folder)).collect();
        assert!(objects.is_sorted() && folders.is_sorted(), "{objects:?} {folders:?}");
        let mut names = [objects, folders].concat();
        names.sort();
        Self { names, next: page.next.as_deref().map(relative) }
    }
}

fn is_precondition<T>(result: &Result<T, StorageError>) -> bool {
    matches!(result, Err(StorageError::Precondition { .. }))
}

fn is_recent(time: UnixMillis) -> bool {
    time.distance(SystemClock.now()) < MAX_CLOCK_SKEW
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_check_is_listed_once() {
        let sources = [
            include_str!("conformance/copies.rs"),
            include_str!("conformance/keys.rs"),
            include_str!("conformance/listing.rs"),
            include_str!("conformance/objects.rs"),
            include_str!("conformance/parts.rs"),
            include_str!("conformance/races.rs"),
            include_str!("conformance/ranges.rs"),
            include_str!("conformance/versions.rs"),
        ];
        let name = |line: &'static str| Some(line.strip_prefix("pub async fn ")?.split_once('(')?.0);
        let written: BTreeSet<_> = sources.into_iter().flat_map(str::lines).filter_map(name).collect();
        let listed = conformance!(@checks @names;);
        assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), written);
        assert_eq!(listed.len(), written.len());
    }
}
