//! API keys: made, listed, changed, rotated and deleted by the root key, or by keys that manage the same namespaces.
//!
//! A key that is to do anything in a namespace that its maker does not manage is refused, and keys of others are not shown: so
//! nobody can give more than they have.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use cache_access::api_key::KeyId;
use cache_access::keyring::{self, Keyring};
use cache_access::limits::Limits;
use cache_access::permission::{Grants, Permission};
use cache_access::record::{KeyRecord, KeySpec};
use cache_api::keys as wire;
use cache_core::error::Error;
use cache_core::time::UnixMillis;
use cache_core::whole_number::WholeNumber;
use futures::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;

use crate::access::caller::Caller;
use crate::body::{Limited, MAX_FIELDS_BYTES};
use crate::config::auth::Auth;
use crate::extract::Params;
use crate::fields::Fields;
use crate::openapi::operation::Operation;
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::response::keys as bodies;
use crate::response::wire::name;
use crate::routing::Routes;
use crate::state::{AppState, Service};

/// How long a key that was rotated stays valid, if the request does not say.
const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest overlap, in seconds: a year.
const MAX_OVERLAP_SECONDS: u64 = 365 * 24 * 60 * 60;
/// How many keys are asked at the same time when they were used last.
const CONCURRENCY: usize = 16;

/// The fields of a new key, and of a change.
const NEW: [&str; 6] = ["name", "note", "grants", "not_before", "expires_at", "limits"];
const CHANGE: [&str; 7] = ["name", "note", "grants", "not_before", "expires_at", "limits", "disabled"];
const ROTATION: [&str; 1] = ["overlap_seconds"];

/// The routes of this group.
pub fn routes() -> Routes {
    let one = |op: Operation, summary| op.summary(summary).not_found();
    Routes::below("/keys")
        .get("", list, |op| op.summary("The keys that the caller may manage").paginated().response::<wire::Keys>())
        .post("", create, |op| {
            op.summary("Makes a key, which only this response shows")
                .json_body::<wire::NewKey>()
                .response::<wire::KeyCreated>()
                .status(StatusCode::CONFLICT, "The server requires no key")
        })
        .get("/{key_id}", get, |op| one(op, "A key, without the key itself").response::<wire::KeyInfo>())
        .patch("/{key_id}", change, |op| {
            one(op, "Changes a key; other processes know it within a minute")
                .json_body::<wire::KeyChange>()
                .response::<wire::KeyInfo>()
        })
        .delete("/{key_id}", delete, |op| {
            one(op, "Deletes a key; other processes refuse it within a minute").response::<wire::KeyDeleted>()
        })
        .post("/{key_id}/rotate", rotate, |op| {
            one(op, "Makes a key that replaces this one, which stays valid for a while")
                .json_body::<wire::Rotation>()
                .response::<wire::KeyCreated>()
        })
}

async fn list(
    State(state): State<AppState>,
    keys: RequestCache,
    caller: Caller,
    params: Params,
) -> Result<Json<wire::Keys>, Problem> {
    let paging = params.paging()?.unwrap_or_default();
    let cursor =
        paging.cursor.map(|raw| raw.parse::<KeyId>().map_err(|error| Problem::parameter("cursor", raw, error)));
    let keyring = keys.keyring();
    let page = keyring.list(paging.limit, cursor.transpose()?.as_ref(), |record| may_manage(&caller, record)).await?;
    let infos = stream::iter(page.keys).map(|record| shown(&state, &keyring, record)).buffered(CONCURRENCY);
    Ok(Json(wire::Keys { keys: infos.try_collect().await?, next_cursor: page.next_cursor }))
}

async fn get(
    State(state): State<AppState>,
    keys: RequestCache,
    caller: Caller,
    params: Params,
) -> Result<Json<wire::KeyInfo>, Problem> {
    let (id, keyring) = (key_id(&params)?, keys.keyring());
    let record = keyring.get(&id).await?.filter(|record| may_manage(&caller, record));
    let record = record.ok_or_else(|| Problem::key_not_found(id.as_str()))?;
    shown(&state, &keyring, record).await.map(Json)
}

async fn create(
    State(state): State<AppState>,
    keys: RequestCache,
    caller: Caller,
    Limited(payload): Limited<MAX_FIELDS_BYTES>,
) -> Result<Json<wire::KeyCreated>, Problem> {
    if state.config.auth == Auth::Disabled {
        return Err(Problem::keys_without_root_key());
    }
    let mut fields = Fields::read(payload)?;
    let spec = KeySpec {
        name: fields.need("name")?,
        note: fields.take("note")?.unwrap_or_default(),
        not_before: time(fields.take("not_before")?),
        expires_at: time(fields.take("expires_at")?),
        grants: fields.need("grants")?,
        limits: fields.take("limits")?.unwrap_or_default(),
    };
    fields.nothing_else(&NEW)?;
    may_give(&caller, &spec.grants)?;
    let made = keys.keyring().create(spec, caller.name()).await.map_err(in_body)?;
    Ok(Json(created(&state, &made)))
}

