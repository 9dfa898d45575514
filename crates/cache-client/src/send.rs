//! Sends calls: timeouts, retries, and what statuses mean.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use crate::body::{Body, RequestBody, of_bytes};
use crate::call::Call;
use crate::client::Client;
use crate::error::{Error, Failure, causes};
use crate::transport::TransportError;

/// The header with the id of the request.
const REQUEST_ID: HeaderName = HeaderName::from_static("fast-api-request-id");
/// How many bytes of a response that is not understood an error shows.
const SHOWN_CHARS: usize = 200;

/// A response that was received in full.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) operation: String,
    pub(crate) body: Bytes,
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let shown: String = String::from_utf8_lossy(&self.body).chars().take(SHOWN_CHARS).collect();
            Error::unreadable(&self.operation, format!("the answer is not understood ({error}): {shown}"), error)
        })
    }

    /// The body as text.
    pub(crate) fn text(self) -> Result<String, Error> {
        String::from_utf8(self.body.into())
            .map_err(|error| Error::unreadable(&self.operation, "the answer is not UTF-8", error))
    }
}

/// How much of a response an attempt waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receive {
    /// Status and headers.
    Head,
    /// All of it.
    Whole,
}

/// The end of one attempt without a success.
struct Failed {
    error: Error,
    /// Whether the service has certainly not carried it out.
    untouched: bool,
}

/// The part of an error's body that matters here.
#[derive(Deserialize)]
struct Problem {
    message: String,
    detail: Option<serde_json::Value>,
}

impl Client {
    /// Sends a call, and receives the whole response.
    pub(crate) async fn send(&self, call: &Call) -> Result<Reply, Error> {
        let found = self.find(call).await?;
        found.map_err(Error::InvalidRequest)
    }

    /// The same; `None` when the service says that there is no such thing.
    pub(crate) async fn send_if_any(&self, call: &Call) -> Result<Option<Reply>, Error> {
        self.find(call).await.map(Result::ok)
    }

