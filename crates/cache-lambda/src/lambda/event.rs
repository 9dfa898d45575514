//! Events as `lambda_http` can take them.
//!
//! The library panics at what it cannot make a URL, a query or a body of, and an invocation that panics is a function error:
//! the caller gets a 502 without a reason, and the alarm rings for a caller's mistake. So what could be wrong is taken
//! out of the event here, and given back to the request.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, header};
use lambda_http::Body;
use lambda_http::request::LambdaRequest;
use serde_json::value::RawValue;

use crate::normalize_path;

/// The fields of which every event of a request has one.
const OF_REQUESTS: [&str; 4] = ["\"requestContext\"", "\"httpMethod\"", "\"rawPath\"", "\"multiValueHeaders\""];

/// An event.
pub(super) enum Event {
    /// A request, and what was taken out of its event.
    Request(Box<LambdaRequest>, Taken),
    /// A schedule, or a direct invocation.
    Other(String),
    /// Neither. It says why.
    Unreadable(&'static str),
}

/// What the library must not see.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Taken {
    host: Option<HeaderValue>,
    body: Option<Body>,
}

impl Event {
    /// Reads an event.
    pub(super) fn read(event: &RawValue) -> Self {
        match serde_json::from_str(event.get()) {
            Ok(LambdaRequest::PassThrough(text)) if OF_REQUESTS.iter().any(|field| text.contains(field)) => {
                Self::Unreadable("the request cannot be read: look for control characters in its headers and cookies")
            }
            Ok(LambdaRequest::PassThrough(text)) => Self::Other(text),
            Ok(request) => match take(request) {
                Ok((request, taken)) => Self::Request(Box::new(request), taken),
                Err(reason) => Self::Unreadable(reason),
            },
            Err(_) => Self::Unreadable("the event is not JSON that can be read"),
        }
    }
}

impl Taken {
    /// Gives everything back.
    pub(super) fn give_back(self, request: &mut lambda_http::Request) {
        if let Some(body) = self.body {
            *request.body_mut() = body;
        }
        if let Some(host) = self.host
            && !request.headers().contains_key(header::HOST)
        {
            request.headers_mut().insert(header::HOST, host);
        }
    }
}

/// Takes out of an event what the library would panic at.
fn take(mut event: LambdaRequest) -> Result<(LambdaRequest, Taken), &'static str> {
    let taken = match &mut event {
        LambdaRequest::ApiGatewayV1(request) => {
            check_path(request.path.as_deref())?;
            // The host would become part of a URL, which nobody needs.
            request.request_context.domain_name = None;
            let body = body(request.body.take(), request.is_base64_encoded)?;
            Taken { host: request.headers.remove(header::HOST), body }
        }
        LambdaRequest::ApiGatewayV2(request) => {
            check_path(request.raw_path.as_deref())?;
            request.request_context.domain_name = None;
            let query = request.raw_query_string.take();
            request.raw_query_string = query.map(|query| normalize_path::encode_query(&query));
            // A cookie that is no header value is left out by the library.
            let body = body(request.body.take(), request.is_base64_encoded)?;
            Taken { host: request.headers.remove(header::HOST), body }
        }
        _ => Taken::default(),
    };
    Ok((event, taken))
}

fn check_path(path: Option<&str>) -> Result<(), &'static str> {
    match path {
        None | Some("") => Ok(()),
        Some(path) if path.starts_with('/') => Ok(()),
        Some(_) => Err("the path of the request does not begin with '/'"),
    }
}

fn body(body: Option<String>, is_base64: bool) -> Result<Option<Body>, &'static str> {
    match body {
        None => Ok(None),
        Some(text) if !is_base64 => Ok(Some(Body::Text(text))),
        Some(text) => match BASE64_STANDARD.decode(text) {
            Ok(bytes) => Ok(Some(Body::Binary(bytes))),
            Err(_) => Err("the body of the request is not the base64 that the event says it is"),
        },
    }
}
