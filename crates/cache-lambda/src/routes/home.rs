//! Home: a page for people who open the service in a browser. It is public and shows no data.

use axum::response::Html;
use http::header;

use crate::media_type::HTML;
use crate::routing::Routes;

/// The page.
const PAGE: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>mgraph-cache</title>
<body style=\"font-family: system-ui; max-width: 40rem; margin: 4rem auto; padding: 0 1rem\">
<h1>mgraph-cache</h1>
<p>A content-addressed cache service.</p>
<ul>
<li><a href=\"/console/\">The console</a>: what is stored, versions, uploads, statistics and keys</li>
<li><a href=\"/docs\">The API</a>, to read and to try out</li>
<li><a href=\"/auth/set-cookie-form\">Set your API key</a>, so that this browser may call it</li>
<li><a href=\"/info/status\">Status</a></li>
</ul>
<p>A first call, where <code>U</code> is the address of this page; the console shows the entry under <a href=\"/console/#/demo\">demo</a>:</p>
<pre>curl -H 'Content-Type: text/plain' -d hello \"$U/demo/direct/store/string\"</pre>
</html>
";

/// The page needs its own styles, and nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of this group.
pub fn routes() -> Routes {
    let page = async || ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE));
    Routes::new().get("/", page, |op| op.summary("A page with links").raw_response(HTML))
}

#[cfg(test)]
mod tests {
    use crate::test_support::App;

    #[tokio::test]
    async fn the_root_leads_to_the_docs() {
        let answer = App::new().get("/").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(answer.text().contains("href=\"/docs\""));
    }
}
