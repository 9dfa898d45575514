//! ZIP archives: stored, read as a whole or by member, and edited into new entries.

use std::future::Future;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cache_api::archives::{ArchiveBatch, ArchiveOperation, ArchiveStore, BatchRequest};
use cache_core::archive::Limits;
use cache_core::cache::{ArchiveDestination, ArchiveError, Archives, Cache, IdempotencyKey, Selector};
use cache_core::content::GZIP;
use cache_core::ids::Namespace;
use cache_core::storage::ResponseHeaders;
use http::request::Parts;
use http::{Method, StatusCode, header};

use crate::access::caller::MayReplace;
use crate::batch;
use crate::body::Payload;
use crate::extract::Params;
use crate::media_type::{BYTES, ZIP};
use crate::openapi::operation::Operation;
use crate::problem::{ArchiveOp, Problem};
use crate::redirect::{self, DeliveryOptions, MAX_RESPONSE_BYTES};
use crate::request_cache::RequestCache;
use crate::response::zip;
use crate::routing::Routes;
use crate::state::AppState;
use crate::store_options::Repeatable;

/// The routes of this group.
pub fn routes() -> Routes {
    stores().merge(reads()).merge(edits())
}

fn stores() -> Routes {
    let store = |op: Operation, summary| op.summary(summary).repeatable().response::<ArchiveStore>().entry_links();
    Routes::below("/{namespace}/{strategy}/zip")
        .post("/create/{*cache_key}/{file_id}", create, |op| store(op, "Stores an empty archive"))
        .post("/store/{*cache_key}/{file_id}", self::store, |op| store(op, "Stores an archive").bytes_body(ZIP, 1))
}

fn reads() -> Routes {
    Routes::below("/{namespace}/zip/{cache_id}")
        .get("/retrieve", retrieve, |op| op.summary("The archive").raw_response(ZIP).redirect().not_found())
        .get("/files/list", list, |op| {
            op.summary("The names of its members")
                .response::<ArchiveOperation>()
                .status(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE)
                .not_found()
        })
        .get("/file/retrieve/{*file_path?}", member, |op| {
            op.summary("The content of a member")
                .raw_response(BYTES)
                .status(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE)
                .not_found()
        })
}

fn edits() -> Routes {
    let edit = |op: Operation, summary| op.summary(summary).repeatable().response::<ArchiveOperation>();
    Routes::below("/{namespace}/zip/{cache_id}")
        .post("/file/add/from/bytes/{*file_path?}", add_bytes, |op| {
            edit(op, "Sets a member to bytes, in a new entry").bytes_body(BYTES, 0)
        })
        .post("/file/add/from/string/{*file_path?}", add_string, |op| {
            edit(op, "Sets a member to a text, in a new entry").text_body(0)
        })
        .delete("/file/delete/{*file_path?}", remove, |op| {
            edit(op, "Removes a member, in a new entry").status(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE).not_found()
        })
        .post("/batch/operations", operations, |op| {
            op.summary("Several edits at once, in one new entry")
                .repeatable()
                .json_body::<BatchRequest>()
                .response::<ArchiveBatch>()
        })
}

/// The error text of the Python service for a batch on a missing entry. Clients may compare it.
const NO_ENTRY: &str = "Zip file not found in cache";

/// When an archive is 413.
const TOO_LARGE: &str = "The archive is above a limit when it is inflated";

async fn create(request: ArchiveRequest, replace: MayReplace, params: Params) -> Result<Json<ArchiveStore>, Problem> {
    let (namespace, destination) = (params.namespace()?, destination(&params, replace)?);
    let stored = request.run(namespace, async move |archives| archives.create(destination).await).await?;
    stored.map(|stored| Json(zip::archive_store(stored))).map_err(|error| Problem::archive(ArchiveOp::Store, error))
}

async fn store(
    request: ArchiveRequest,
    replace: MayReplace,
    params: Params,
    payload: Payload,
) -> Result<Json<ArchiveStore>, Problem> {
    let (namespace, destination) = (params.namespace()?, destination(&params, replace)?);
    let bytes = payload.compute(Payload::bytes).await?;
    let stored = request.run(namespace, async move |archives| archives.store(destination, bytes).await).await?;
    stored.map(|stored| Json(zip::archive_store(stored))).map_err(|error| Problem::archive(ArchiveOp::Store, error))
}

/// An entry that is not an archive is refused, although `/retrieve/{cache_id}/binary` would send it: saved by the
/// suggested name it would be a `.zip` that nothing opens.
async fn retrieve(method: Method, request: ArchiveRequest, params: Params) -> Result<Response, Problem> {
    let state = AppState::clone(&request.state);
    let options = DeliveryOptions::for_method(&state, &method).with_query(&params)?;
    let find = async |archives: Archives, selector: Selector| archives.find(&selector).await;
    let entry = request.run_on_entry(ArchiveOp::Retrieve, &params, find).await?;
    let disposition = format!("attachment; filename={}.zip", entry.entry.cache_id);
    if entry.bytes.len() as u64 > MAX_RESPONSE_BYTES && !options.head_only {
        let (content_type, content_disposition) = (ZIP, Some(disposition.clone()));
        let response_headers = ResponseHeaders { content_type, content_encoding: None, content_disposition };
        let as_stored = entry.entry.content.content_encoding.as_deref() != Some(GZIP);
        match state.cache().namespace(&params.namespace()?).presigned_get(&entry.entry, &response_headers).await? {
            Some(url) if as_stored && options.redirect => return redirect::redirect(&url),
            _ if options.in_lambda => return Err(options.too_large(&entry.entry)),
            _ => {}
        }
    }
    let headers = [(header::CONTENT_TYPE, ZIP), (header::CONTENT_DISPOSITION, &disposition)];
    Ok((headers, entry.bytes).into_response())
}

