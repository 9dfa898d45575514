//! `zip`: archives, and their members.

use cache_client::EntryRef;
use cache_client::api::archives::ArchiveOperation;
use serde_json::json;

use super::describe::to_json;
use super::{id_of, read_input, write_output};
use crate::args::Zip;
use crate::context::Context;
use crate::failure::{Failure, OK};

/// Works with archives.
pub async fn run(context: &Context<'_>, command: Zip) -> Result<u8, Failure> {
    match command {
        Zip::Ls { reference } => {
            let members = zip(context, &reference).await?.members().await?;
            for member in members.ok_or_else(|| Failure::not_found(&reference))? {
                context.output.result(&json!({"ref": reference.to_string(), "member": member}), &member)?;
            }
            Ok(OK)
        }
        Zip::Get { reference, member, output } => {
            let bytes = zip(context, &reference).await?.member(&member).await?;
            let missing = || Failure::not_found(format!("member '{member}' in {reference}"));
            write_output(context, &output, &bytes.ok_or_else(missing)?).await?;
            Ok(OK)
        }
        Zip::Put { file, key, file_id } => {
            let bytes = match &file {
                Some(file) => read_input(file).await?,
                None => Vec::new(),
            };
            let namespace = context.namespace(None)?;
            let stored = namespace.store_zip(bytes).send(&key, &file_id).await?;
            let reference = namespace.entry(stored.store.cache_id.as_str()).reference();
            let mut shown = to_json(&stored)?;
            shown["ref"] = json!(reference.to_string());
            context.output.result(&shown, &reference.to_string())?;
            Ok(OK)
        }
        Zip::Add { reference, file, member } => {
            let name =
                file.file_name().filter(|_| file.as_os_str() != "-").map(|name| name.to_string_lossy().into_owned());
            let member = member.or(name).ok_or_else(|| Failure::usage("stdin has no name: add --member NAME"))?;
            let bytes = read_input(&file).await?;
            edited(context, &reference, &zip(context, &reference).await?.add_bytes(&member, bytes).await?)
        }
        Zip::Rm { reference, member, dry_run: true } => {
            let found = zip(context, &reference).await?.member(&member).await?;
            found.ok_or_else(|| Failure::not_found(format!("member '{member}' in {reference}")))?;
            let shown = json!({"ref": reference.to_string(), "member": member, "dry_run": true});
            context.output.result(&shown, &format!("(dry run) would remove {member}, in a new entry"))?;
            Ok(OK)
        }
        Zip::Rm { reference, member, dry_run: false } => {
            let removed = zip(context, &reference).await?.remove(&member).await?;
            let missing = || Failure::not_found(format!("member '{member}' in {reference}"));
            edited(context, &reference, &removed.ok_or_else(missing)?)
        }
    }
}

async fn zip(context: &Context<'_>, reference: &EntryRef) -> Result<cache_client::Zip, Failure> {
    let id = id_of(context, reference).await?;
    Ok(context.of(reference)?.entry(id).zip())
}

/// The new entry of an edit.
fn edited(context: &Context<'_>, reference: &EntryRef, operation: &ArchiveOperation) -> Result<u8, Failure> {
    let new = context.of(reference)?.entry(operation.cache_id.as_str()).reference();
    let mut shown = to_json(operation)?;
    shown["ref"] = json!(new.to_string());
    context.output.result(&shown, &new.to_string())?;
    Ok(OK)
}
