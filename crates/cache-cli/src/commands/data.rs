//! `data`: child data of entries.

use std::path::Path;

use cache_client::api::children::ChildItem;
use cache_client::{Child, Children, ContentKind, EntryRef};
use serde_json::json;

use super::describe::to_json;
use super::{id_of, read_input};
use crate::args::{Data, Kind};
use crate::context::Context;
use crate::failure::{Failure, OK};
use crate::output::size;

/// Works with child data.
pub async fn run(context: &Context<'_>, command: Data) -> Result<u8, Failure> {
    match command {
        Data::Ls { reference, folder } => {
            for item in list(context, &reference, folder.as_deref()).await? {
                let name = shown_name(&item);
                let mut shown = to_json(&item)?;
                shown["ref"] = json!(reference.to_string());
                shown["child"] = json!(name);
                context.output.result(&shown, &format!("{name}\t{}", size(item.file_size)))?;
            }
            Ok(OK)
        }
        Data::Get { reference, child, kind } => {
            let found = find(context, &reference, &child, kind).await?;
            let missing = || Failure::not_found(format!("child '{child}' of {reference}"));
            context.output.raw(&found.read().await?.ok_or_else(missing)?)?;
            Ok(OK)
        }
        Data::Put { reference, child, file, kind } => {
            let kind = known_kind(kind, &file);
            let bytes = read_input(&file).await?;
            let stored = named(&children(context, &reference).await?, &child, kind).store(bytes).await?;
            let stored = stored.ok_or_else(|| Failure::not_found(&reference))?;
            let mut shown = to_json(&stored)?;
            shown["ref"] = json!(reference.to_string());
            context.output.result(&shown, &child)?;
            Ok(OK)
        }
        Data::Rm { reference, child, all: true, dry_run, yes } => {
            let found = list(context, &reference, child.as_deref()).await?;
            if dry_run {
                return would_delete(context, &reference, &found);
            }
            context.confirm(&format!("Delete {} children of {reference}?", found.len()), yes)?;
            let deleted = children(context, &reference).await?.delete_all(child.as_deref()).await?;
            let mut shown = to_json(&deleted)?;
            shown["ref"] = json!(reference.to_string());
            context.output.result(&shown, &format!("deleted {} children", deleted.deleted_count))?;
            Ok(OK)
        }
        Data::Rm { reference, child, all: false, dry_run, .. } => {
            let child = child.unwrap_or_default();
            let missing = || Failure::not_found(format!("child '{child}' of {reference}"));
            let found = find(context, &reference, &child, Kind::Auto).await?;
            if dry_run {
                let shown = json!({"ref": reference.to_string(), "child": child, "dry_run": true});
                context.output.result(&shown, &format!("(dry run) would delete {child}"))?;
                return Ok(OK);
            }
            found.delete().await?.ok_or_else(missing)?;
            let shown = json!({"ref": reference.to_string(), "child": child, "deleted": true});
            context.output.result(&shown, &format!("deleted {child}"))?;
            Ok(OK)
        }
    }
}

async fn children(context: &Context<'_>, reference: &EntryRef) -> Result<Children, Failure> {
    let id = id_of(context, reference).await?;
    Ok(context.of(reference)?.entry(id).children())
}

async fn list(context: &Context<'_>, reference: &EntryRef, folder: Option<&str>) -> Result<Vec<ChildItem>, Failure> {
    let found = children(context, reference).await?.list(folder).await?;
    Ok(found.ok_or_else(|| Failure::not_found(reference))?.files)
}

fn would_delete(context: &Context<'_>, reference: &EntryRef, found: &[ChildItem]) -> Result<u8, Failure> {
    for item in found {
        let name = shown_name(item);
        let shown = json!({"ref": reference.to_string(), "child": name, "dry_run": true});
        context.output.result(&shown, &format!("(dry run) would delete {name}"))?;
    }
    Ok(OK)
}

/// `FOLDER/NAME`, or the name alone.
fn shown_name(item: &ChildItem) -> String {
    match item.data_key.as_str() {
        "" => item.data_file_id.to_string(),
        folder => format!("{folder}/{}", item.data_file_id),
    }
}

fn named(children: &Children, name: &str, kind: ContentKind) -> Child {
    match name.rsplit_once('/') {
        Some((folder, name)) => children.child(kind, name.to_owned()).in_folder(folder),
        None => children.child(kind, name.to_owned()),
    }
}

/// A child by its name; which kind it is, the list says.
async fn find(context: &Context<'_>, reference: &EntryRef, name: &str, kind: Kind) -> Result<Child, Failure> {
    let kind = match kind {
        Kind::Json => ContentKind::Json,
        Kind::Text => ContentKind::String,
        Kind::Binary => ContentKind::Binary,
        Kind::Auto => {
            let all = list(context, reference, None).await?;
            let found = all.into_iter().find(|item| shown_name(item) == name);
            found.ok_or_else(|| Failure::not_found(format!("child '{name}' of {reference}")))?.data_type
        }
    };
    Ok(named(&children(context, reference).await?, name, kind))
}

fn known_kind(kind: Kind, file: &Path) -> ContentKind {
    match (kind, file.extension().and_then(|it| it.to_str())) {
        (Kind::Json, _) | (Kind::Auto, Some("json")) => ContentKind::Json,
        (Kind::Text, _) | (Kind::Auto, Some("txt" | "md")) => ContentKind::String,
        (Kind::Binary | Kind::Auto, _) => ContentKind::Binary,
    }
}
