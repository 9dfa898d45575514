//! Refuses requests that are malformed HTTP or ambiguous (RFC 9112), before anything of them is used.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Version, header};

use crate::problem::Problem;

/// In the extensions of a request that was received over HTTP. Those that were made from a Lambda event have passed a
/// gateway, which may have dropped their `Host`.
#[derive(Debug, Clone, Copy)]
pub struct OverHttp;

/// Refuses requests that this server and a proxy before it could understand differently.
pub async fn refuse_malformed(request: Request, next: Next) -> Response {
    let over_http = request.extensions().get::<OverHttp>().is_some();
    match problem(request.headers(), over_http && request.version() == Version::HTTP_11) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

fn problem(headers: &HeaderMap, needs_host: bool) -> Option<Problem> {
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && needs_host) {
        return Some(Problem::one_host_header(hosts));
    }
    // hyper undoes "chunked" alone, and would pass the bytes of another coding on as the content (RFC 9112, 6.1).
    let is_chunked = |value: &http::HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    let codings: Vec<_> = headers.get_all(header::TRANSFER_ENCODING).iter().collect();
    (codings.len() > 1 || !codings.into_iter().all(is_chunked)).then(Problem::transfer_coding)
}

#[cfg(test)]
mod tests {
    use crate::test_support::{App, Call};

    async fn check(call: Call, status: u16, message: &str) {
        let answer = App::new().send(call).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        assert!(answer.text().contains(message), "{}", answer.text());
    }

    #[tokio::test]
    async fn a_body_in_another_transfer_coding_is_501() {
        let store = || Call::post("/ns/direct/store/binary", "hello");
        for coding in ["gzip, chunked", "gzip", "identity", "chunked, chunked"] {
            check(store().header("transfer-encoding", coding), 501, "use 'chunked' alone").await;
        }
        check(store().header("transfer-encoding", "gzip").header("transfer-encoding", "chunked"), 501, "chunked").await;
        check(store().header("transfer-encoding", " Chunked"), 200, "cache_id").await;
    }

    #[tokio::test]
    async fn two_hosts_are_400() {
        check(Call::get("/info/health").header("host", "a").header("host", "b"), 400, "Host").await;
    }
}
