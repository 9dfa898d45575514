//! Uploads: a large content is announced, sent directly to the storage (or to the server, if the storage does not
//! presign requests), and completed.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Request, State};
use cache_api::entries::Store;
use cache_api::uploads::{NewUpload, SentUpload, UploadReceived, UploadStarted};
use cache_core::cache::{Receiving, Upload, UploadLimits, UploadRequest};
use cache_core::digest::Sha256Digest;
use cache_core::error::Error;
use cache_core::ids::{CacheId, Namespace};
use cache_core::strategy::ContentKind;
use cache_core::time::UnixMillis;
use cache_core::whole_number::WholeNumber;
use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use crate::access::caller::MayReplace;
use crate::body::{BodyParts, Limited, MAX_FIELDS_BYTES, Payload};
use crate::extract::Params;
use crate::fields::Fields;
use crate::media_type::BYTES;
use crate::openapi::parameters::{self, required};
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::response::entry;
use crate::response::wire::name;
use crate::routing::Routes;
use crate::state::AppState;
use crate::store_options::Repeatable;
use crate::upload_url::SignedUpload;

/// The largest content that is sent directly to the storage, in bytes: the limit of one S3 PUT.
const MAX_DIRECT_UPLOAD_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// The fields of an announcement.
const FIELDS: [&str; 5] = ["data_type", "sha256", "size", "cache_key", "file_id"];
const UPLOAD_ID: &str = "upload_id";

/// The routes of this group.
pub fn routes() -> Routes {
    Routes::below("/{namespace}/{strategy}/upload")
        .post("", begin, |op| {
            op.summary("Announces a large content, and returns the URL to send it to")
                .repeatable()
                .json_body::<NewUpload>()
                .response::<UploadStarted>()
        })
        .post("/complete", complete, |op| {
            op.summary("Makes an entry of a content that was sent; repeats make the same one, with or without a key")
                .repeatable()
                .json_body::<SentUpload>()
                .response::<Store>()
                .entry_links()
        })
        .put("/{upload_id}", receive, |op| {
            op.summary("Receives a content at the URL that the announcement returned; with S3 that URL is S3's")
                .parameter(required(parameters::sha256()))
                .parameter(required(parameters::number("size", "Bytes of the content")))
                .parameter(required(parameters::number(
                    "expires",
                    "When the URL expires, in milliseconds since 1970 UTC",
                )))
                .parameter(required(parameters::signature()))
                .raw_body(BYTES)
                .response::<UploadReceived>()
                .status(StatusCode::FORBIDDEN, "The URL is invalid or has expired")
                .status(StatusCode::PRECONDITION_FAILED, "The content was sent before")
        })
}

async fn begin(
    State(state): State<AppState>,
    headers: HeaderMap,
    cache: RequestCache,
    params: Params,
    Repeatable(key): Repeatable,
    replace: MayReplace,
    Limited(payload): Limited<MAX_FIELDS_BYTES>,
) -> Result<Json<UploadStarted>, Problem> {
    let mut fields = Fields::read(payload)?;
    let request = request(&mut fields, &params)?;
    fields.nothing_else(&FIELDS)?;
    replace.check_key(request.cache_key.as_ref(), request.file_id.as_ref(), &params)?;
    let namespace = params.namespace()?;
    let begun = cache.namespace(&namespace).begin_upload(&request, limits(&state), key.as_ref()).await;
    let upload = begun.map_err(in_body)?;
    let Upload { upload_id, direct, expires_at } = upload;
    let (url, headers) = match direct {
        Some(signed) => (signed.url, signed.headers.into_iter().collect()),
        None => (own_url(&state, &headers, &namespace, &request, upload_id, expires_at), BTreeMap::new()),
    };
    Ok(Json(UploadStarted {
        upload_id: name(&upload_id),
        cache_hash: name(&request.cache_hash()),
        namespace: name(&namespace),
        method: "PUT".to_owned(),
        url,
        headers,
        expires_at: expires_at.get(),
    }))
}

/// The upload id tells a repeat, so an `Idempotency-Key` is checked, and needed for nothing.
async fn complete(
    State(state): State<AppState>,
    cache: RequestCache,
    params: Params,
    _: Repeatable,
    replace: MayReplace,
    Limited(payload): Limited<MAX_FIELDS_BYTES>,
) -> Result<Json<Store>, Problem> {
    let mut fields = Fields::read(payload)?;
    let id: CacheId = fields.need(UPLOAD_ID)?;
    let request = request(&mut fields, &params)?;
    fields.nothing_else(&FIELDS)?;
    replace.check_key(request.cache_key.as_ref(), request.file_id.as_ref(), &params)?;
    let (namespace, limits) = (params.namespace()?, limits(&state));
    let completed = cache
        .run_to_completion(async move |cache| {
            Ok(cache.namespace(&namespace).complete_upload(id, &request, limits).await)
        })
        .await?;
    Ok(Json(entry::store(completed.map_err(in_body)?)))
}

