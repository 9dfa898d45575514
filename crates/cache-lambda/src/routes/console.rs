//! The web console: a page and its files. All of it is public; what it shows it reads with the visitor's key.
//!
//! The files lie under the hash of their build, so they may be cached for good. `assets` stands before it so that a namespace
//! may be called `console`: no route of a namespace continues like that.

use axum::response::{IntoResponse, Response};
use cache_console::{BUILD, File, PAGE};
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::conditional::{CachePolicy, ConditionalHeaders};
use crate::extract::Params;
use crate::media_type::HTML;
use crate::problem::Problem;
use crate::routing::Routes;
use crate::static_file::StaticFile;

/// Nothing from elsewhere, nothing inline; a stored page is shown in a frame with a `blob:` URL.
const POLICY: &str = "default-src 'self'; frame-src blob:; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; \
form-action 'none'; frame-ancestors 'none'";

const PAGE_HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// The routes of this group.
pub fn routes() -> Routes {
    Routes::new()
        .get("/console", redirect, |op| {
            op.summary("Leads to the console").status(StatusCode::PERMANENT_REDIRECT, "Always")
        })
        .get("/console/", page, |op| op.summary("The web console").raw_response(HTML).not_modified())
        .get("/console/assets/{build}/{*file}", file, |op| {
            op.summary("A file of the console")
                .raw_response("text/javascript")
                .raw_response("text/css")
                .raw_response("image/svg+xml")
                .not_modified()
                .not_found()
        })
}

/// Relative, so that it also works below the stage of an API.
async fn redirect() -> impl IntoResponse {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "console/")])
}

async fn page(conditions: ConditionalHeaders) -> Result<Response, Problem> {
    let mut response = static_file(&PAGE).respond(&conditions, CachePolicy::Revalidate)?;
    response.headers_mut().extend(PAGE_HEADERS);
    Ok(response)
}

async fn file(params: Params, conditions: ConditionalHeaders) -> Result<Response, Problem> {
    match cache_console::file(params.path("file")) {
        Some(file) if params.path("build") == BUILD => {
            static_file(file).respond(&conditions, CachePolicy::PublicImmutable)
        }
        _ => Err(Problem::route_not_found()),
    }
}

fn static_file(file: &File) -> StaticFile {
    StaticFile { content_type: file.content_type(), gzip: file.gzip }
}

#[cfg(test)]
mod tests {
    use cache_console::{BUILD, files};
    use http::{Method, StatusCode};

    use crate::test_support::{App, Call, keyed_config};

    fn path(file: &str) -> String {
        format!("/console/assets/{BUILD}/{file}")
    }

    #[tokio::test]
    async fn the_page_needs_no_key_and_loads_nothing_from_elsewhere() {
        let app = App::with(keyed_config());
        let page = app.get("/console/").await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(page.header("cache-control"), Some("no-cache"));
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert!(!page.text().contains("//"), "{}", page.text());
        assert!(page.text().contains(&format!("assets/{BUILD}/app.js")), "{}", page.text());
        let moved = app.get("/console").await;
        assert_eq!((moved.status, moved.header("location")), (StatusCode::PERMANENT_REDIRECT, Some("console/")));
    }

    #[tokio::test]
    async fn every_file_is_served_for_good_in_both_codings() {
        let app = App::with(keyed_config());
        for file in files() {
            let packed = app.send(Call::get(&path(file.name)).header("accept-encoding", "gzip")).await;
            assert_eq!(packed.status, StatusCode::OK, "{}", file.name);
            assert_eq!(packed.header("cache-control"), Some("public, max-age=31536000, immutable"));
            assert_eq!((packed.header("content-encoding"), &packed.body[..]), (Some("gzip"), file.gzip));
            let plain = app.get(&path(file.name)).await;
            assert_eq!(plain.header("content-encoding"), None);
            assert_ne!(plain.header("etag"), packed.header("etag"), "{}", file.name);
            assert!(std::str::from_utf8(&plain.body).is_ok(), "{}", file.name);
        }
    }

    #[tokio::test]
    async fn a_file_that_the_browser_has_is_304() {
        let app = App::new();
        for path in ["/console/".to_owned(), path("app.js")] {
            let tag = app.get(&path).await.header("etag").unwrap().to_owned();
            assert_eq!(app.send(Call::get(&path).header("if-none-match", &tag)).await.status, 304);
            let head = app.send(Call::new(Method::HEAD, &path)).await;
            assert_eq!((head.status.as_u16(), head.header("etag"), head.body.len()), (200, Some(&*tag), 0));
        }
    }

    #[tokio::test]
    async fn files_of_another_build_and_unknown_ones_are_404() {
        for path in [path("no.js"), path("vendor/README.md"), "/console/assets/0000000000000000/app.js".to_owned()] {
            assert_eq!(App::new().get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn a_namespace_may_be_called_console() {
        let app = App::new();
        let stored = app.json(Call::post("/console/direct/store/string", "x")).await;
        let id = stored["cache_id"].as_str().unwrap();
        assert_eq!(app.get(&format!("/console/retrieve/{id}/string")).await.text(), "x");
        let keyed = App::with(keyed_config());
        for path in ["/console/stats", "/console/file-ids", "/console/retrieve/hash/2cf24dba5fb0a30e"] {
            assert_eq!(keyed.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
}
