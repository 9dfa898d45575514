//! Retrieve: an entry by id, by hash or by key, in the form that the caller wants.

use axum::Json;
use axum::response::Response;
use cache_core::cache::Selector;
use cache_core::forms::By;
use cache_core::record::Record;
use http::StatusCode;

use crate::extract::Params;
use crate::media_type::{BYTES, TEXT};
use crate::openapi::operation::Operation;
use crate::openapi::parameters;
use crate::problem::Problem;
use crate::read_entry::EntryReader;
use crate::request_cache::RequestCache;
use crate::response::content::{BinaryReference, EntryConfig, FileMetadata, Metadata, Retrieved};
use crate::response::references::{AllReferences, HashCacheId, HashReferences, References};
use crate::routing::Routes;

/// What `as` may ask for.
const FORMS: [&str; 4] = ["string", "json", "binary", "metadata"];

/// The routes of this group.
pub fn routes() -> Routes {
    by_id_routes().merge(by_hash_routes()).merge(by_key_routes())
}

/// Where an id is expected, `{cache_hash}-v{n}` will do.
fn by_id_routes() -> Routes {
    let read = |op, summary| content(op, summary).parameter(parameters::revision());
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
    let read = |op, summary| content(op, summary).parameter(parameters::version());
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
        content(op, "The newest content under a key, in any form")
            .parameter(parameters::version())
            .parameter(parameters::word("as", &FORMS, "The form; without it, the one that suits the content"))
            .any_json_response()
            .raw_response(TEXT)
            .raw_response(BYTES)
            .status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "A text that is not JSON, asked for as JSON")
            .partial_content()
    })
}

fn content(operation: Operation, summary: &str) -> Operation {
    operation.summary(summary).not_modified().redirect().not_found()
}

fn as_json(operation: Operation) -> Operation {
    operation.any_json_response().status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content is a text that is not JSON")
}

async fn by_id(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry_or_revision(&params)?.generic().await
}

async fn string_by_id(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry_or_revision(&params)?.string(By::Id).await
}

async fn json_by_id(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry_or_revision(&params)?.json(By::Id).await
}

async fn binary_by_id(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry_or_revision(&params)?.binary().await
}

async fn config(cache: RequestCache, params: Params) -> Result<Json<EntryConfig>, Problem> {
    Ok(Json((&record(&cache, &params).await?).into()))
}

async fn file_metadata(cache: RequestCache, params: Params) -> Result<Json<FileMetadata>, Problem> {
    let Some(number) = params.revision()? else { return Ok(Json((&record(&cache, &params).await?).into())) };
    let (namespace, selector) = (params.namespace()?, params.entry()?);
    // Of the content only its place is needed.
    let found = cache.retrieve_revision(&namespace, &selector, number, 0).await?;
    let found = found.ok_or_else(|| Problem::entry_not_found(&namespace, &selector))?;
    Ok(Json(found.record().into()))
}

async fn references(cache: RequestCache, params: Params) -> Result<Json<References>, Problem> {
    Ok(Json((&record(&cache, &params).await?).into()))
}

async fn all_references(cache: RequestCache, params: Params) -> Result<Json<AllReferences>, Problem> {
    let (namespace, selector) = (params.namespace()?, params.entry()?);
    let details = cache.details(&namespace, &selector).await?;
    let details = details.ok_or_else(|| Problem::entry_not_found(&namespace, &selector))?;
    details.try_into().map(Json).map_err(|error: serde_json::Error| Problem::internal(error.to_string()))
}

async fn by_hash(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry(&params, hash(&params)?)?.generic().await
}

async fn string_by_hash(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry(&params, hash(&params)?)?.string(By::Hash).await
}

async fn json_by_hash(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry(&params, hash(&params)?)?.json(By::Hash).await
}

async fn binary_by_hash(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry(&params, hash(&params)?)?.binary().await
}

async fn metadata_by_hash(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    reader.entry(&params, hash(&params)?)?.metadata().await
}

async fn hash_references(cache: RequestCache, params: Params) -> Result<Json<HashReferences>, Problem> {
    let (namespace, hash) = (params.namespace()?, params.cache_hash()?);
    let index = cache.hash_index(&namespace, &hash).await?;
    let references = index.and_then(|index| HashReferences::of(hash.clone(), &index));
    references.map(Json).ok_or_else(|| Problem::entry_not_found_short(&namespace, &Selector::Hash(hash, None)))
}

async fn id_of_hash(cache: RequestCache, params: Params) -> Result<Json<HashCacheId>, Problem> {
    let (namespace, hash) = (params.namespace()?, params.cache_hash()?);
    let index = cache.hash_index(&namespace, &hash).await?;
    match index.and_then(|index| index.newest()) {
        Some(newest) => Ok(Json(HashCacheId { namespace, cache_hash: hash, cache_id: newest.cache_id })),
        None => Err(Problem::entry_not_found_short(&namespace, &Selector::Hash(hash, None))),
    }
}

async fn by_key(reader: EntryReader, params: Params) -> Result<Response, Problem> {
    let read = reader.entry(&params, Selector::Key(params.key_name()?, params.version()?))?;
    match params.query("as") {
        None | Some("") => read.generic().await,
        Some("string") => read.string(By::Id).await,
        Some("json") => read.json(By::Id).await,
        Some("binary") => read.binary().await,
        Some("metadata") => read.metadata().await,
        Some(other) => Err(Problem::not_one_of("query", "as", other, &FORMS)),
    }
}

/// The newest entry with the hash in the path, or the version in the query.
fn hash(params: &Params) -> Result<Selector, Problem> {
    Ok(Selector::Hash(params.cache_hash()?, params.version()?))
}

async fn record(cache: &RequestCache, params: &Params) -> Result<Record, Problem> {
    let (namespace, selector) = (params.namespace()?, params.entry()?);
    let record = cache.record(&namespace, &selector).await?;
    record.ok_or_else(|| Problem::entry_not_found(&namespace, &selector))
}

#[cfg(test)]
mod tests;