async fn change(
    State(state): State<AppState>,
    keys: RequestCache,
    caller: Caller,
    params: Params,
    Limited(payload): Limited<MAX_FIELDS_BYTES>,
) -> Result<Json<wire::KeyInfo>, Problem> {
    let id = key_id(&params)?;
    let mut fields = Fields::read(payload)?;
    let change = Change {
        name: fields.take("name")?,
        note: fields.take_if_sent("note")?.map(Option::unwrap_or_default),
        not_before: fields.take_if_sent("not_before")?.map(time),
        expires_at: fields.take_if_sent("expires_at")?.map(time),
        grants: fields.take("grants")?,
        limits: fields.take_if_sent("limits")?.map(Option::unwrap_or_default),
        disabled: fields.take("disabled")?,
    };
    fields.nothing_else(&CHANGE)?;
    let now = state.clock.now();
    let keyring = keys.keyring();
    let changed = keyring.change(&id, |record| {
        visible(&caller, record)?;
        change.clone().apply(record, now);
        record.spec.check().map_err(|(field, message)| in_body(Error::Invalid { field, message }))?;
        may_give(&caller, &record.spec.grants)
    });
    let record = changed.await?.ok_or_else(|| Problem::key_not_found(id.as_str()))?;
    Ok(Json(bodies::info(&record, None, now)))
}

async fn delete(keys: RequestCache, caller: Caller, params: Params) -> Result<Json<wire::KeyDeleted>, Problem> {
    let id = key_id(&params)?;
    match keys.keyring().delete(&id, |record| visible(&caller, record)).await? {
        true => Ok(Json(wire::KeyDeleted { id: name(&id), deleted: true })),
        false => Err(Problem::key_not_found(id.as_str())),
    }
}

async fn rotate(
    State(state): State<AppState>,
    keys: RequestCache,
    caller: Caller,
    params: Params,
    Limited(payload): Limited<MAX_FIELDS_BYTES>,
) -> Result<Json<wire::KeyCreated>, Problem> {
    let id = key_id(&params)?;
    let mut fields = Fields::read_if_any(payload)?;
    let seconds = fields.take::<WholeNumber>("overlap_seconds")?.map(|WholeNumber(seconds)| seconds);
    fields.nothing_else(&ROTATION)?;
    if let Some(seconds) = seconds.filter(|seconds| *seconds > MAX_OVERLAP_SECONDS) {
        let message = format!("must be at most {MAX_OVERLAP_SECONDS}");
        return Err(Problem::body_field("value_error", "overlap_seconds", &message, seconds.into()));
    }
    let overlap = seconds.map_or(DEFAULT_OVERLAP, Duration::from_secs);
    let rotated = keys.keyring().rotate(&id, overlap, caller.name(), |record| visible(&caller, record)).await?;
    let made = rotated.ok_or_else(|| Problem::key_not_found(id.as_str()))?;
    Ok(Json(created(&state, &made)))
}

/// A change of a key. `None` leaves a field as it is.
#[derive(Clone)]
struct Change {
    name: Option<String>,
    note: Option<String>,
    not_before: Option<Option<UnixMillis>>,
    expires_at: Option<Option<UnixMillis>>,
    grants: Option<Grants>,
    limits: Option<Limits>,
    disabled: Option<bool>,
}

impl Change {
    fn apply(self, record: &mut KeyRecord, now: UnixMillis) {
        let spec = &mut record.spec;
        spec.name = self.name.unwrap_or_else(|| spec.name.clone());
        spec.note = self.note.unwrap_or_else(|| spec.note.clone());
        spec.not_before = self.not_before.unwrap_or(spec.not_before);
        spec.expires_at = self.expires_at.unwrap_or(spec.expires_at);
        spec.grants = self.grants.unwrap_or_else(|| spec.grants.clone());
        spec.limits = self.limits.unwrap_or(spec.limits);
        match self.disabled {
            Some(true) => record.disabled_at = record.disabled_at.or(Some(now)),
            Some(false) => record.disabled_at = None,
            None => {}
        }
    }
}

fn key_id(params: &Params) -> Result<KeyId, Problem> {
    let raw = params.path("key_id");
    raw.parse().map_err(|error| Problem::parameter("key_id", raw, error))
}

fn time(sent: Option<WholeNumber>) -> Option<UnixMillis> {
    sent.map(|WholeNumber(ms)| UnixMillis::new(ms))
}

/// Whether a caller may see and change a key: one that manages all namespaces in which the key may do anything.
fn may_manage(caller: &Caller, record: &KeyRecord) -> bool {
    may_give(caller, &record.spec.grants).is_ok()
}

fn may_give(caller: &Caller, grants: &Grants) -> Result<(), Problem> {
    let Caller::Key(own) = caller else { return Ok(()) };
    let mut patterns = grants.0.iter().flat_map(|grant| &grant.namespaces);
    match patterns.find(|pattern| !own.record.spec.grants.allow_on_pattern(Permission::Manage, pattern)) {
        Some(pattern) => Err(Problem::grant_not_allowed(&pattern.to_string())),
        None => Ok(()),
    }
}

fn visible(caller: &Caller, record: &KeyRecord) -> Result<(), Problem> {
    if may_manage(caller, record) { Ok(()) } else { Err(Problem::key_not_found(record.id.as_str())) }
}

async fn shown(state: &Service, keyring: &Keyring, record: KeyRecord) -> Result<wire::KeyInfo, Problem> {
    let last_used_at = keyring.last_used_at(&record.id).await?;
    Ok(bodies::info(&record, last_used_at, state.clock.now()))
}

fn created(state: &Service, made: &keyring::NewKey) -> wire::KeyCreated {
    let info = bodies::info(&made.record, None, state.clock.now());
    wire::KeyCreated { key: made.key.as_str().to_owned(), info }
}

/// What core finds wrong with a key is a field of the body.
fn in_body(error: Error) -> Problem {
    match error {
        Error::Invalid { field, message } => {
            Problem::body_field("value_error", field, &message, serde_json::Value::Null)
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests;
