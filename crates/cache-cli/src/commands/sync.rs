//! `sync`: the files of a folder under a prefix. What is there already is not sent.

use std::path::{Path, PathBuf};

use cache_client::{EntryRef, Namespace, Selector, Strategy, sha256_of_file};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;

use super::place;
use crate::args::SyncFolder;
use crate::context::Context;
use crate::failure::{Failure, OK};
use crate::output::size;

/// The name under the key of a file: the key is its path.
const FILE_ID: &str = "file";
/// How many files are compared with one request.
const BATCH: usize = 500;

/// One file, and where it goes.
struct Item {
    path: PathBuf,
    key: String,
    size: u64,
}

/// Stores the files of a folder under a prefix.
pub async fn run(context: &Context<'_>, sync: SyncFolder) -> Result<u8, Failure> {
    let (name, prefix) = place(&sync.target);
    if prefix.is_empty() {
        return Err(Failure::usage(format!("'{}' names no prefix: write NS/PREFIX", sync.target)));
    }
    let namespace = context.client()?.namespace(name)?;
    let items = collect(context, &sync.folder, prefix)?;
    let (total, mut sent, mut sent_bytes) = (items.len(), 0, 0);
    for part in items.chunks(BATCH) {
        let selectors: Vec<Selector> = part.iter().map(|item| selector(&item.key)).collect();
        let known = namespace.find_many(&selectors).await?;
        let mut missing = Vec::new();
        for (item, known) in part.iter().zip(known) {
            let known = known?;
            let is_same = match known {
                // Another size is another content.
                Some(found) if found.metadata.content_size == item.size => {
                    found.sha256 == sha256_of_file(item.path.clone()).await?
                }
                Some(_) | None => false,
            };
            if !is_same {
                missing.push(item);
            }
        }
        let send = |item: &Item| send(context, &namespace, sync.dry_run, item.path.clone(), item.key.clone());
        let sends: Vec<_> = missing.iter().map(|item| send(item)).collect();
        let mut done = stream::iter(sends).buffer_unordered(usize::from(sync.jobs));
        while let Some(bytes) = done.try_next().await? {
            sent += 1;
            sent_bytes += bytes;
        }
    }
    let what = if sync.dry_run { "(dry run) would send" } else { "sent" };
    context.output.note(&format!("{what} {sent} of {total} files, {}", size(sent_bytes)));
    Ok(OK)
}

async fn send(
    context: &Context<'_>,
    namespace: &Namespace,
    dry_run: bool,
    path: PathBuf,
    key: String,
) -> Result<u64, Failure> {
    let reference = EntryRef { namespace: namespace.name().to_owned(), selector: selector(&key) };
    let shown = |size: u64, id: Option<&str>| json!({"ref": reference.to_string(), "path": path, "size": size, "id": id, "dry_run": dry_run});
    if dry_run {
        let bytes = tokio::fs::metadata(&path).await.map_err(|error| failed(&path, &error))?.len();
        context.output.result(&shown(bytes, None), &format!("(dry run) would send {reference}"))?;
        return Ok(bytes);
    }
    let store = namespace.store_file(&path).strategy(Strategy::KeyBased).key(&key).file_id(FILE_ID);
    let stored = store.send().await?;
    context.output.result(&shown(stored.size, Some(stored.cache_id.as_str())), &reference.to_string())?;
    Ok(stored.size)
}

fn selector(key: &str) -> Selector {
    Selector::key(Strategy::KeyBased, key, FILE_ID)
}

/// All files below a folder in the order of their keys. A name that no key can have is refused before anything is sent.
fn collect(context: &Context<'_>, folder: &Path, prefix: &str) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    let mut folders = vec![(folder.to_owned(), prefix.to_owned())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| failed(&folder, &error))? {
            let entry = entry.map_err(|error| failed(&folder, &error))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| failed(&path, &error))?;
            let name = entry.file_name();
            let key = name.to_str().map(|name| format!("{prefix}/{name}")).ok_or_else(|| unusable(&path))?;
            if kind.is_dir() {
                folders.push((path, key));
            } else if kind.is_file() {
                let allowed = |c: char| c.is_ascii_alphanumeric() || "_-./ ".contains(c);
                if !key.chars().all(allowed) || key.split('/').any(|part| part.trim() != part) {
                    return Err(unusable(&path));
                }
                let size = entry.metadata().map_err(|error| failed(&path, &error))?.len();
                if size > 0 {
                    items.push(Item { path, key, size });
                } else {
                    context.output.note(&format!("left out, for it is empty: {}", path.display()));
                }
            } else {
                context.output.note(&format!("left out, for it is no file: {}", path.display()));
            }
        }
    }
    items.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(items)
}

fn unusable(path: &Path) -> Failure {
    let message = format!("{}: the name cannot be a key; nothing was sent", path.display());
    Failure::usage(message).hint("keys have letters, digits, spaces, '_', '-', '.' and '/': rename the file")
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}
