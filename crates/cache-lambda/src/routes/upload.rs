//! Uploads: a large content is announced, sent straight to the storage (or to the server, where the storage knows no such
//! way), and completed.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use axum::extract::{Request, State};
use cache_core::cache::{Upload, UploadLimits, UploadRequest};
use cache_core::content::Digest;
use cache_core::error::Error;
use cache_core::ids::CacheId;
use cache_core::strategy::ContentKind;
use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::body::Payload;
use crate::extract::Params;
use crate::media_type::BYTES;
use crate::openapi::parameters::{self, required};
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::response::Store;
use crate::response::upload::{NewUpload, SentUpload, UploadReceived, UploadStarted};
use crate::routing::Routes;
use crate::state::AppState;
use crate::upload_url::UploadGrant;

/// The largest content that goes straight to the storage, in bytes: S3 takes no more in one PUT.
const MAX_DIRECT_UPLOAD_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// What an announcement may say.
const FIELDS: [&str; 5] = ["data_type", "sha256", "size", "cache_key", "file_id"];
const UPLOAD_ID: &str = "upload_id";

/// The routes of this group.
pub fn routes() -> Routes {
    Routes::below("/{namespace}/{strategy}/upload")
        .post("", begin, |op| {
            op.summary("Announces a large content, and answers where to send it")
                .json_body::<NewUpload>()
                .response::<UploadStarted>()
        })
        .post("/complete", complete, |op| {
            op.summary("Makes an entry of a content that was sent")
                .json_body::<SentUpload>()
                .response::<Store>()
                .entry_links()
        })
        .put("/{upload_id}", receive, |op| {
            op.summary("Takes a content at the URL that the announcement was answered with; on S3 that URL is S3's")
                .parameter(required(parameters::sha256()))
                .parameter(required(parameters::number("size", "Bytes of the content")))
                .parameter(required(parameters::number("expires", "Until when, in milliseconds since 1970 UTC")))
                .parameter(required(parameters::signature()))
                .raw_body(BYTES)
                .response::<UploadReceived>()
                .status(StatusCode::FORBIDDEN, "No announcement was answered with this URL, or it has expired")
                .status(StatusCode::PRECONDITION_FAILED, "It was sent before")
                .public()
        })
}

async fn begin(
    State(state): State<AppState>,
    headers: HeaderMap,
    cache: RequestCache,
    params: Params,
    payload: Payload,
) -> Result<Json<UploadStarted>, Problem> {
    let mut fields = Fields::read(payload)?;
    let request = fields.request(&params)?;
    fields.nothing_else()?;
    let upload = cache.begin_upload(&request, limits(&state)).await.map_err(in_body)?;
    let Upload { upload_id, direct, expires_at } = upload;
    let (url, headers) = match direct {
        Some(signed) => (signed.url, signed.headers.into_iter().collect()),
        None => (own_url(&state, &headers, &request, upload_id, expires_at), BTreeMap::new()),
    };
    let cache_hash = request.cache_hash();
    let namespace = request.namespace;
    Ok(Json(UploadStarted { upload_id, cache_hash, namespace, method: "PUT", url, headers, expires_at }))
}

async fn complete(
    State(state): State<AppState>,
    cache: RequestCache,
    params: Params,
    payload: Payload,
) -> Result<Json<Store>, Problem> {
    let mut fields = Fields::read(payload)?;
    let id: CacheId = fields.need(UPLOAD_ID)?;
    let request = fields.request(&params)?;
    fields.nothing_else()?;
    let limits = limits(&state);
    let completed =
        cache.run_to_completion(async move |cache| Ok(cache.complete_upload(id, &request, limits).await)).await?;
    Ok(Json(completed.map_err(in_body)?.into()))
}

/// Takes a content. Callers need no key here, so nothing of the body is read before the URL has proved to be one that was
/// answered, and no more than it is for.
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
    if state.surroundings.now_ms() >= grant.expires_at {
        return Err(Problem::forbidden("this URL has expired: begin a new upload"));
    }
    let UploadGrant { namespace, upload_id, sha256, size, .. } = grant;
    let kind = upload_id.parts().map_or(ContentKind::Binary, |parts| parts.kind);
    let strategy = params.strategy()?;
    let announced = UploadRequest { namespace, strategy, cache_key: None, file_id: None, kind, sha256, size };
    let content = Payload::up_to(size, request, more_than_announced).await?.raw()?;
    let received = cache
        .run_to_completion(async move |cache| Ok(cache.receive_upload(upload_id, &announced, content).await))
        .await?;
    match received.map_err(in_body)? {
        true => Ok(Json(UploadReceived { upload_id, size })),
        false => Err(Problem::already_uploaded()),
    }
}

