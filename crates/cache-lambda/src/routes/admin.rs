//! Admin: the storage as files and folders. Some routes exist in two forms, one for each generation of clients.
//!
//! Without `?raw=true` a view is read as the content that it points to, and tombstones are hidden.

mod lists;

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cache_api::admin as wire;
use cache_api::admin::{BucketName, FileExists};
use cache_core::cache::{AdminFile, FileDeleted};
use cache_core::json::{Document, JsonValue};
use cache_core::storage::{InvalidObjectKey, ObjectKey};
use cache_core::strategy::ContentKind;
use http::{StatusCode, header};
use utoipa::openapi::path::Parameter;

use crate::compute;
use crate::extract::Params;
use crate::media_type::{BYTES, HTML, HTML_UTF_8, JSON, TEXT, TEXT_UTF_8};
use crate::openapi::operation::Operation;
use crate::openapi::parameters;
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::routing::Routes;
use crate::state::AppState;

/// The name that is shown when there is no bucket.
const NO_BUCKET: &str = "NA";

/// What a stored page may do: nothing but look as it does.
const STORED_HTML_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Below which the storage is shown.
const STORAGE: &str = "/admin/storage";

/// The routes of this group. A path may be empty, and that of a folder may end with a slash.
pub fn routes() -> Routes {
    files_routes().merge(lists::routes()).merge(delete_routes())
}

fn physical() -> Parameter {
    parameters::flag("physical", "The objects of the storage as they are, instead of the files that clients know")
}

fn files_routes() -> Routes {
    let read = |op: Operation, summary| op.summary(summary).parameter(physical()).payload_too_large().not_found();
    Routes::below(STORAGE)
        .get("/bucket-name", bucket_name, |op| op.summary("The bucket, or `NA`").response::<BucketName>())
        .get("/file/exists/{*path?}", exists, |op| {
            op.summary("Whether a file is there").parameter(physical()).response::<FileExists>()
        })
        .get("/file/bytes/{*path?}", bytes, |op| read(op, "A file as bytes").raw_response(BYTES))
        .get("/file/content/{*path?}", content, |op| {
            read(op, "A file as what it is").raw_response(TEXT).any_json_response().raw_response(BYTES)
        })
        .get("/file/json/{*path?}", json, |op| read(op, "A file as JSON").any_json_response())
        .get("/file/html/{*path?}", html, |op| {
            read(op, "The field `html` of a JSON file, in a sandbox").raw_response(HTML)
        })
}

fn delete_routes() -> Routes {
    let delete = |op: Operation, summary| {
        op.summary(summary)
            .parameter(parameters::flag("force", "Deletes the file alone, even if it is in use"))
            .status(StatusCode::CONFLICT, "The file is in use")
    };
    Routes::below(STORAGE)
        .delete("/file/delete/{*path?}", delete_file, |op| {
            delete(op, "Deletes what a file stands for").response::<wire::FileDeleted>()
        })
        .delete("/{*path}", delete_any, |op| delete(op, "The same, for older clients").inline_response::<bool>())
}

async fn bucket_name(State(state): State<AppState>) -> Json<BucketName> {
    let bucket_name = state.config.storage.bucket().unwrap_or(NO_BUCKET).to_owned();
    Json(BucketName { bucket_name })
}

async fn exists(cache: RequestCache, params: Params) -> Result<Json<FileExists>, Problem> {
    let physical = params.flag("physical", false)?;
    let exists = match file_path(&params)? {
        Some(path) => cache.file_exists(&path, physical).await?,
        None => false,
    };
    Ok(Json(FileExists { exists, path: params.path("path").to_owned() }))
}

async fn bytes(cache: RequestCache, params: Params) -> Result<Response, Problem> {
    Ok(typed(BYTES, read(&cache, &params).await?.bytes))
}

async fn content(cache: RequestCache, params: Params) -> Result<Response, Problem> {
    let file = read(&cache, &params).await?;
    Ok(typed(content_type(params.path("path"), file.kind), file.bytes))
}

async fn json(cache: RequestCache, params: Params) -> Result<Response, Problem> {
    Ok(typed(JSON, read_json(&cache, &params, Document::into_text).await?))
}

/// Shows the field `html` of a JSON file. Stored content is untrusted: it may neither run scripts nor send requests.
async fn html(cache: RequestCache, params: Params) -> Result<Response, Problem> {
    let page = read_json(&cache, &params, |document| {
        document.root().member("html").and_then(JsonValue::as_string).map_or(String::new(), Cow::into_owned)
    });
    let page = page.await?;
    let policy = [(header::CONTENT_SECURITY_POLICY, STORED_HTML_POLICY)];
    Ok((policy, typed(HTML_UTF_8, page.into())).into_response())
}

async fn delete_file(cache: RequestCache, params: Params) -> Result<Json<wire::FileDeleted>, Problem> {
    let deleted = delete_at(cache, &params).await?;
    Ok(Json(wire::FileDeleted { path: params.path("path").to_owned(), deleted }))
}

async fn delete_any(cache: RequestCache, params: Params) -> Result<Json<bool>, Problem> {
    delete_at(cache, &params).await.map(Json)
}

async fn delete_at(cache: RequestCache, params: &Params) -> Result<bool, Problem> {
    let force = params.flag("force", false)?;
    let Some(path) = file_path(params)? else { return Ok(false) };
    let key = path.clone();
    match cache.run_to_completion(async move |cache| cache.delete_file(&key, force).await).await? {
        FileDeleted::Deleted => Ok(true),
        FileDeleted::NotFound => Ok(false),
        FileDeleted::InUse(reason) => Err(Problem::file_in_use(path.as_str(), reason)),
    }
}

async fn read(cache: &RequestCache, params: &Params) -> Result<AdminFile, Problem> {
    let physical = params.flag("physical", false)?;
    let file = match file_path(params)? {
        Some(path) => cache.file(&path, physical).await?,
        None => None,
    };
    file.ok_or_else(|| Problem::file_not_found(params.path("path")))
}

/// What `part` takes of a JSON file.
async fn read_json<T: Send + 'static>(
    cache: &RequestCache,
    params: &Params,
    part: impl FnOnce(Document) -> T + Send + 'static,
) -> Result<T, Problem> {
    let file = read(cache, params).await?;
    let parsed = compute::on_body(file.bytes.len(), move || Document::parse(&file.bytes).map(part)).await?;
    parsed.map_err(|_| Problem::file_not_json(params.path("path")))
}

/// The file that a path names; `None` for an empty path, where no file can be.
fn file_path(params: &Params) -> Result<Option<ObjectKey>, Problem> {
    let raw = params.path("path");
    if raw.is_empty() { Ok(None) } else { parse(raw).map(Some) }
}

fn parse(raw: &str) -> Result<ObjectKey, Problem> {
    raw.parse().map_err(|error: InvalidObjectKey| Problem::parameter("path", raw, format!("is refused: {error}")))
}

fn typed(content_type: &'static str, bytes: Bytes) -> Response {
    ([(header::CONTENT_TYPE, content_type)], bytes).into_response()
}

/// The type of an entry's content, or else the type that the file's name implies.
fn content_type(path: &str, kind: Option<ContentKind>) -> &'static str {
    match (kind, path.rsplit_once('.').map(|(_, extension)| extension)) {
        (Some(ContentKind::String), _) | (None, Some("txt")) => TEXT_UTF_8,
        (Some(ContentKind::Json), _) | (None, Some("json")) => JSON,
        (Some(ContentKind::Binary | ContentKind::Zip), _) | (None, _) => BYTES,
    }
}

#[cfg(test)]
mod tests;
