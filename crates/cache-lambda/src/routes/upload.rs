//! Uploads: a large content is announced, sent directly to the storage (or to the server, if the storage does not
//! presign requests), and completed.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use axum::extract::{Request, State};
use cache_api::entries::Store;
use cache_api::uploads::{NewUpload, SentUpload, UploadReceived, UploadStarted};
use cache_core::cache::{Upload, UploadLimits, UploadRequest};
use cache_core::digest::Sha256Digest;
use cache_core::error::Error;
use cache_core::ids::{CacheId, Namespace};
use cache_core::strategy::ContentKind;
use cache_core::time::UnixMillis;
use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::body::{Limited, MAX_FIELDS_BYTES, Payload};
use crate::extract::Params;
use crate::media_type::BYTES;
use crate::openapi::parameters::{self, required};
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::response::entry;
use crate::response::wire::name;
use crate::routing::Routes;
use crate::state::AppState;
use crate::store_options::Repeatable;
use crate::upload_url::UploadGrant;

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
                .public()
        })
}

async fn begin(
    State(state): State<AppState>,
    headers: HeaderMap,
    cache: RequestCache,
    params: Params,
    Repeatable(key): Repeatable,
    Limited(payload): Limited<MAX_FIELDS_BYTES>,
) -> Result<Json<UploadStarted>, Problem> {
    let mut fields = Fields::read(payload)?;
    let request = fields.request(&params)?;
    fields.nothing_else()?;
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
    Limited(payload): Limited<MAX_FIELDS_BYTES>,
) -> Result<Json<Store>, Problem> {
    let mut fields = Fields::read(payload)?;
    let id: CacheId = fields.need(UPLOAD_ID)?;
    let request = fields.request(&params)?;
    fields.nothing_else()?;
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
    let grant = grant(&params)?;
    if !state.upload_signing_key.verify(&grant, params.query("signature").unwrap_or_default()) {
        return Err(Problem::forbidden(
            "this is not the URL that POST …/upload answered, or the server was restarted since: begin a new upload",
        ));
    }
    if state.now_ms() >= grant.expires_at {
        return Err(Problem::forbidden("this URL has expired: begin a new upload"));
    }
    let UploadGrant { namespace, upload_id, sha256, size, .. } = grant;
    let kind = upload_id.parts().map_or(ContentKind::Binary, |parts| parts.kind);
    let strategy = params.strategy()?;
    let announced = UploadRequest { strategy, cache_key: None, file_id: None, kind, sha256, size };
    let content = Payload::up_to(size, request, more_than_announced).await?.raw()?;
    let received = cache
        .run_to_completion(async move |cache| {
            Ok(cache.namespace(&namespace).receive_upload(upload_id, &announced, content).await)
        })
        .await?;
    match received.map_err(in_body)? {
        true => Ok(Json(UploadReceived { upload_id: name(&upload_id), size })),
        false => Err(Problem::already_uploaded()),
    }
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
    let grant = UploadGrant { namespace: namespace.clone(), upload_id, sha256: *sha256, size: *size, expires_at };
    let signature = state.upload_signing_key.sign(&grant);
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

fn grant(params: &Params) -> Result<UploadGrant, Problem> {
    let needed = |name: &'static str| params.query(name).ok_or_else(|| Problem::missing_query(name));
    let digest = needed("sha256")?;
    let sha256 = digest.parse().map_err(|error| Problem::parameter("sha256", digest, error))?;
    let number = |name: &'static str| params.number(name, 1..=u64::MAX)?.ok_or_else(|| Problem::missing_query(name));
    Ok(UploadGrant {
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

/// The fields of a JSON body, which are taken out one after the other, so that an error can say which one is wrong.
struct Fields(Map<String, Value>);

impl Fields {
    fn read(payload: Payload) -> Result<Self, Problem> {
        payload.fields("dict_type").map(Self)
    }

    fn request(&mut self, params: &Params) -> Result<UploadRequest, Problem> {
        Ok(UploadRequest {
            strategy: params.strategy()?,
            cache_key: self.name("cache_key", params.strict())?,
            file_id: self.name("file_id", params.strict())?,
            kind: self.need::<ContentKind>("data_type")?,
            sha256: self.need::<Sha256Digest>("sha256")?,
            size: self.need::<WholeNumber>("size")?.0,
        })
    }

    /// A name, which is sanitized; with strict names, one that sanitizing would change is refused.
    fn name<T: FromStr<Err: Display> + Display>(&mut self, name: &str, strict: bool) -> Result<Option<T>, Problem> {
        let Some(raw) = self.take::<String>(name)? else { return Ok(None) };
        let refused = |message: String| Problem::body_field("value_error", name, &message, Value::from(raw.as_str()));
        let parsed: T = raw.parse().map_err(|error: T::Err| refused(error.to_string()))?;
        let cleaned = parsed.to_string();
        if strict && cleaned != raw {
            return Err(refused(format!("has characters that are not allowed: '{cleaned}' would be")));
        }
        Ok(Some(parsed))
    }

    fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let Some(value) = self.0.remove(name).filter(|value| !value.is_null()) else { return Ok(None) };
        serde_json::from_value(value.clone()).map(Some).map_err(|error| {
            let message = format!("is not understood: {error}");
            Problem::body_field("value_error", name, &message, value)
        })
    }

    fn need<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Problem> {
        let missing = || Problem::body_field("missing", name, "is required", Value::Null);
        self.take(name)?.ok_or_else(missing)
    }

    fn nothing_else(self) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, value)) => {
                let message = format!("is not known here: the fields are {}", FIELDS.join(", "));
                Err(Problem::body_field("extra_forbidden", &name, &message, value))
            }
        }
    }
}

/// A number without a fraction, also when it is written as `5.0`: to JSON that is the same number.
#[derive(Deserialize)]
#[serde(try_from = "serde_json::Number")]
pub struct WholeNumber(pub u64);

impl TryFrom<serde_json::Number> for WholeNumber {
    type Error = &'static str;

    fn try_from(number: serde_json::Number) -> Result<Self, &'static str> {
        let whole = |number: f64| number.fract() == 0.0 && (0.0..9e15).contains(&number);
        let written_as_fraction = || number.as_f64().filter(|number| whole(*number)).map(|number| number as u64);
        number.as_u64().or_else(written_as_fraction).map(Self).ok_or("a whole number of bytes is expected")
    }
}

#[cfg(test)]
mod tests;
