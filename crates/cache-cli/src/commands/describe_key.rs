//! API keys as text.

use cache_client::api::keys::{Grant, KeyInfo, KeyLimits, KeyStatus, WhoAmI};
use chrono::{DateTime, SecondsFormat};

use crate::args::permission_name;
use crate::output::size;

/// A key on one line, for lists.
pub fn line(key: &KeyInfo) -> String {
    let grants: Vec<String> = key.grants.iter().map(grant).collect();
    format!("{}\t{}\t{}\t{}", key.id, status(key.status), key.name, grants.join(" "))
}

/// What is known about a key: a line for each field that it has.
pub fn lines(key: &KeyInfo) -> String {
    let mut lines = vec![
        format!("id: {}", key.id),
        format!("name: {}", key.name),
        format!("status: {}", status(key.status)),
        format!("created: {} by {}", time(key.created_at), key.created_by),
    ];
    lines.extend(key.grants.iter().map(|it| format!("grant: {}", grant(it))));
    lines.extend(key.note.as_ref().map(|note| format!("note: {note}")));
    lines.extend(key.not_before.map(|at| format!("not before: {}", time(at))));
    lines.extend(key.expires_at.map(|at| format!("expires: {}", time(at))));
    lines.extend(key.disabled_at.map(|at| format!("disabled: {}", time(at))));
    lines.extend(key.replaced_by.as_ref().map(|id| format!("replaced by: {id}")));
    lines.extend(key.limits.as_ref().map(|it| format!("limits: {}", limits(it))));
    lines.push(format!("last used: {}", key.last_used_at.map_or_else(|| "never".to_owned(), time)));
    lines.join("\n")
}

/// Which key a caller has, and what it may do.
pub fn caller(caller: &WhoAmI) -> String {
    let id = caller.id.as_ref().map_or("", |id| id.as_str());
    let mut lines = vec![format!("key {id} '{}'", caller.name.as_deref().unwrap_or_default())];
    lines.extend(caller.grants.iter().map(|it| format!("grant: {}", grant(it))));
    lines.extend(caller.expires_at.map(|at| format!("expires: {}", time(at))));
    lines.extend(caller.limits.as_ref().map(|it| format!("limits: {}", limits(it))));
    lines.join("\n")
}

/// A time as RFC 3339 has it, in UTC.
pub fn time(millis: u64) -> String {
    let time = i64::try_from(millis).ok().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(|| format!("{millis} ms"), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A grant as `--grant` takes it.
fn grant(grant: &Grant) -> String {
    let permissions: Vec<&str> = grant.permissions.iter().copied().map(permission_name).collect();
    format!("{}={}", grant.namespaces.join(","), permissions.join(","))
}

fn status(status: KeyStatus) -> &'static str {
    match status {
        KeyStatus::Active => "active",
        KeyStatus::Disabled => "disabled",
        KeyStatus::Expired => "expired",
        KeyStatus::NotYetValid => "not yet valid",
    }
}

fn limits(limits: &KeyLimits) -> String {
    let mut all = Vec::new();
    all.extend(limits.requests_per_second.map(|rate| format!("{rate}/s")));
    all.extend(limits.burst.map(|burst| format!("burst {burst}")));
    all.extend(limits.bytes_per_day.map(|bytes| format!("{} a day", size(bytes))));
    all.extend(limits.report_only.then(|| "only reported".to_owned()));
    all.join(", ")
}
