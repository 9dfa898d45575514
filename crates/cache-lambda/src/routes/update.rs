//! Update: replaces the content of an entry; the previous content stays readable as a revision.

use axum::Json;
use bytes::Bytes;
use cache_api::entries::Update;
use cache_core::cache::{IdempotencyKey, UpdateRequest};
use cache_core::strategy::ContentKind;

use crate::body::Payload;
use crate::extract::Params;
use crate::media_type::BYTES;
use crate::openapi::operation::Operation;
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::response::entry;
use crate::routing::Routes;
use crate::store_options::Repeatable;

/// The routes of this group.
pub fn routes() -> Routes {
    let update = |op: Operation, summary| op.summary(summary).repeatable().response::<Update>().not_found();
    Routes::below("/{namespace}/update/{cache_id}")
        .post("/string", string, |op| update(op, "Gives a text a new content").text_body(1))
        .post("/json", json, |op| update(op, "Gives a JSON object a new content").object_body())
        .post("/binary", binary, |op| update(op, "Gives bytes a new content").bytes_body(BYTES, 1))
}

async fn string(
    cache: RequestCache,
    params: Params,
    Repeatable(key): Repeatable,
    payload: Payload,
) -> Result<Json<Update>, Problem> {
    let text = filled("data", payload.compute(Payload::text).await?.into())?;
    update(cache, &params, key, ContentKind::String, text).await
}

async fn json(
    cache: RequestCache,
    params: Params,
    Repeatable(key): Repeatable,
    payload: Payload,
) -> Result<Json<Update>, Problem> {
    update(cache, &params, key, ContentKind::Json, payload.compute(Payload::document).await?.into_text()).await
}

async fn binary(
    cache: RequestCache,
    params: Params,
    Repeatable(key): Repeatable,
    payload: Payload,
) -> Result<Json<Update>, Problem> {
    let bytes = filled("body", payload.compute(Payload::bytes).await?)?;
    update(cache, &params, key, ContentKind::Binary, bytes).await
}

/// Refuses an empty content.
///
/// # Errors
///
/// 400 when it is empty; `field` is what the body calls it.
pub fn filled(field: &'static str, content: Bytes) -> Result<Bytes, Problem> {
    if content.is_empty() {
        return Err(Problem::empty_update(field));
    }
    Ok(content)
}

