//! Errors about how the service is called, whatever is asked of it: keys, pages, connections, limits.

use cache_access::permission::Permission;
use cache_access::usage::Exceeded;
use http::StatusCode;
use serde_json::json;

use super::echo::short;
use super::{Detail, Problem};

impl Problem {
    /// `/metrics` of a Lambda function.
    pub fn metrics_not_served() -> Self {
        let message =
            "a Lambda function has no metrics to scrape: its log carries them to CloudWatch, namespace mgraph-cache";
        Self::new(StatusCode::NOT_FOUND, Detail::Message, message)
    }

    /// The key is missing or wrong. `text` is what the clients know, `message` says what to do.
    pub fn unauthorized(text: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Detail::Unauthorized, message).worded(text)
    }

    /// To a key without any permission on a namespace, none of this name exists.
    pub fn no_such_namespace(namespace: &str) -> Self {
        let namespace = short(namespace);
        let message =
            format!("there is no namespace '{namespace}' for this API key: GET /auth/whoami shows which there are");
        let problem = Self::fields(StatusCode::NOT_FOUND, "NOT_FOUND", message, vec![("namespace", json!(namespace))]);
        Self { is_refusal: true, ..problem }
    }

    /// The key has other permissions on the namespace, `*` for all, but not this one.
    pub fn permission_missing(permission: Permission, namespace: &str) -> Self {
        let place = match namespace {
            "*" => "on all namespaces".to_owned(),
            name => format!("on namespace '{}'", short(name)),
        };
        let message = format!("the API key has no permission '{permission}' {place}: use a key that has it");
        let fields = vec![("permission", json!(permission.name())), ("namespace", json!(short(namespace)))];
        Self::fields(StatusCode::FORBIDDEN, "PERMISSION_MISSING", message, fields)
    }

    /// An operation for the operator alone.
    pub fn root_key_needed() -> Self {
        Self::forbidden("this needs the key that the operator configured")
    }

    /// A change of what is stored, on an instance that only reads.
    pub fn read_only() -> Self {
        Self::fields(
            StatusCode::FORBIDDEN,
            "READ_ONLY",
            "this server only reads: the operator has set CACHE__SERVICE__READ_ONLY. Send changes to another one",
            Vec::new(),
        )
    }

    /// A store beyond a quota of its namespace. A retry does not help.
    pub fn quota_exceeded(message: String) -> Self {
        Self::fields(StatusCode::FORBIDDEN, "QUOTA_EXCEEDED", message, Vec::new())
    }

    /// A request beyond a limit of its key.
    pub fn limit_exceeded(exceeded: &Exceeded) -> Self {
        let seconds = exceeded.retry_after.as_millis().div_ceil(1000).max(1) as u64;
        let message = format!("{exceeded}: retry after {seconds} s");
        let problem = Self::fields(StatusCode::TOO_MANY_REQUESTS, "LIMIT_EXCEEDED", message, Vec::new());
        Self { retry_after_seconds: Some(seconds), ..problem }
    }

    /// A key for a server that requires none.
    pub fn keys_without_root_key() -> Self {
        let message = "the server requires no key, so a key would restrict nothing: the operator has to set \
                       FAST_API__AUTH__API_KEY__NAME and FAST_API__AUTH__API_KEY__VALUE first";
        Self::new(StatusCode::CONFLICT, Detail::Message, message)
    }

    /// A key that is not there, or that the caller may not see.
    pub fn key_not_found(id: &str) -> Self {
        let message = format!("there is no API key with the id '{}': GET /keys lists those that there are", short(id));
        Self::fields(StatusCode::NOT_FOUND, "NOT_FOUND", message, vec![("id", json!(short(id)))])
    }

    /// A key that is to do more than its maker may give.
    pub fn grant_not_allowed(pattern: &str) -> Self {
        let message = format!(
            "grants name the namespaces '{}', and your key does not manage them all: a key can be made and changed only \
             by one that has 'manage' on all its namespaces",
            short(pattern)
        );
        Self::fields(StatusCode::FORBIDDEN, "PERMISSION_MISSING", message, vec![("permission", json!("manage"))])
    }

    /// A page of a list that a key sees only a part of.
    pub fn paging_needs_folder() -> Self {
        Self::parameter(
            "limit",
            "",
            "cannot be used here with this key: name a folder, or leave 'limit' and 'cursor' out",
        )
    }

    /// A page of another origin calls a server without a key.
    pub fn origin_not_allowed() -> Self {
        let message = "pages of this origin may not call a server without an API key: set a key, or name the origin in \
                       CACHE__SERVICE__CORS_ORIGINS";
        Self::new(StatusCode::FORBIDDEN, Detail::Message, message)
    }

    /// The storage did not answer the last time that it was asked.
    pub fn not_ready() -> Self {
        let message = "the storage does not answer; the log of the server says why";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Detail::Message, message)
    }

    /// Too many bytes of other requests are in memory.
    pub fn no_room_in_memory() -> Self {
        let message = "the server holds as many bytes of requests and responses as it may; retry later. The operator can \
                       raise CACHE__SERVICE__MAX_IN_FLIGHT_BYTES";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Detail::Message, message)
    }

    /// A body of which nothing more came.
    pub fn body_timeout() -> Self {
        let message = "the rest of the body did not arrive in time: send it again, without pauses";
        Self::new(StatusCode::REQUEST_TIMEOUT, Detail::Message, message)
    }

    /// A request with no `Host`, or with several.
    pub fn one_host_header(count: usize) -> Self {
        Self::unreadable_body(format!("the request has {count} Host headers: send one"))
    }

    /// A body in a transfer coding that is not undone here.
    pub fn transfer_coding() -> Self {
        let message = "Transfer-Encoding is not supported here but for chunked: use 'chunked' alone, and name a compression of \
                       the content in Content-Encoding";
        Self::new(StatusCode::NOT_IMPLEMENTED, Detail::Message, message)
    }

    /// A read under conditions that do not hold.
    pub fn changed_meanwhile() -> Self {
        Self::precondition_failed(
            "the content is not the one that If-Match or If-Unmodified-Since asks for: read it anew",
        )
    }

    /// A write with a condition on something that cannot be read under its path.
    pub fn if_match_of_a_write() -> Self {
        Self::precondition_failed(
            "If-Match is for reads. A store takes 'If-None-Match: *', an update and a delete take no condition",
        )
    }

    /// A cookie that the page of another origin tries to set.
    pub fn cookie_from_elsewhere() -> Self {
        Self::forbidden("a page of another origin may not set this cookie: use /auth/set-cookie-form")
    }

    /// A server without a key that is called by a name which is not of this machine.
    pub fn host_not_allowed() -> Self {
        Self::forbidden(
            "a server without an API key answers only to localhost and loopback addresses in the Host header: call it by one of \
             these, or set a key",
        )
    }
}
