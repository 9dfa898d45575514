//! An HTTP/1.1 client that sends the request target and the headers byte for byte as written.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// The header and the value that every test server asks for.
pub const API_KEY: (&str, &str) = ("x-api-key", "test-key");

/// One request, built step by step: `Request::post("/ns/direct/store/string").text("hello")`.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Request {
    /// A request without headers and body: not even the API key.
    pub fn bare(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    /// A GET with the API key.
    pub fn get(target: &str) -> Self {
        Self::bare("GET", target).header(API_KEY.0, API_KEY.1)
    }

    /// A POST with the API key.
    pub fn post(target: &str) -> Self {
        Self::bare("POST", target).header(API_KEY.0, API_KEY.1)
    }

    /// A DELETE with the API key.
    pub fn delete(target: &str) -> Self {
        Self::bare("DELETE", target).header(API_KEY.0, API_KEY.1)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body, without a Content-Type.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a `text/plain` body.
    pub fn text(self, body: &str) -> Self {
        self.header("content-type", "text/plain").body(body.to_owned())
    }

    /// Sets an `application/json` body, as text: it need not be JSON.
    pub fn json(self, body: impl Into<Bytes>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    /// Sets an `application/octet-stream` body.
    pub fn binary(self, body: impl Into<Bytes>) -> Self {
        self.header("content-type", "application/octet-stream").body(body)
    }
}

/// The answer to one request.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// The media type, without its parameters; empty when there is none.
    pub fn media_type(&self) -> &str {
        let value = self.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }

    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics with the body when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// The field of a JSON body as a string; panics with the body when it is none.
    pub fn field(&self, name: &str) -> String {
        let body = self.json();
        body[name].as_str().unwrap_or_else(|| panic!("no text field {name} in {body}")).to_owned()
    }
}

/// Talks to one server, with a fresh connection for each request.
#[derive(Clone, Debug)]
pub struct Client {
    authority: String,
}

impl Client {
    /// A client of the server at `authority`, as in `127.0.0.1:10017`.
    pub fn new(authority: &str) -> Self {
        Self { authority: authority.to_owned() }
    }

    /// Sends a request and reads the whole response; panics if there is none.
    pub async fn send(&self, request: Request) -> Reply {
        let what = format!("{} {}", request.method, request.target);
        self.try_send(request).await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Sends a request and reads the whole answer.
    pub async fn try_send(&self, request: Request) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.authority).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let response = sender.send_request(self.assemble(request)?).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        driver.abort();
        Ok(Reply { status: head.status, headers: head.headers, body })
    }

    fn assemble(&self, request: Request) -> Result<http::Request<Full<Bytes>>, http::Error> {
        let target = Uri::builder().path_and_query(request.target.as_str()).build()?;
        let mut assembled = http::Request::new(Full::new(request.body));
        *assembled.method_mut() = Method::from_bytes(request.method.as_bytes())?;
        *assembled.uri_mut() = target;
        let headers = assembled.headers_mut();
        headers.insert("host", HeaderValue::from_str(&self.authority)?);
        for (name, value) in &request.headers {
            headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
        Ok(assembled)
    }
}
