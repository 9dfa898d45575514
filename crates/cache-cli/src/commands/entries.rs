//! `put`, `get`, `cat`, `stat`, `rm`.

use std::sync::Arc;

use cache_client::api::entries::Delete;
use cache_client::{EntryRef, Namespace, Progress, Selector, Store, Stored, Strategy};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

use super::describe::{describe_entry, to_json};
use super::describe_key;
use super::{is_below, list, place, read_input};
use crate::args::{Get, Kind, Put, Rm};
use crate::context::Context;
use crate::failure::{Failure, OK};
use crate::output::size;
use crate::progress::{self, Style};

/// Stores a file, or stdin.
pub async fn put(context: &Context<'_>, put: Put) -> Result<u8, Failure> {
    let namespace = context.namespace(None)?;
    let progress = Arc::new(Progress::default());
    let (store, spooled) = content(&namespace, &put).await?;
    let store = describe(store, &put).progress(Arc::clone(&progress));
    let what = put.file.display().to_string();
    let style = Style::of(put.progress, context.output);
    let stored = progress::shown(style, &what, &progress, store.send()).await?;
    drop(spooled);
    let reference = reference_of(&namespace, &put, &stored);
    let mut shown = to_json(&stored)?;
    shown["ref"] = json!(reference.to_string());
    context.output.result(&shown, &reference.to_string())?;
    let known = if stored.deduplicated { ", content known" } else { "" };
    context.output.note(&format!(
        "stored {}, version {}{known}",
        size(stored.size),
        stored.key_version.unwrap_or(stored.version)
    ));
    Ok(OK)
}

/// What to store, and the file that stdin was written to, which goes when it is dropped.
async fn content(namespace: &Namespace, put: &Put) -> Result<(Store, Option<NamedTempFile>), Failure> {
    let extension = put.file.extension().map(|it| it.to_string_lossy().to_lowercase());
    let kind = match (put.kind, extension.as_deref()) {
        (Kind::Auto, Some("json")) => Kind::Json,
        (Kind::Auto, Some("txt" | "md")) => Kind::Text,
        (Kind::Auto, _) => Kind::Binary,
        (named @ (Kind::Json | Kind::Text | Kind::Binary), _) => named,
    };
    if kind == Kind::Json {
        let bytes = read_input(&put.file).await?;
        let not = |what: &str, why: &dyn std::fmt::Display| {
            Failure::usage(format!("{} is not {what}: {why}", put.file.display()))
        };
        // As it is written: a value would lose the spelling of its numbers.
        let text: Box<RawValue> = serde_json::from_slice(&bytes).map_err(|error| not("JSON", &error))?;
        if !text.get().trim_start().starts_with('{') {
            return Err(not("a JSON object", &"store a list or a number with --type text"));
        }
        return Ok((namespace.store_json_text(&text), None));
    }
    let spooled = if put.file.as_os_str() == "-" { Some(spool_stdin().await?) } else { None };
    let store = namespace.store_file(spooled.as_ref().map_or(put.file.as_path(), NamedTempFile::path));
    Ok((if kind == Kind::Text { store.as_text() } else { store }, spooled))
}

/// Writes stdin to a temporary file: its size and SHA-256 are announced before it is sent, and an attempt may be repeated.
async fn spool_stdin() -> Result<NamedTempFile, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("stdin: {error}"));
    let file = NamedTempFile::new().map_err(failed)?;
    let mut writer = tokio::fs::File::from_std(file.reopen().map_err(failed)?);
    tokio::io::copy(&mut tokio::io::stdin(), &mut writer).await.map_err(failed)?;
    writer.flush().await.map_err(failed)?;
    Ok(file)
}

fn describe(mut store: Store, put: &Put) -> Store {
    store = store.strategy(strategy_of(put));
    if let Some(key) = &put.key {
        store = store.key(key);
    }
    if let Some(file_id) = &put.file_id {
        store = store.file_id(file_id);
    }
    if let Some(ttl) = put.ttl {
        store = store.ttl(ttl);
    }
    if let Some(key) = &put.idempotency_key {
        store = store.idempotency_key(key);
    }
    if put.if_absent { store.if_absent() } else { store }
}

fn strategy_of(put: &Put) -> Strategy {
    put.strategy.unwrap_or(if put.key.is_some() { Strategy::KeyBased } else { Strategy::Direct })
}

