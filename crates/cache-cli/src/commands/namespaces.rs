//! `ns`: namespaces, and their settings.

use cache_client::api::namespaces::{NewSettings, OnExpiry};

use super::describe::to_json;
use super::list;
use crate::args::{Ls, Ns};
use crate::context::Context;
use crate::failure::{Failure, OK};

/// Works with namespaces.
pub async fn run(context: &Context<'_>, command: Ns) -> Result<u8, Failure> {
    match command {
        Ns::Ls => list::ls(context, Ls { place: None, limit: usize::MAX }).await,
        Ns::Stats { name } => {
            let stats = context.namespace(name.as_deref())?.stats().await?;
            show(context, &stats)
        }
        Ns::Settings { name, ttl_hours, delete_expired, strategies, public_read, max_entries, max_bytes, dry_run } => {
            let namespace = context.namespace(name.as_deref())?;
            let settings = NewSettings {
                ttl_hours,
                on_expiry: delete_expired.then_some(OnExpiry::Delete),
                strategies: (!strategies.is_empty()).then_some(strategies),
                public_read,
                max_entries,
                max_bytes,
            };
            if settings == NewSettings::default() {
                return show(context, &namespace.settings().await?);
            }
            if dry_run {
                context.output.note("(dry run) would replace the settings by these; what is not named is unset");
                return show(context, &settings);
            }
            show(context, &namespace.replace_settings(&settings).await?)
        }
    }
}

fn show(context: &Context<'_>, value: &impl serde::Serialize) -> Result<u8, Failure> {
    let value = to_json(value)?;
    let lines: Vec<String> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}: {}", value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)))
        .collect();
    context.output.result(&value, &lines.join("\n"))?;
    Ok(OK)
}
