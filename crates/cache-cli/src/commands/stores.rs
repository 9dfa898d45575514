//! `copy`, `verify`, `sweep`: whole stores, without a service.

use std::sync::Arc;

use cache_access::keyring::Keyring;
use cache_core::cache::Cache;
use cache_core::error::error_chain;
use cache_core::ids::Namespace;
use cache_core::time::Deadline;
use cache_maintenance::command::{Command, Format, ProgressFormat};
use cache_maintenance::{CopyOptions, StoreAddress};
use cache_storage::system::{OsRng, SystemClock};
use serde_json::json;

use super::describe::to_json;
use crate::args::ProgressKind;
use crate::context::Context;
use crate::failure::{DAMAGED, Failure, OK};
use crate::progress::Style;

/// Copies a store.
pub async fn copy(
    context: &Context<'_>,
    from: StoreAddress,
    to: StoreAddress,
    options: CopyOptions,
    progress: ProgressKind,
) -> Result<u8, Failure> {
    let command = Command::copy(from, to, options, format(context), progress_format(context, progress));
    command.run().await.map_err(Failure::failed)
}

/// Cross-checks everything in a store.
pub async fn verify(
    context: &Context<'_>,
    store: StoreAddress,
    repair: bool,
    progress: ProgressKind,
) -> Result<u8, Failure> {
    let command = Command::verify(store, repair, format(context), progress_format(context, progress));
    command.run().await.map_err(Failure::failed)
}

fn format(context: &Context<'_>) -> Format {
    if context.output.is_json() { Format::JsonLine } else { Format::Text }
}

fn progress_format(context: &Context<'_>, progress: ProgressKind) -> ProgressFormat {
    match Style::of(progress, context.output) {
        Style::Bar | Style::Lines => ProgressFormat::Text,
        Style::Json => ProgressFormat::Json,
        Style::Nothing => ProgressFormat::None,
    }
}

/// Removes expired entries, unreferenced objects, and how much API keys were used long ago; or only shows the first two.
pub async fn sweep(
    context: &Context<'_>,
    store: &StoreAddress,
    namespaces: Vec<Namespace>,
    dry_run: bool,
) -> Result<u8, Failure> {
    let failed =
        |error: &(dyn std::error::Error + 'static)| Failure::failed(format!("{store}: {}", error_chain(error)));
    let storage = store.open_existing().await.map_err(|error| failed(&error))?;
    let cache = Cache::new(Arc::clone(&storage), Arc::new(SystemClock), Arc::new(OsRng)).with_deadline(Deadline::NEVER);
    let namespaces = match namespaces.is_empty() {
        true => cache.namespaces().await.map_err(|error| failed(&error))?,
        false => namespaces,
    };
    let mut code = OK;
    for namespace in namespaces {
        let swept = match dry_run {
            true => cache.namespace(&namespace).preview_sweep().await,
            false => cache.namespace(&namespace).sweep().await,
        };
        let report = swept.map_err(|error| failed(&error))?;
        let mut shown = json!({"namespace": namespace.to_string(), "dry_run": dry_run});
        if let (Some(all), serde_json::Value::Object(counts)) = (shown.as_object_mut(), to_json(&report)?) {
            all.extend(counts);
        }
        let counts = shown.as_object().into_iter().flatten().filter_map(|(name, value)| {
            let count = value.as_u64().filter(|count| *count > 0)?;
            Some(format!("{count} {}", name.replace('_', " ")))
        });
        let counts: Vec<String> = counts.collect();
        let text = match counts.join(", ") {
            counts if counts.is_empty() => "nothing to remove".to_owned(),
            counts if dry_run => format!("(dry run) would remove {counts}"),
            counts => counts,
        };
        context.output.result(&shown, &format!("{namespace}: {text}"))?;
        for object in &report.damaged {
            context.output.note(&format!("{namespace}: damaged: {object}"));
            code = DAMAGED;
        }
    }
    if !dry_run {
        // It counts nothing itself, so it needs no name among the processes.
        let keyring = Keyring::new(storage, Arc::new(SystemClock), Arc::new(OsRng), String::new());
        let removed = keyring.sweep_usage().await.map_err(|error| failed(&error))?;
        if removed > 0 {
            context.output.note(&format!("removed {removed} old records of the usage of API keys"));
        }
    }
    Ok(code)
}
