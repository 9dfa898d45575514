//! `keys`: API keys with permissions and limits.

use std::time::Duration;

use cache_client::api::keys::{KeyChange, KeyCreated, KeyInfo, KeyLimits, NewKey};
use serde_json::json;

use super::describe_key;
use crate::args::{ChangeKey, CreateKey, Keys, Unset};
use crate::context::Context;
use crate::failure::{Failure, OK};

/// How many keys are asked for at once.
const PAGE: usize = 200;

/// Works with API keys.
pub async fn run(context: &Context<'_>, command: Keys) -> Result<u8, Failure> {
    match command {
        Keys::Ls => list(context).await,
        Keys::Show { id } => {
            let key = known(context, &id).await?;
            context.output.result(&key, &describe_key::lines(&key))?;
            Ok(OK)
        }
        Keys::Create(new) => create(context, new).await,
        Keys::Change(change) => {
            let (id, change) = (change.id.clone(), as_change(context, change).await?);
            apply(context, &id, &change).await
        }
        Keys::Disable { id } => set_disabled(context, &id, true).await,
        Keys::Enable { id } => set_disabled(context, &id, false).await,
        Keys::Rotate { id, overlap } => rotate(context, &id, overlap).await,
        Keys::Rm { id, yes } => remove(context, &id, yes).await,
    }
}

async fn list(context: &Context<'_>) -> Result<u8, Failure> {
    let (keys, mut cursor) = (context.client()?.keys(), None);
    loop {
        let page = keys.list(PAGE, cursor.as_deref()).await?;
        for key in &page.keys {
            context.output.result(key, &describe_key::line(key))?;
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(OK);
        }
    }
}

async fn create(context: &Context<'_>, CreateKey { name, fields }: CreateKey) -> Result<u8, Failure> {
    let limits = fields.name_limits().then(|| fields.limits(KeyLimits::default()));
    let new = NewKey {
        name,
        note: fields.note,
        grants: fields.grants,
        not_before: fields.not_before,
        expires_at: fields.expires,
        limits,
    };
    let made = context.client()?.keys().create(&new).await?;
    print(context, &made)
}

async fn rotate(context: &Context<'_>, id: &str, overlap: Option<Duration>) -> Result<u8, Failure> {
    let keys = context.client()?.keys();
    let made = keys.rotate(id, overlap).await?.ok_or_else(|| not_found(id))?;
    print(context, &made)?;
    context.output.note(&format!("`mgraph-cache keys show {id}` says until when the old one is valid"));
    Ok(OK)
}

/// The key alone on stdout, so that a script can keep it.
fn print(context: &Context<'_>, made: &KeyCreated) -> Result<u8, Failure> {
    context.output.result(made, &made.key)?;
    context.output.note(&format!("{}\nkeep it: it is not shown again", describe_key::line(&made.info)));
    Ok(OK)
}

/// The change that was typed. Limits are sent as a whole, so those that stay are read first.
async fn as_change(context: &Context<'_>, change: ChangeKey) -> Result<KeyChange, Failure> {
    let ChangeKey { id, name, fields, unset } = change;
    let unset = |field| unset.contains(&field);
    let limits = match (fields.name_limits(), unset(Unset::Limits)) {
        (true, true) => Some(Some(fields.limits(KeyLimits::default()))),
        (true, false) => Some(Some(fields.limits(known(context, &id).await?.limits.unwrap_or_default()))),
        (false, true) => Some(None),
        (false, false) => None,
    };
    let change = KeyChange {
        name,
        note: fields.note.map(Some).or(unset(Unset::Note).then_some(None)),
        grants: (!fields.grants.is_empty()).then_some(fields.grants),
        not_before: fields.not_before.map(Some).or(unset(Unset::NotBefore).then_some(None)),
        expires_at: fields.expires.map(Some).or(unset(Unset::Expires).then_some(None)),
        disabled: None,
        limits,
    };
    match change == KeyChange::default() {
        true => Err(Failure::usage("nothing is named that is to be changed")
            .hint("`mgraph-cache keys change --help` shows what can be")),
        false => Ok(change),
    }
}

async fn set_disabled(context: &Context<'_>, id: &str, disabled: bool) -> Result<u8, Failure> {
    apply(context, id, &KeyChange { disabled: Some(disabled), ..KeyChange::default() }).await
}

async fn apply(context: &Context<'_>, id: &str, change: &KeyChange) -> Result<u8, Failure> {
    let key = context.client()?.keys().change(id, change).await?.ok_or_else(|| not_found(id))?;
    context.output.result(&key, &describe_key::line(&key))?;
    Ok(OK)
}

async fn remove(context: &Context<'_>, id: &str, yes: bool) -> Result<u8, Failure> {
    let key = known(context, id).await?;
    context.confirm(&format!("Delete the API key {id} '{}'?", key.name), yes)?;
    if !context.client()?.keys().delete(id).await? {
        return Err(not_found(id));
    }
    context.output.result(&json!({"id": id, "deleted": true}), &format!("deleted {id}"))?;
    Ok(OK)
}

async fn known(context: &Context<'_>, id: &str) -> Result<KeyInfo, Failure> {
    context.client()?.keys().get(id).await?.ok_or_else(|| not_found(id))
}

fn not_found(id: &str) -> Failure {
    Failure::not_found(format!("API key {id}"))
}
