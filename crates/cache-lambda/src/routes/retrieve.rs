//! Retrieve: an entry by id, by hash or by key, in the requested representation.

use axum::Json;
use axum::response::Response;
use cache_api::contents::{BinaryReference, EntryConfig, FileMetadata, Metadata, Retrieved};
use cache_api::references::{AllReferences, HashCacheId, HashReferences, References};
use cache_core::cache::{Selector, VersionsOf};
use cache_core::entry::Entry;
use cache_core::representation::LookupKind;
use http::StatusCode;

use crate::extract::Params;
use crate::media_type::{BYTES, TEXT};
use crate::openapi::operation::Operation;
use crate::openapi::parameters;
use crate::problem::Problem;
use crate::read_entry::EntryReader;
use crate::request_cache::RequestCache;
use crate::response::content;
use crate::response::references as reference_bodies;
use crate::response::wire::name;
use crate::routing::Routes;

/// How many versions a list of references shows.
const MAX_REFERENCES: usize = 256;
/// The values of the query parameter `as`.
const FORMS: [&str; 4] = ["string", "json", "binary", "metadata"];

/// The routes of this group.
pub fn routes() -> Routes {
    by_id_routes().merge(by_hash_routes()).merge(by_key_routes())
}

/// `{cache_hash}-v{n}` may be used in place of the id.
fn by_id_routes() -> Routes {
    let read = |op, summary| readable(op, summary).parameter(parameters::revision());
    let about = |op: Operation, summary| op.summary(summary).not_found();
    Routes::below("/{namespace}/retrieve/{cache_id}")
        .get("", by_id, |op| {
            read(op, "The content, or where to read it when it is binary")
                .response::<Retrieved<'_>>()
                .response::<BinaryReference>()
        })
        .get("/string", string_by_id, |op| read(op, "The content as text; bytes in base64").raw_response(TEXT))
        .get("/json", json_by_id, |op| as_json(read(op, "The content as JSON; bytes in base64 within JSON")))
        .get("/binary", binary_by_id, |op| read(op, "The content as bytes").raw_response(BYTES).partial_content())
        .get("/config", config, |op| about(op, "How the entry is kept").response::<EntryConfig>())
        .get("/metadata", file_metadata, |op| {
            about(op, "What is known about the content").parameter(parameters::revision()).response::<FileMetadata>()
        })
        .get("/refs", references, |op| about(op, "What the entry consists of").response::<References>())
        .get("/refs/all", all_references, |op| {
            about(op, "The same, with its record and hash index").response::<AllReferences>()
        })
}

fn by_hash_routes() -> Routes {
    let read = |op, summary| readable(op, summary).parameter(parameters::version());
    let about = |op: Operation, summary| op.summary(summary).not_found();
    Routes::below("/{namespace}/retrieve/hash/{cache_hash}")
        .get("", by_hash, |op| {
            read(op, "The newest content, or where to read it when it is binary")
                .response::<Retrieved<'_>>()
                .response::<BinaryReference>()
        })
        .get("/string", string_by_hash, |op| read(op, "The newest content as text").raw_response(TEXT))
        .get("/json", json_by_hash, |op| as_json(read(op, "The newest content as JSON")))
        .get("/binary", binary_by_hash, |op| {
            read(op, "The newest content as bytes").raw_response(BYTES).partial_content()
        })
        .get("/metadata", metadata_by_hash, |op| {
            about(op, "What accompanies the newest content").parameter(parameters::version()).response::<Metadata>()
        })
        .get("/refs-hash", hash_references, |op| about(op, "The entries with this hash").response::<HashReferences>())
        .get("/cache-id", id_of_hash, |op| about(op, "The newest entry with this hash").response::<HashCacheId>())
}

fn by_key_routes() -> Routes {
    Routes::new().get("/{namespace}/retrieve/key/{strategy}/{*cache_key}/{file_id}", by_key, |op| {
        readable(op, "The newest content under a key, in any form")
            .parameter(parameters::version())
            .parameter(parameters::word("as", &FORMS, "The form; without it, the one that suits the content"))
            .any_json_response()
            .raw_response(TEXT)
            .raw_response(BYTES)
            .status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "A text that is not JSON, asked for as JSON")
            .partial_content()
    })
}

fn readable(operation: Operation, summary: &str) -> Operation {
    operation.summary(summary).not_modified().redirect().not_found()
}

fn as_json(operation: Operation) -> Operation {
    operation.any_json_response().status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content is a text that is not JSON")
}