/// The limits of uploads: what the server has to take itself is held in memory.
fn limits(state: &AppState) -> UploadLimits {
    let content = if state.cache().presigns() { MAX_DIRECT_UPLOAD_BYTES } else { state.config.max_body_bytes };
    UploadLimits { content, copy: state.config.max_in_memory_bytes() }
}

/// The URL at which this server takes the content. It names the host that the caller has reached it by.
fn own_url(
    state: &AppState,
    headers: &HeaderMap,
    request: &UploadRequest,
    upload_id: CacheId,
    expires_at: u64,
) -> String {
    let UploadRequest { namespace, strategy, sha256, size, .. } = request;
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

/// What core refuses stood in the body here, but for the strategy.
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
        let document = payload.document()?;
        serde_json::from_slice(document.text()).map(Self).map_err(|error| Problem::unreadable_body(error.to_string()))
    }

    fn request(&mut self, params: &Params) -> Result<UploadRequest, Problem> {
        Ok(UploadRequest {
            namespace: params.namespace()?,
            strategy: params.strategy()?,
            cache_key: self.name("cache_key", params.strict())?,
            file_id: self.name("file_id", params.strict())?,
            kind: self.need::<ContentKind>("data_type")?,
            sha256: self.need::<Digest>("sha256")?,
            size: self.need::<WholeNumber>("size")?.0,
        })
    }

    /// A name that is cleaned, or refused when that is configured and cleaning would change it.
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
struct WholeNumber(u64);

impl TryFrom<serde_json::Number> for WholeNumber {
    type Error = &'static str;

    fn try_from(number: serde_json::Number) -> Result<Self, &'static str> {
        let whole = |number: f64| number.fract() == 0.0 && (0.0..9e15).contains(&number);
        let written_as_fraction = || number.as_f64().filter(|number| whole(*number)).map(|number| number as u64);
        number.as_u64().or_else(written_as_fraction).map(Self).ok_or("a whole number of bytes is expected")
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Body;
    use bytes::Bytes;
    use futures::stream;
    use http::{Method, Request, header};
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use crate::config::Auth;
    use crate::test_support::{Answer, App, Call, config};

    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn announced(more: Value) -> Value {
        let mut fields = json!({"data_type": "string", "sha256": HELLO, "size": 5});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fields
    }

    /// Posts to the upload routes of `ns`.
    async fn post(app: &App, path: &str, body: &Value) -> Answer {
        let call = Call::post_json(&format!("/ns/{path}"), body.to_string());
        app.send(call.header("host", "cache.example:8080").header("x-forwarded-proto", "https")).await
    }

    async fn put(app: &App, url: &str, body: &'static str) -> Answer {
        let path = url.strip_prefix("https://cache.example:8080").unwrap();
        app.send(Call::post(path, body).method(Method::PUT)).await
    }

    #[tokio::test]
    async fn what_is_announced_sent_and_completed_is_an_entry() {
        let app = App::new();
        let more = json!({"cache_key": "a/b", "file_id": "f"});
        let mut sent = announced(more.clone());
        sent["size"] = json!(5.0);
        let begun = post(&app, "key_based/upload", &sent).await.json();
        assert_eq!((&begun["method"], &begun["headers"]), (&json!("PUT"), &json!({})));
        assert_eq!(begun["cache_hash"], "2cf24dba5fb0a30e");
        let received = put(&app, begun["url"].as_str().unwrap(), "hello").await.json();
        assert_eq!(received, json!({"upload_id": begun["upload_id"], "size": 5}));
        let mut body = announced(more);
        body["upload_id"] = begun["upload_id"].clone();
        let completed = post(&app, "key_based/upload/complete", &body).await.json();
        assert_eq!(completed["paths"]["data"][0], "ns/data/key-based/a/b/f.txt");
        assert_eq!((&completed["cache_hash"], &completed["key_version"]), (&begun["cache_hash"], &json!(1)));
        assert_eq!(post(&app, "key_based/upload/complete", &body).await.json(), completed);
        assert_eq!(app.get("/ns/retrieve/key/key_based/a/b/f?as=string").await.text(), "hello");
    }

    #[tokio::test]
    async fn a_url_permits_one_content_once() {
        let app = App::new();
        let begun = post(&app, "direct/upload", &announced(json!({}))).await.json();
        let url = begun["url"].as_str().unwrap();
        for (body, status, words) in [
            ("jello", 400, "[\"body\",\"sha256\"]"),
            ("hello!", 400, "[\"body\",\"size\"]"),
            ("hello", 200, ""),
            ("hello", 412, "sent to this URL before"),
        ] {
            let answer = put(&app, url, body).await;
            assert_eq!(answer.status, status, "{}", answer.text());
            assert!(answer.text().contains(words), "{}", answer.text());
        }
    }

