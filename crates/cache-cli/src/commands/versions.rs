//! `versions`, `diff`, `rollback`.

use cache_client::api::versions::{VersionItem, VersionList, VersionNumber};
use cache_client::{Content, EntryRef, Retrieved, Selector};
use serde_json::json;
use similar::TextDiff;

use super::describe_key;
use super::list::by_id;
use crate::context::Context;
use crate::failure::{FAILED, Failure, OK};

/// How many unchanged lines are shown around a change.
const DIFF_CONTEXT: usize = 3;

/// Lists the versions of an entry, oldest first.
pub async fn list(context: &Context<'_>, reference: &EntryRef, limit: u16) -> Result<u8, Failure> {
    let namespace = context.of(reference)?;
    let selector = match &reference.selector {
        Selector::Id(_) => {
            let found = namespace.find(reference.selector.clone()).await?;
            let metadata = found.ok_or_else(|| Failure::not_found(reference))?.metadata;
            match metadata.cache_key.is_empty() || metadata.file_id == metadata.cache_id.as_str() {
                true => Selector::hash(metadata.cache_hash.as_str()),
                false => Selector::key(metadata.strategy, metadata.cache_key, metadata.file_id),
            }
        }
        by_name @ (Selector::Hash { .. } | Selector::Key { .. }) => by_name.clone(),
    };
    let limit = usize::from(limit);
    let versions: Option<VersionList> = match &selector {
        Selector::Hash { hash, .. } => namespace.by_hash(hash.clone()).versions(limit, None).await?,
        Selector::Key { strategy, key, file_id, .. } => {
            namespace.by_key(*strategy, key.clone(), file_id.clone()).versions(limit, None).await?
        }
        Selector::Id(_) => None,
    };
    let versions = versions.ok_or_else(|| Failure::not_found(reference))?;
    for VersionItem { number, cache_id, timestamp, strategy } in &versions.versions {
        let (VersionNumber::Version(number) | VersionNumber::KeyVersion(number)) = *number;
        let one = EntryRef { namespace: reference.namespace.clone(), selector: selector.clone().with_version(number) };
        let id = by_id(&namespace, cache_id.as_str());
        let shown = json!({
            "ref": one.to_string(), "version": number, "id": id.to_string(), "timestamp": timestamp, "strategy": strategy,
        });
        context.output.result(&shown, &format!("{one}\t{id}\t{}", describe_key::time(*timestamp)))?;
    }
    context.output.note(&format!("{} versions", versions.count));
    Ok(OK)
}

/// Compares two contents line by line.
pub async fn diff(context: &Context<'_>, old: &EntryRef, new: &EntryRef) -> Result<u8, Failure> {
    let (before, after) = (retrieved(context, old).await?, retrieved(context, new).await?);
    let same = before.info.sha256 == after.info.sha256;
    let (before, after) = (lines(&before)?, lines(&after)?);
    let text = TextDiff::from_lines(before.as_str(), after.as_str());
    let unified =
        text.unified_diff().context_radius(DIFF_CONTEXT).header(&old.to_string(), &new.to_string()).to_string();
    let shown = json!({"old": old.to_string(), "new": new.to_string(), "same": same, "diff": unified});
    context.output.result(&shown, unified.trim_end())?;
    Ok(if same { OK } else { FAILED })
}

async fn retrieved(context: &Context<'_>, reference: &EntryRef) -> Result<Retrieved, Failure> {
    let found = context.of(reference)?.get(reference.selector.clone()).await?;
    found.ok_or_else(|| Failure::not_found(reference))
}

/// JSON on several lines, else it would be one; bytes that are no text by their SHA-256.
fn lines(retrieved: &Retrieved) -> Result<String, Failure> {
    Ok(match &retrieved.content {
        Content::Text(text) => text.clone(),
        Content::Json(_) => {
            let value: serde_json::Value = retrieved.json()?;
            serde_json::to_string_pretty(&value).map_err(|error| Failure::failed(error.to_string()))? + "\n"
        }
        Content::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("{} bytes, SHA-256 {}\n", bytes.len(), retrieved.info.sha256),
        },
    })
}

/// Makes a new version with the content of an older one.
pub async fn rollback(context: &Context<'_>, reference: &EntryRef) -> Result<u8, Failure> {
    let Selector::Key { strategy, key, file_id, version: Some(version) } = &reference.selector else {
        let hint = "NS:key@STRATEGY/KEY/FILE@VERSION: `mgraph-cache versions` lists them";
        return Err(Failure::usage(format!("'{reference}' names no version under a key")).hint(hint));
    };
    let namespace = context.of(reference)?;
    let stored = namespace.by_key(*strategy, key.clone(), file_id.clone()).rollback(*version).await?;
    let stored = stored.ok_or_else(|| Failure::not_found(reference))?;
    let new =
        Selector::key(*strategy, key.clone(), file_id.clone()).with_version(stored.key_version.unwrap_or_default());
    let new = EntryRef { namespace: reference.namespace.clone(), selector: new };
    let mut shown = super::describe::to_json(&stored)?;
    shown["ref"] = json!(new.to_string());
    context.output.result(&shown, &new.to_string())?;
    Ok(OK)
}
