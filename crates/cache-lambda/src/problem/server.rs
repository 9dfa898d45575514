//! Errors about how the service is called, whatever is asked of it: keys, pages, connections, limits.

use http::StatusCode;

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