    /// Sends a call; the inner error is a miss.
    async fn find(&self, call: &Call) -> Result<Result<Reply, Failure>, Error> {
        let response = match self.follow(call, Receive::Whole).boxed().await? {
            Ok(response) => response,
            Err(miss) => return Ok(Err(miss)),
        };
        // It was received before, so this waits for nothing.
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| Error::unreadable(&call.name(), "the answer broke off", error))?;
        Ok(Ok(Reply { operation: call.name(), body: body.to_bytes() }))
    }

    /// Sends a call whose answer is read as it arrives. Only the time until it begins is limited.
    pub(crate) async fn open(&self, call: &Call) -> Result<Option<Response<Body>>, Error> {
        self.follow(call, Receive::Head).boxed().await.map(Result::ok)
    }

    /// Sends a call, and reads from the storage what is too large to pass through the service.
    async fn follow(&self, call: &Call, receive: Receive) -> Result<Result<Response<Body>, Failure>, Error> {
        let deadline = Some(Instant::now() + self.policy().total_limit(call.total_bytes()));
        let answer = self.attempts(call, deadline, receive).await?;
        let at_storage = match &answer {
            Ok(response) if response.status() == StatusCode::TEMPORARY_REDIRECT => redirected(call, response)?,
            Ok(_) | Err(_) => return Ok(answer),
        };
        match self.attempts(&at_storage, deadline, receive).await {
            // An object that was replaced or deleted since the service named it. No cache answers there, so it is no miss.
            Err(Error::Protocol(failure)) if failure.status() == Some(StatusCode::NOT_FOUND) => {
                Err(Error::Temporary(failure))
            }
            outcome => outcome,
        }
    }

    /// Sends a file. Only the time in which nothing moves is limited.
    pub(crate) async fn transfer(&self, call: &Call) -> Result<(), Error> {
        let sent = self.attempts(call, None, Receive::Whole).boxed().await?;
        sent.map(drop).map_err(Error::InvalidRequest)
    }

    async fn attempts(
        &self,
        call: &Call,
        deadline: Option<Instant>,
        receive: Receive,
    ) -> Result<Result<Response<Body>, Failure>, Error> {
        let mut delays = self.policy().delays();
        let mut attempt = 1;
        loop {
            let failed = match self.attempt(call, deadline, receive).await {
                Ok(outcome) => return Ok(outcome),
                Err(failed) => failed,
            };
            let again = failed.error.is_temporary() && (failed.untouched || call.may_repeat());
            let asked = failed.error.failure().retry_after();
            let pause = delays.next().filter(|_| again).map(|delay| delay.max(asked.unwrap_or_default()));
            match pause {
                Some(pause) if deadline.is_none_or(|deadline| Instant::now() + pause < deadline) => {
                    tracing::debug!(attempt, ?pause, error = %failed.error, "trying again");
                    sleep(pause).await;
                    attempt += 1;
                }
                _ => return Err(failed.error.after_attempts(attempt)),
            }
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        deadline: Option<Instant>,
        receive: Receive,
    ) -> Result<Result<Response<Body>, Failure>, Failed> {
        let mut limit = self.policy().attempt_limit(call.total_bytes());
        if let Some(deadline) = deadline {
            limit = limit.min(deadline.saturating_duration_since(Instant::now()));
        }
        let exchange = self.exchange(call, receive);
        let late = |limit: Duration| {
            let message = format!("no complete answer within {:.1} s", limit.as_secs_f64());
            Failed::temporary(Failure::new(call.name(), message), false)
        };
        match &call.body {
            RequestBody::Bytes(_) => timeout(limit, exchange).await.unwrap_or_else(|_| Err(late(limit))),
            RequestBody::File { progress, .. } => {
                let limit = self.policy().attempt_timeout;
                progress.restart();
                tokio::select! {
                    outcome = exchange => outcome,
                    () = progress.stalled(limit) => Err(late(limit)),
                }
            }
        }
    }

    async fn exchange(&self, call: &Call, receive: Receive) -> Result<Result<Response<Body>, Failure>, Failed> {
        let lost = |error: TransportError| {
            let message = format!("{error}{}", causes(&error));
            let (kind, untouched): (fn(Failure) -> Error, bool) = match error {
                TransportError::Connect(_) => (Error::Temporary, true),
                TransportError::Tls(_) => (Error::Tls, true),
                TransportError::Lost(_) => (Error::Temporary, false),
            };
            Failed { error: kind(Failure::new(call.name(), message).with_source(error)), untouched }
        };
        let request = self.request(call).await.map_err(|error| Failed { error, untouched: true })?;
        let response = self.transport_for(&call.target)?.send(request).await.map_err(lost)?;
        let status = response.status();
        let may_lead_on = call.operation.method == Method::GET && self.is_own(&call.target);
        let accepted = status.is_success() || status == StatusCode::TEMPORARY_REDIRECT && may_lead_on;
        let (parts, body) = response.into_parts();
        if accepted && receive == Receive::Head {
            return Ok(Ok(Response::from_parts(parts, body)));
        }
        let body = body.collect().await.map_err(|error| lost(TransportError::Lost(error)))?.to_bytes();
        if accepted {
            return Ok(Ok(Response::from_parts(parts, of_bytes(body))));
        }
        let request_id = parts.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(ToOwned::to_owned);
        let problem: Option<Problem> = serde_json::from_slice(&body).ok();
        let failure = |message: String| {
            let failure = Failure::new(call.name(), message).with_status(status, request_id.clone());
            failure.with_retry_after(retry_after(&parts.headers))
        };
        // A limit is checked before anything is done.
        let untouched = status == StatusCode::TOO_MANY_REQUESTS;
        match problem {
            Some(Problem { message, detail }) => {
                let no_route = detail.as_ref().is_some_and(|detail| detail == "Not Found");
                if status == StatusCode::NOT_FOUND && !no_route {
                    return Ok(Err(failure(message)));
                }
                let error_type = detail.as_ref().and_then(|detail| detail["error_type"].as_str());
                Err(Failed { untouched, error: Error::of_status(status, error_type, failure(message)) })
            }
            // A proxy, a storage, or something that is no cache at all.
            None => {
                let shown: String = String::from_utf8_lossy(&body).chars().take(SHOWN_CHARS).collect();
                let error = match Error::of_status(status, None, failure(format!("status {status}: {shown}"))) {
                    Error::InvalidRequest(failure) => Error::Protocol(failure),
                    other => other,
                };
                Err(Failed { untouched, error })
            }
        }
    }

    async fn request(&self, call: &Call) -> Result<Request<Body>, Error> {
        let own = self.is_own(&call.target);
        let body = match call.body.open().await {
            Ok(body) => body,
            Err(error) => {
                let RequestBody::File { path, .. } = &call.body else {
                    return Err(Error::argument("the body", "cannot be read"));
                };
                return Err(Error::file(path, "reading a file", error));
            }
        };
        let mut request = Request::new(body);
        let url =
            if call.target.starts_with('/') { format!("{}{}", self.url(), call.target) } else { call.target.clone() };
        *request.uri_mut() = url.parse().map_err(|error: http::uri::InvalidUri| {
            Error::unreadable(&call.name(), format!("'{url}' is no URL: {error}"), error)
        })?;
        *request.method_mut() = call.operation.method.clone();
        *request.headers_mut() = call.headers.clone();
        if let Some(key) = self.key().filter(|_| own) {
            request.headers_mut().insert(key.name.clone(), key.value.clone());
        }
        request.extensions_mut().insert(call.operation.clone());
        Ok(request)
    }
}

impl Failed {
    fn temporary(failure: Failure, untouched: bool) -> Self {
        Self { error: Error::Temporary(failure), untouched }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, untouched: true }
    }
}

/// The call at the storage that a redirect leads to. Its URL says all; only the range goes with it.
fn redirected(call: &Call, response: &Response<Body>) -> Result<Call, Error> {
    let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let missing = || Error::Protocol(Failure::new(call.name(), "the redirect names no URL"));
    let mut at_storage = Call::at(call.operation, location.ok_or_else(missing)?.to_owned());
    if let Some(range) = call.headers.get(header::RANGE) {
        at_storage = at_storage.header(header::RANGE, range.clone());
    }
    Ok(at_storage)
}

/// How long the service asks to wait. A date is not understood: the service sends seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