async fn list(request: ArchiveRequest, params: Params) -> Result<Json<ArchiveOperation>, Problem> {
    let find = async |archives: Archives, selector: Selector| archives.find(&selector).await;
    let entry = request.run_on_entry(ArchiveOp::Inspect, &params, find).await?;
    Ok(Json(zip::member_list(&entry)))
}

async fn member(request: ArchiveRequest, params: Params) -> Result<Response, Problem> {
    let path = params.file_path(ArchiveOp::Inspect)?;
    let read = async move |archives: Archives, selector: Selector| archives.member(&selector, &path).await;
    let content = request.run_on_entry(ArchiveOp::Inspect, &params, read).await?;
    Ok(([(header::CONTENT_TYPE, BYTES)], content).into_response())
}

async fn add_bytes(
    request: ArchiveRequest,
    params: Params,
    payload: Payload,
) -> Result<Json<ArchiveOperation>, Problem> {
    add(request, &params, payload.compute(Payload::bytes).await?).await
}

async fn add_string(
    request: ArchiveRequest,
    params: Params,
    payload: Payload,
) -> Result<Json<ArchiveOperation>, Problem> {
    add(request, &params, payload.compute(Payload::text).await?.into()).await
}

async fn add(request: ArchiveRequest, params: &Params, content: Bytes) -> Result<Json<ArchiveOperation>, Problem> {
    let path = params.file_path(ArchiveOp::Add)?;
    let add = async move |archives: Archives, selector: Selector| archives.add(&selector, &path, content).await;
    let edited = request.run_on_entry(ArchiveOp::Add, params, add).await?;
    Ok(Json(zip::member_added(&edited)))
}

async fn remove(request: ArchiveRequest, params: Params) -> Result<Json<ArchiveOperation>, Problem> {
    let path = params.file_path(ArchiveOp::Remove)?;
    let remove = async move |archives: Archives, selector: Selector| archives.remove(&selector, &path).await;
    let edited = request.run_on_entry(ArchiveOp::Remove, &params, remove).await?;
    Ok(Json(zip::member_removed(&edited)))
}

/// A batch that fails is a 200 that says so, as the clients expect; a failure of the cache is an error.
async fn operations(request: ArchiveRequest, params: Params, payload: Payload) -> Result<Json<ArchiveBatch>, Problem> {
    let (namespace, id) = (params.namespace()?, params.cache_id()?);
    let selector = Selector::Id(id);
    let strict = params.strict();
    let batch = payload.compute(move |payload| batch::read(payload, strict)).await?;
    let state = AppState::clone(&request.state);
    let missing = format!("there is no entry with cache_id {id} in namespace {namespace}");
    let edited = request.run(namespace, async move |archives| archives.apply(&selector, batch).await).await?;
    let now_ms = state.now_ms();
    match edited {
        Ok(Some(edited)) => Ok(Json(zip::batch(edited, now_ms))),
        Ok(None) => Ok(Json(zip::failed_batch(id, NO_ENTRY.to_owned(), missing, now_ms))),
        Err(ArchiveError::Cache(error)) => Err(error.into()),
        Err(error) => Ok(Json(zip::failed_batch(id, error.to_string(), error.to_string(), now_ms))),
    }
}

fn destination(params: &Params, replace: MayReplace) -> Result<ArchiveDestination, Problem> {
    let (cache_key, file_id) = params.key_and_file()?;
    replace.check_key(cache_key.as_ref(), file_id.as_ref(), params)?;
    Ok(ArchiveDestination { strategy: params.strategy()?, cache_key, file_id })
}

/// A request about an archive.
struct ArchiveRequest {
    cache: RequestCache,
    state: AppState,
    idempotency_key: Option<IdempotencyKey>,
}

impl FromRequestParts<AppState> for ArchiveRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Ok(cache) = RequestCache::from_request_parts(parts, state).await;
        let Repeatable(idempotency_key) = Repeatable::from_request_parts(parts, state).await?;
        Ok(Self { cache, state: AppState::clone(state), idempotency_key })
    }
}

impl ArchiveRequest {
    /// Runs a use case on the entry that the path names.
    async fn run_on_entry<T, F>(
        self,
        op: ArchiveOp,
        params: &Params,
        job: impl FnOnce(Archives, Selector) -> F + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<Option<T>, ArchiveError>>,
    {
        let (namespace, selector) = (params.namespace()?, params.entry()?);
        let missing = Problem::archive_not_found(op, &namespace, &selector);
        let found = self.run(namespace, move |archives| job(archives, selector)).await?;
        found.map_err(|error| Problem::archive(op, error))?.ok_or(missing)
    }

    /// Runs a use case on a blocking thread, since it compresses and inflates.
    async fn run<T, F>(
        self,
        namespace: Namespace,
        job: impl FnOnce(Archives) -> F + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let limits = Limits { max_inflated_bytes: self.state.config.max_body_bytes, ..Limits::default() };
        let archives = move |cache: Cache| cache.namespace(&namespace).archives(limits);
        let key = self.idempotency_key;
        self.cache.run_blocking(move |cache| job(archives(cache).with_idempotency_key(key))).await
    }
}

#[cfg(test)]
mod tests;
