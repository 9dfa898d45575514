//! `copy`, `verify`, `sweep`: whole stores, without a service.

use std::sync::Arc;

use cache_core::cache::Cache;
use cache_core::error::error_chain;
use cache_core::ids::Namespace;
use cache_core::time::Deadline;
use cache_maintenance::command::{Command, Format};
use cache_maintenance::{CopyOptions, StoreAddress};
use cache_storage::system::{OsRng, SystemClock};
use serde_json::json;

use super::describe::to_json;
use crate::context::Context;
use crate::failure::{DAMAGED, Failure, OK};

/// Copies a store.
pub async fn copy(
    context: &Context<'_>,
    from: StoreAddress,
    to: StoreAddress,
    options: CopyOptions,
) -> Result<u8, Failure> {
    Command::copy(from, to, options, format(context)).run().await.map_err(Failure::failed)
}

/// Compares everything in a store with everything else.
pub async fn verify(context: &Context<'_>, store: StoreAddress, repair: bool) -> Result<u8, Failure> {
    Command::verify(store, repair, format(context)).run().await.map_err(Failure::failed)
}

fn format(context: &Context<'_>) -> Format {
    if context.output.is_json() { Format::JsonLine } else { Format::Text }
}

/// Removes what has expired, and what belongs to nothing.
pub async fn sweep(context: &Context<'_>, store: &StoreAddress, namespaces: Vec<Namespace>) -> Result<u8, Failure> {
    let failed =
        |error: &(dyn std::error::Error + 'static)| Failure::failed(format!("{store}: {}", error_chain(error)));
    let storage = store.open().await.map_err(|error| failed(&error))?;
    let cache = Cache::new(storage, Arc::new(SystemClock), Arc::new(OsRng)).with_deadline(Deadline::NEVER);
    let namespaces = match namespaces.is_empty() {
        true => cache.namespaces().await.map_err(|error| failed(&error))?,
        false => namespaces,
    };
    let mut code = OK;
    for namespace in namespaces {
        let report = cache.namespace(&namespace).sweep().await.map_err(|error| failed(&error))?;
        let mut shown = json!({"namespace": namespace.to_string()});
        if let (Some(all), serde_json::Value::Object(counts)) = (shown.as_object_mut(), to_json(&report)?) {
            all.extend(counts);
        }
        let counts = shown.as_object().into_iter().flatten().filter_map(|(name, value)| {
            let count = value.as_u64().filter(|count| *count > 0)?;
            Some(format!("{count} {}", name.replace('_', " ")))
        });
        let counts: Vec<String> = counts.collect();
        let counts = if counts.is_empty() { "nothing to remove".to_owned() } else { counts.join(", ") };
        context.output.result(&shown, &format!("{namespace}: {counts}"))?;
        for object in &report.damaged {
            context.output.note(&format!("{namespace}: damaged: {object}"));
            code = DAMAGED;
        }
    }
    Ok(code)
}