/// With key and file id by these, else by the id.
fn reference_of(namespace: &Namespace, put: &Put, stored: &Stored) -> EntryRef {
    let selector = match (&put.key, &put.file_id) {
        (Some(key), Some(file_id)) => Selector::key(strategy_of(put), key, file_id),
        _ => Selector::from(&stored.cache_id),
    };
    EntryRef { namespace: namespace.name().to_owned(), selector }
}

/// Reads a content.
pub async fn get(context: &Context<'_>, get: Get) -> Result<u8, Failure> {
    let reference = &get.reference;
    if get.output.as_os_str() == "-" {
        return cat(context, std::slice::from_ref(reference)).await;
    }
    let progress = Arc::new(Progress::default());
    let download = context.of(reference)?.download(reference.selector.clone()).progress(Arc::clone(&progress));
    let work = download.to_file(&get.output);
    let style = Style::of(get.progress, context.output);
    let found = progress::shown(style, &reference.to_string(), &progress, work).await?;
    let found = found.ok_or_else(|| Failure::not_found(reference))?;
    let mut shown = describe_entry(&found)?;
    shown["path"] = json!(get.output);
    context.output.result(&shown, "")?;
    context.output.note(&format!("{}: {}", get.output.display(), size(found.metadata.content_size)));
    Ok(OK)
}

/// Writes contents to stdout as they arrive. What has another SHA-256 at its end makes the command fail.
pub async fn cat(context: &Context<'_>, refs: &[EntryRef]) -> Result<u8, Failure> {
    for reference in refs {
        let download = context.of(reference)?.download(reference.selector.clone());
        let mut incoming = download.open().await?.ok_or_else(|| Failure::not_found(reference))?;
        while let Some(chunk) = incoming.chunk().await? {
            context.output.raw(&chunk)?;
        }
    }
    Ok(OK)
}

/// Shows what is known about entries.
pub async fn stat(context: &Context<'_>, refs: &[EntryRef]) -> Result<u8, Failure> {
    for reference in refs {
        let found = context.of(reference)?.find(reference.selector.clone()).await?;
        let found = found.ok_or_else(|| Failure::not_found(reference))?;
        let shown = describe_entry(&found)?;
        let lines: Vec<String> = shown
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| format!("{name}: {}", for_people(name, value)))
            .collect();
        context.output.result(&shown, &lines.join("\n"))?;
    }
    Ok(OK)
}

/// A field of the metadata: what ends with `_at` is a time.
fn for_people(name: &str, value: &Value) -> String {
    match (value.as_str(), value.as_u64()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(millis)) if name.ends_with("_at") => describe_key::time(millis),
        (None, _) => value.to_string(),
    }
}

/// Deletes entries.
pub async fn rm(context: &Context<'_>, rm: Rm) -> Result<u8, Failure> {
    let targets = match &rm.prefix {
        Some(text) => below_prefix(context, text).await?,
        None => {
            let mut found = Vec::new();
            for reference in &rm.refs {
                found.push((reference.clone(), super::id_of(context, reference).await?));
            }
            found
        }
    };
    if targets.len() > 1 && !rm.dry_run {
        context.confirm(&format!("Delete {} entries?", targets.len()), rm.yes)?;
    }
    let mut missing = None;
    for (reference, id) in targets {
        let entry = context.of(&reference)?.entry(&id);
        if rm.dry_run {
            context.output.result(
                &json!({"ref": reference.to_string(), "id": id, "dry_run": true}),
                &format!("(dry run) would delete {reference}"),
            )?;
            continue;
        }
        match entry.delete().await? {
            Delete::Success { deleted_count, .. } => {
                let shown = json!({"ref": reference.to_string(), "id": id, "deleted": true, "objects": deleted_count});
                context.output.result(&shown, &format!("deleted {reference}"))?;
            }
            Delete::NotFound { .. } => missing = Some(reference),
        }
    }
    missing.map_or(Ok(OK), |reference| Err(Failure::not_found(reference)))
}

async fn below_prefix(context: &Context<'_>, text: &str) -> Result<Vec<(EntryRef, String)>, Failure> {
    let (name, prefix) = place(text);
    if prefix.is_empty() {
        return Err(Failure::usage(format!("'{text}' names no key: write NS/KEY")));
    }
    let namespace = context.client()?.namespace(name)?;
    let mut found = Vec::new();
    list::each(&namespace, usize::MAX, |entry| {
        if is_below(&entry.metadata.cache_key, prefix) {
            found.push((entry.entry.reference(), entry.entry.id().to_owned()));
        }
        Ok(true)
    })
    .await?;
    Ok(found)
}