async fn by_id(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry_or_revision(&params)?.generic().await
}

async fn string_by_id(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry_or_revision(&params)?.string(LookupKind::Id).await
}

async fn json_by_id(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry_or_revision(&params)?.json(LookupKind::Id).await
}

async fn binary_by_id(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry_or_revision(&params)?.binary().await
}

async fn config(cache: RequestCache, params: Params) -> Result<Json<EntryConfig>, Problem> {
    Ok(Json(content::entry_config(&entry(&cache, &params).await?)))
}

async fn file_metadata(cache: RequestCache, params: Params) -> Result<Json<FileMetadata>, Problem> {
    let Some(number) = params.revision()? else {
        return Ok(Json(content::file_metadata(&entry(&cache, &params).await?)));
    };
    let (cache, selector) = (cache.namespace_of(&params)?, params.entry()?);
    // Only the metadata is needed, not the content.
    let found = cache.retrieve_revision(&selector, number, 0).await?;
    let found = found.ok_or_else(|| Problem::entry_not_found(cache.name(), &selector))?;
    Ok(Json(content::file_metadata(found.entry())))
}

async fn references(cache: RequestCache, params: Params) -> Result<Json<References>, Problem> {
    Ok(Json(reference_bodies::references(&entry(&cache, &params).await?)))
}

async fn all_references(cache: RequestCache, params: Params) -> Result<Json<AllReferences>, Problem> {
    let entry = entry(&cache, &params).await?;
    let of = VersionsOf::Hash(entry.cache_hash.clone());
    let versions = cache.namespace_of(&params)?.versions(&of, None, MAX_REFERENCES).await?;
    let references = reference_bodies::all_references(&entry, versions.as_ref());
    references.map(Json).map_err(|error| Problem::internal(error.to_string()))
}

async fn by_hash(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry(&params, hash(&params)?)?.generic().await
}

async fn string_by_hash(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry(&params, hash(&params)?)?.string(LookupKind::Hash).await
}

async fn json_by_hash(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry(&params, hash(&params)?)?.json(LookupKind::Hash).await
}

async fn binary_by_hash(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry(&params, hash(&params)?)?.binary().await
}

async fn metadata_by_hash(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry(&params, hash(&params)?)?.metadata().await
}

async fn hash_references(cache: RequestCache, params: Params) -> Result<Json<HashReferences>, Problem> {
    let (cache, hash) = (cache.namespace_of(&params)?, params.cache_hash()?);
    match cache.versions(&VersionsOf::Hash(hash.clone()), None, MAX_REFERENCES).await? {
        Some(versions) => Ok(Json(reference_bodies::hash_references(&hash, &versions))),
        None => Err(Problem::entry_not_found_short(cache.name(), &Selector::Hash(hash, None))),
    }
}

async fn id_of_hash(cache: RequestCache, params: Params) -> Result<Json<HashCacheId>, Problem> {
    let (cache, selector) = (cache.namespace_of(&params)?, Selector::Hash(params.cache_hash()?, None));
    match cache.entry(&selector).await? {
        Some(Entry { namespace, cache_hash, cache_id, .. }) => Ok(Json(HashCacheId {
            namespace: name(&namespace),
            cache_hash: name(&cache_hash),
            cache_id: name(&cache_id),
        })),
        None => Err(Problem::entry_not_found_short(cache.name(), &selector)),
    }
}

async fn by_key(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    let read = reader.entry(&params, Selector::Key(params.key_ref()?, params.version()?))?;
    match params.query("as") {
        None | Some("") => read.generic().await,
        Some("string") => read.string(LookupKind::Id).await,
        Some("json") => read.json(LookupKind::Id).await,
        Some("binary") => read.binary().await,
        Some("metadata") => read.metadata().await,
        Some(other) => Err(Problem::not_one_of("query", "as", other, &FORMS)),
    }
}

/// The newest entry with the hash in the path, or the version in the query.
fn hash(params: &Params) -> Result<Selector, Problem> {
    Ok(Selector::Hash(params.cache_hash()?, params.version()?))
}

async fn entry(cache: &RequestCache, params: &Params) -> Result<Entry, Problem> {
    let (cache, selector) = (cache.namespace_of(params)?, params.entry()?);
    let entry = cache.entry(&selector).await?;
    entry.ok_or_else(|| Problem::entry_not_found(cache.name(), &selector))
}

#[cfg(test)]
mod expiry_tests;

#[cfg(test)]
mod tests;
