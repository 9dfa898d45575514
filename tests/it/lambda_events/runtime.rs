//! The environment of a Lambda function: the Runtime API, and buckets that misbehave.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Barrier, Mutex, mpsc};

use crate::support::server::binary;

/// Longer than any response takes, including the start of the process, even on a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The largest number of events that may wait.
const MAX_WAITING: usize = 8;

/// The id of an invocation that waits alone.
pub const REQUEST_ID: &str = "0";

/// The largest answer that Lambda takes, in bytes.
const MAX_ANSWER_BYTES: usize = 6_291_556;

/// The binary, running as a Lambda function. Gone when dropped.
pub struct Function {
    process: Child,
    invocations: mpsc::Sender<Invocation>,
    answers: mpsc::Receiver<Answer>,
    scratch: TempDir,
}

/// An event, and when Lambda would stop the function.
struct Invocation {
    request_id: usize,
    event: String,
    deadline_ms: u128,
}

/// What the function has posted for an invocation.
struct Answer {
    request_id: usize,
    /// Not a response: Lambda makes a function error of it, and the caller gets a 502.
    is_error: bool,
    body: Bytes,
}

/// The channels of the Runtime API.
struct Desk {
    invocations: Mutex<mpsc::Receiver<Invocation>>,
    answers: mpsc::Sender<Answer>,
}

impl Function {
    /// Starts the binary with these settings and those that Lambda makes.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let (invocations, waiting) = mpsc::channel(MAX_WAITING);
        let (answered, answers) = mpsc::channel(MAX_WAITING);
        let desk = Desk { invocations: Mutex::new(waiting), answers: answered };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{request_id}/{outcome}", post(done))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::new(desk));
        let runtime_api = serve(router).await.to_string();
        let scratch = tempfile::tempdir().unwrap();
        let log = File::create(scratch.path().join("log")).unwrap();
        let process = Command::new(binary())
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .envs([("AWS_LAMBDA_FUNCTION_NAME", "cache"), ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")])
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .envs(settings.iter().copied())
            .current_dir(scratch.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { process, invocations, answers, scratch }
    }

    /// Lets the function answer an event; panics with its log when it does not, or the answer is a function error.
    pub async fn invoke(&mut self, event: &str, limit: Duration) -> Value {
        let [answer] = self.invoke_all([event], limit).await;
        answer
    }

    /// Queues all these events, and lets the function answer them in any order.
    pub async fn invoke_all<const N: usize>(&mut self, events: [&str; N], limit: Duration) -> [Value; N] {
        let deadline_ms = (SystemTime::now() + limit).duration_since(UNIX_EPOCH).unwrap().as_millis();
        for (request_id, event) in events.into_iter().enumerate() {
            let event = event.to_owned();
            self.invocations.send(Invocation { request_id, event, deadline_ms }).await.unwrap();
        }
        let mut answers = BTreeMap::new();
        while answers.len() < N {
            match tokio::time::timeout(ANSWER_WITHIN, self.answers.recv()).await {
                Ok(Some(answer)) if answer.is_error => panic!("a function error: {:?}\n{}", answer.body, self.log()),
                Ok(Some(answer)) => answers.insert(answer.request_id, serde_json::from_slice(&answer.body).unwrap()),
                Ok(None) | Err(_) => panic!("no answer within {ANSWER_WITHIN:?}:\n{}", self.log()),
            };
        }
        answers.into_values().collect::<Vec<_>>().try_into().unwrap()
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// The log of the function so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default()
    }
}

/// The function asks for an event, and waits until there is one.
async fn next(State(desk): State<Arc<Desk>>) -> Response {
    let Some(Invocation { request_id, event, deadline_ms }) = desk.invocations.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", request_id.to_string()),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:cache".to_owned()),
    ];
    (headers, event).into_response()
}

/// The function has responded or failed; the caller sees either.
async fn done(
    State(desk): State<Arc<Desk>>,
    Path((request_id, outcome)): Path<(usize, String)>,
    body: Bytes,
) -> StatusCode {
    let is_error = outcome != "response" || body.len() > MAX_ANSWER_BYTES;
    // The receiver is gone when the test has ended.
    let _ = desk.answers.send(Answer { request_id, is_error, body }).await;
    StatusCode::ACCEPTED
}

/// A bucket for a function.
pub struct Bucket {
    url: String,
}

impl Bucket {
    /// The settings of a function that uses it.
    pub fn settings(&self) -> [(&str, &str); 5] {
        [
            ("CACHE__SERVICE__BUCKET_NAME", "bucket"),
            ("AWS_ENDPOINT_URL", &self.url),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]
    }
}

/// Starts a bucket in which every read is a miss, and every conditional write of a manifest loses its race.
pub async fn contended_bucket() -> Bucket {
    bucket(Router::new().fallback(contend)).await
}

/// Starts an empty bucket that responds only after so many reads of an object have arrived.
pub async fn patient_bucket(readers: usize) -> Bucket {
    let barrier = Arc::new(Barrier::new(readers));
    let read = async move |method: Method, uri: Uri| {
        // Warming up looks at the bucket itself.
        if method == Method::HEAD && !uri.path().contains("/refs/") {
            return StatusCode::OK.into_response();
        }
        // So does the first request in a namespace, which asks for entries of the Python service.
        if is_list(&uri) {
            return nothing_listed();
        }
        barrier.wait().await;
        StatusCode::NOT_FOUND.into_response()
    };
    bucket(Router::new().fallback(read)).await
}

async fn bucket(router: Router) -> Bucket {
    Bucket { url: format!("http://{}", serve(router).await) }
}

fn is_list(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.contains("list-type=2"))
}

fn nothing_listed() -> Response {
    "<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>".into_response()
}

async fn contend(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if is_list(&uri) {
        return nothing_listed();
    }
    let error = |status: StatusCode, code: &str| {
        (status, format!("<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>")).into_response()
    };
    let conditional = headers.contains_key("if-match") || headers.contains_key("if-none-match");
    if method == Method::PUT && conditional && uri.path().contains("/refs/by-hash/") {
        return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
    }
    match method {
        Method::PUT => [("etag", "\"1\"")].into_response(),
        _ => error(StatusCode::NOT_FOUND, "NoSuchKey"),
    }
}

/// Starts a bucket that accepts every request and never responds.
pub async fn silent_bucket() -> Bucket {
    bucket(Router::new().fallback(async || std::future::pending::<()>().await)).await
}

/// Serves until the test ends.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    address
}