/// Receives a content. The URL replaces the key, so the body is only read after the signature was verified, and only up
/// to the announced size.
async fn receive(
    State(state): State<AppState>,
    cache: RequestCache,
    params: Params,
    request: Request,
) -> Result<Json<UploadReceived>, Problem> {
    let signed = signed_upload(&params)?;
    if !state.upload_signing_key.verify(&signed, params.query("signature").unwrap_or_default()) {
        return Err(Problem::forbidden(
            "this is not the URL that POST …/upload answered, or the server was restarted since: begin a new upload",
        ));
    }
    if state.now_ms() >= signed.expires_at {
        return Err(Problem::forbidden("this URL has expired: begin a new upload"));
    }
    let SignedUpload { namespace, upload_id, sha256, size, expires_at } = signed;
    let expires_at = UnixMillis::new(expires_at);
    let kind = upload_id.parts().map_or(ContentKind::Binary, |parts| parts.kind);
    let strategy = params.strategy()?;
    let announced = UploadRequest { strategy, cache_key: None, file_id: None, kind, sha256, size };
    let parts = cache.namespace(&namespace).receive_in_parts(upload_id, &announced, expires_at).await;
    let received = match parts.map_err(in_body)? {
        Some(receiving) => receive_parts(receiving, size, request, cache).await?,
        None => {
            let content = Payload::up_to(size, request, more_than_announced).await?.raw()?;
            cache
                .run_to_completion(async move |cache| {
                    Ok(cache.namespace(&namespace).receive_upload(upload_id, &announced, expires_at, content).await)
                })
                .await?
        }
    };
    match received.map_err(in_body)? {
        true => Ok(Json(UploadReceived { upload_id: name(&upload_id), size })),
        false => Err(Problem::already_uploaded()),
    }
}

/// Passes a body on as it comes, so that it is never in memory as a whole.
async fn receive_parts(
    mut receiving: Receiving,
    size: u64,
    request: Request,
    cache: RequestCache,
) -> Result<Result<bool, Error>, Problem> {
    let mut parts = BodyParts::up_to(size, request, more_than_announced).await?;
    while let Some(part) = parts.next().await? {
        receiving.append(part).await?;
    }
    cache.run_to_completion(async move |_| Ok(receiving.finish().await)).await
}

/// The limits of uploads. Contents that the server receives itself are held in memory.
fn limits(state: &AppState) -> UploadLimits {
    let content = if state.cache().presigns() { MAX_DIRECT_UPLOAD_BYTES } else { state.config.max_body_bytes };
    UploadLimits { content, copy: state.config.max_in_memory_bytes() }
}

/// The URL at which this server takes the content. It names the host that the caller has reached it by.
fn own_url(
    state: &AppState,
    headers: &HeaderMap,
    namespace: &Namespace,
    request: &UploadRequest,
    upload_id: CacheId,
    expires_at: UnixMillis,
) -> String {
    let UploadRequest { strategy, sha256, size, .. } = request;
    let expires_at = expires_at.get();
    let signed = SignedUpload { namespace: namespace.clone(), upload_id, sha256: *sha256, size: *size, expires_at };
    let signature = state.upload_signing_key.sign(&signed);
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let host = text(header::HOST).and_then(|host| host.parse::<Authority>().ok());
    let scheme = match text(http::HeaderName::from_static("x-forwarded-proto")) {
        Some("https") => "https",
        _ => "http",
    };
    let base = host.map(|host| format!("{scheme}://{host}")).unwrap_or_default();
    format!(
        "{base}/{namespace}/{strategy}/upload/{upload_id}?sha256={sha256}&size={size}&expires={expires_at}&signature={signature}"
    )
}

fn signed_upload(params: &Params) -> Result<SignedUpload, Problem> {
    let needed = |name: &'static str| params.query(name).ok_or_else(|| Problem::missing_query(name));
    let digest = needed("sha256")?;
    let sha256 = digest.parse().map_err(|error| Problem::parameter("sha256", digest, error))?;
    let number = |name: &'static str| params.number(name, 1..=u64::MAX)?.ok_or_else(|| Problem::missing_query(name));
    Ok(SignedUpload {
        namespace: params.namespace()?,
        upload_id: params.upload_id()?,
        sha256,
        size: number("size")?,
        expires_at: number("expires")?,
    })
}

fn more_than_announced(size: u64) -> Problem {
    let message = format!("was announced as {size}, and the body has more bytes: begin a new upload");
    Problem::body_field("value_error", "size", &message, Value::Null)
}

/// Errors of core are about fields of the body here, except for the strategy.
fn in_body(error: Error) -> Problem {
    match error {
        Error::Invalid { field, message } if FIELDS.contains(&field) || field == UPLOAD_ID => {
            Problem::body_field("value_error", field, &message, Value::Null)
        }
        other => other.into(),
    }
}

fn request(fields: &mut Fields, params: &Params) -> Result<UploadRequest, Problem> {
    Ok(UploadRequest {
        strategy: params.strategy()?,
        cache_key: fields.name("cache_key", params.strict())?,
        file_id: fields.name("file_id", params.strict())?,
        kind: fields.need::<ContentKind>("data_type")?,
        sha256: fields.need::<Sha256Digest>("sha256")?,
        size: fields.need::<WholeNumber>("size")?.0,
    })
}

#[cfg(test)]
mod tests;
