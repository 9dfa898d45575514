//! Docs: the OpenAPI document, and Swagger UI to read it and try it out. All of it is public.
//!
//! Swagger UI is part of the binary, compressed by the build script.

use axum::Json;
use axum::extract::State;
use axum::response::{Html, IntoResponse};
use http::header;
use utoipa::openapi::OpenApi;

use crate::conditional::{CachePolicy, ConditionalHeaders};
use crate::media_type::HTML;
use crate::openapi;
use crate::openapi::operation::Operation;
use crate::routing::Routes;
use crate::state::AppState;
use crate::static_file::StaticFile;

const PAGE: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>mgraph-cache: the API</title>
<link rel=\"stylesheet\" href=\"/docs/swagger-ui.css\">
<link rel=\"icon\" href=\"data:,\">
<body style=\"margin: 0\">
<div id=\"ui\"></div>
<script src=\"/docs/swagger-ui-bundle.js\"></script>
<script src=\"/docs/start.js\"></script>
</html>
";

/// Groups are collapsed: there are a hundred operations.
const START: &str = "SwaggerUIBundle({
  url: '/openapi.json', dom_id: '#ui', deepLinking: true, docExpansion: 'none', filter: true, tryItOutEnabled: true,
  persistAuthorization: false, validatorUrl: null
});
";

/// The sources that the page may load: its own files, and the images within its style sheet.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'none'; \
frame-ancestors 'none'";

const STYLE: StaticFile =
    StaticFile { content_type: "text/css", gzip: include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz")) };
const SCRIPT: StaticFile = StaticFile {
    content_type: "text/javascript",
    gzip: include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz")),
};

/// The routes of this group.
pub fn routes() -> Routes {
    let asset = |op: Operation, media| op.summary("A file of the page").raw_response(media).not_modified();
    Routes::new()
        .get("/openapi.json", description, |op| op.summary("This description").any_json_response())
        .get("/docs", page, |op| op.summary("A page to read this description, and to try it out").raw_response(HTML))
        .get("/docs/start.js", start, |op| op.summary("A file of the page").raw_response(SCRIPT.content_type))
        .get(
            "/docs/swagger-ui.css",
            async |conditions: ConditionalHeaders| STYLE.respond(&conditions, CachePolicy::Revalidate),
            |op| asset(op, STYLE.content_type),
        )
        .get(
            "/docs/swagger-ui-bundle.js",
            async |conditions: ConditionalHeaders| SCRIPT.respond(&conditions, CachePolicy::Revalidate),
            |op| asset(op, SCRIPT.content_type),
        )
}

async fn page() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE))
}

async fn start() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, SCRIPT.content_type)], START)
}

async fn description(State(state): State<AppState>) -> Json<OpenApi> {
    Json(openapi::document(&state.config.auth, super::routes().operations()))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use crate::test_support::{App, Call};

    #[tokio::test]
    async fn the_page_and_its_files_are_served_from_here() {
        let app = App::new();
        let page = app.get("/docs").await;
        assert_eq!(page.status, StatusCode::OK);
        for file in ["/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/start.js"] {
            assert!(page.text().contains(file), "{file}");
            assert_eq!(app.get(file).await.status, StatusCode::OK, "{file}");
        }
        assert!(!page.text().contains("//"), "nothing comes from elsewhere: {}", page.text());
    }

    #[tokio::test]
    async fn a_file_is_inflated_for_callers_that_cannot() {
        let app = App::new();
        let plain = app.get("/docs/swagger-ui-bundle.js").await;
        let packed = app.send(Call::get("/docs/swagger-ui-bundle.js").header("accept-encoding", "gzip")).await;
        assert!(plain.text().contains("SwaggerUIBundle"));
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert!(packed.body.len() < plain.body.len() / 2);
    }

    #[tokio::test]
    async fn what_is_not_kept_is_404() {
        for path in ["/redoc", "/docs/oauth2-redirect", "/static-docs/swagger-ui.css", "/docs/", "/openapi.json/"] {
            assert_eq!(App::new().get(path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}