async fn update(
    cache: RequestCache,
    params: &Params,
    idempotency_key: Option<IdempotencyKey>,
    kind: ContentKind,
    content: Bytes,
) -> Result<Json<Update>, Problem> {
    let (namespace, cache_id) = (params.namespace()?, params.cache_id()?);
    let missing = Problem::updated_entry_not_found(&namespace, cache_id);
    let request = UpdateRequest { cache_id, kind, content, idempotency_key };
    let entry = cache.run_to_completion(async move |cache| cache.namespace(&namespace).update(&request).await).await?;
    let entry = entry.ok_or(missing)?;
    match entry.revision {
        Some(revision) => Ok(Json(entry::update(&entry, revision))),
        None => Err(Problem::internal(format!("{cache_id}: an update left no revision"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::test_support::{App, Call, gzipped};

    /// An application with one entry of this kind, and its id.
    async fn stored(kind: &str, content: &'static str) -> (App, String) {
        let app = App::new();
        let stored = app.json(Call::post(&format!("/ns/direct/store/{kind}"), content)).await;
        let id = stored["cache_id"].as_str().unwrap().to_owned();
        (app, id)
    }

    /// Checks the response to an update of an entry of the first kind.
    async fn check(kind: &str, content: &'static str, update: &str, with: Call, status: u16, expected: &str) {
        let (app, id) = stored(kind, content).await;
        let answer = app.send(with.at(&format!("/ns/update/{id}/{update}"))).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(expected), "{}", answer.text());
    }

    fn body(content: &'static str) -> Call {
        Call::post("/", content)
    }

    #[tokio::test]
    async fn an_update_keeps_id_and_hash_and_counts_bytes() {
        let size = "\"size\":7,\"timestamp\":";
        check("string", "hello", "string", body("\u{e9}\u{e9}\u{e9}!"), 200, size).await;
        check("json", "{}", "json", body("{ \"a\": 1 }"), 200, size).await;
        check("binary", "x", "binary", body("1234567"), 200, size).await;
        check("string", "hello", "string", body("x"), 200, "\"cache_hash\":\"2cf24dba5fb0a30e\"").await;
        let flags = "\"updated_content\":true,\"updated_hash\":false,\"updated_metadata\":false,\"updated_id_ref\":false,\"revision\":1}";
        check("json", "{\"a\":1}", "json", body("{}"), 200, flags).await;
    }

    #[tokio::test]
    async fn json_and_strings_replace_each_other_and_a_binary() {
        for (kind, update) in [("json", "string"), ("string", "json"), ("binary", "string"), ("binary", "json")] {
            check(kind, "{}", update, body("{\"a\":1}"), 200, "\"revision\":1}").await;
        }
    }

    #[tokio::test]
    async fn bytes_do_not_replace_what_is_not_binary() {
        let short = "{\"detail\":{\"error_type\":\"INVALID_INPUT\",\"message\":\"the entry holds json content";
        check("json", "{}", "binary", body("x"), 400, short).await;
        check("string", "x", "binary", body("x"), 400, "\"field_name\":\"body\"}").await;
    }

    #[tokio::test]
    async fn nothing_is_no_content() {
        let empty = || Call::post_json("/", "\"\"");
        check("string", "x", "string", empty(), 400, "\"field_name\":\"data\"}").await;
        check("binary", "x", "binary", empty(), 400, "\"field_name\":\"body\"}").await;
        check("binary", "x", "binary", body(""), 400, "\"type\":\"missing\"").await;
    }

    #[tokio::test]
    async fn a_missing_entry_is_404() {
        let app = App::new();
        let answer = app.send(Call::post("/ns/update/00000000-0000-0000-0000-00000000dead/string", "x")).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json()["detail"]["error_type"], "NOT_FOUND");
        assert_eq!(app.send(Call::post("/ns/update/nope/string", "x")).await.status, 400);
    }

    #[tokio::test]
    async fn every_revision_stays_readable_in_every_form() {
        let (app, id) = stored("json", "{\"v\":0}").await;
        for revision in 1..3 {
            let call = Call::post(&format!("/ns/update/{id}/json"), format!("{{\"v\":{revision}}}"));
            assert_eq!(app.json(call).await["revision"], revision);
        }
        let read = async |path: &str| app.get(&format!("/ns/retrieve/{id}{path}")).await;
        assert_eq!(read("/json").await.json(), json!({"v": 2}));
        for revision in 0..3 {
            let at = format!("?revision={revision}");
            assert_eq!(read(&format!("/json{at}")).await.json(), json!({"v": revision}));
            assert_eq!(read(&format!("/string{at}")).await.text(), format!("{{\"v\": {revision}}}"));
            assert_eq!(read(&format!("/binary{at}")).await.text(), format!("{{\"v\": {revision}}}"));
            assert_eq!(read(&at).await.json()["data"], json!({"v": revision}));
            assert_eq!(read(&format!("/metadata{at}")).await.json()["content__size"], 7);
        }
        assert_eq!(read("?revision=3").await.status, 404);
        assert_eq!(read("/string?revision=3").await.status, 404);
        assert_eq!(read("/metadata?revision=3").await.status, 404);
        assert_eq!(read("?revision=x").await.status, 400);
        assert_eq!(read("/json?revision=-1").await.status, 400);
    }

    #[tokio::test]
    async fn reads_by_hash_and_key_and_the_readable_copy_show_the_update() {
        let app = App::new();
        let stored = app.json(Call::post("/ns/key_based/store/string/a/b?file_id=f", "hello")).await;
        let id = stored["cache_id"].as_str().unwrap();
        let updated = app.json(Call::post(&format!("/ns/update/{id}/string"), "bye")).await;
        assert_eq!(updated["paths"][0], "ns/data/key-based/a/b/f.txt");
        assert_eq!(app.get("/ns/retrieve/hash/2cf24dba5fb0a30e/string").await.text(), "bye");
        assert_eq!(app.get("/ns/retrieve/key/key_based/a/b/f?as=string").await.text(), "bye");
        assert_eq!(app.get("/admin/storage/file/bytes/ns/data/key-based/a/b/f.txt").await.text(), "bye");
        assert_eq!(app.get(&format!("/ns/retrieve/{id}")).await.json()["metadata"]["content_size"], 3);
    }

    #[tokio::test]
    async fn an_updated_gzip_entry_is_read_as_it_was_sent() {
        let app = App::new();
        let call = Call::post("/ns/direct/store/binary", gzipped(b"hello")).header("content-encoding", "gzip");
        let id = app.json(call).await["cache_id"].as_str().unwrap().to_owned();
        app.json(Call::post(&format!("/ns/update/{id}/binary"), "plain")).await;
        assert_eq!(app.get(&format!("/ns/retrieve/{id}/binary")).await.text(), "plain");
        assert_eq!(app.get(&format!("/ns/retrieve/{id}/binary?revision=0")).await.text(), "hello");
    }
}