    #[tokio::test]
    async fn a_url_that_is_forged_or_has_expired_is_403() {
        let app = App::new();
        let begun = post(&app, "direct/upload", &announced(json!({}))).await.json();
        let url = begun["url"].as_str().unwrap();
        let (start, signature) = url.split_once("&signature=").unwrap();
        let forged = format!("{}{}", &signature[..63], if signature.ends_with('0') { '1' } else { '0' });
        let changed = url.replace("/ns/", "/other/");
        for odd in [start, &format!("{start}&signature={forged}"), &url.replace("size=5", "size=6"), &changed] {
            let answer = put(&app, odd, "hello").await;
            assert_eq!(answer.status, 403, "{odd}");
            assert!(answer.text().contains("begin a new upload"), "{}", answer.text());
        }
        assert_eq!(put(&App::new(), url, "hello").await.status, 403, "another process");
    }

    /// Sends a body without an end, and says how it was answered and how many bytes of it were taken.
    async fn put_endless(app: &App, url: &str, length: Option<u64>) -> (u16, usize) {
        const PART: &[u8] = b"1234";
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        let parts = stream::repeat_with(move || {
            let before = counted.fetch_add(PART.len(), Ordering::Relaxed);
            assert!(before < 1000, "more is taken than was announced");
            Ok::<_, Infallible>(Bytes::from_static(PART))
        });
        let path = url.strip_prefix("https://cache.example:8080").unwrap();
        let mut request = Request::put(path);
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        let request = request.body(Body::from_stream(parts)).unwrap();
        let answer = app.router().oneshot(request).await.unwrap();
        (answer.status().as_u16(), taken.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn nothing_is_taken_at_a_url_that_permits_nothing() {
        let app = App::new();
        let begun = post(&app, "direct/upload", &announced(json!({}))).await.json();
        let url = begun["url"].as_str().unwrap();
        assert_eq!(put_endless(&app, &url.replace("size=5", "size=6"), None).await, (403, 0));
    }

    #[tokio::test]
    async fn no_more_is_taken_than_was_announced() {
        let app = App::new();
        let begun = post(&app, "direct/upload", &announced(json!({}))).await.json();
        let url = begun["url"].as_str().unwrap();
        assert_eq!(put_endless(&app, url, Some(6)).await, (400, 0));
        assert_eq!(put_endless(&app, url, None).await, (400, 8));
        assert_eq!(put(&app, url, "hello").await.status, 200, "the URL is still good");
    }

    #[tokio::test]
    async fn the_url_needs_no_key_and_the_routes_do() {
        let mut config = config();
        let (name, value) = ("x-api-key".parse().unwrap(), "secret".to_owned());
        config.auth = Auth::ApiKey { name, cookie: "x-api-key".to_owned(), value };
        let app = App::with(config);
        assert_eq!(post(&app, "direct/upload", &announced(json!({}))).await.status, 401);
        assert_eq!(post(&app, "direct/upload/complete", &announced(json!({}))).await.status, 401);
        let call = Call::post_json("/ns/direct/upload", announced(json!({})).to_string());
        let begun = app.json(call.header("x-api-key", "secret").header("host", "cache.example:8080")).await;
        let path = begun["url"].as_str().unwrap().strip_prefix("http://cache.example:8080").unwrap();
        assert_eq!(app.send(Call::post(path, "hello").method(Method::PUT)).await.status, 200);
    }

    #[tokio::test]
    async fn a_body_that_is_wrong_says_in_which_field() {
        let app = App::new();
        for (wrong, field, words) in [
            (json!({"sha256": "abc"}), "sha256", "64 lowercase hex digits"),
            (json!({"sha256": null}), "sha256", "is required"),
            (json!({"size": -1}), "size", "is not understood"),
            (json!({"size": 5.5}), "size", "a whole number"),
            (json!({"size": 0}), "size", "at least 1"),
            (json!({"cache_key": ""}), "cache_key", "must not be empty"),
            (json!({"cache_key": "a/../b"}), "cache_key", "segments"),
            (json!({"file_id": 7}), "file_id", "is not understood"),
            (json!({"size": 1_u64 << 40}), "size", "the limit is 67108864 bytes"),
            (json!({"data_type": "json"}), "data_type", "does not follow from the SHA-256"),
            (json!({"data_type": "text"}), "data_type", "is not understood"),
            (json!({"ttl": 1}), "ttl", "is not known here: the fields are data_type"),
        ] {
            let answer = post(&app, "direct/upload", &announced(wrong)).await;
            assert_eq!(answer.status, 400, "{}", answer.text());
            let said = answer.text();
            assert!(said.contains(&format!("[\"body\",\"{field}\"]")) && said.contains(words), "{said}");
        }
        let answer = post(&app, "direct/upload/complete", &announced(json!({}))).await;
        assert!(answer.text().contains("upload_id is required"), "{}", answer.text());
        assert_eq!(post(&app, "weekly/upload", &announced(json!({}))).await.status, 400);
    }
}
