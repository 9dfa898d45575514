//! Store: a new entry from a body, under a strategy, and under a key if one is named.

use axum::Json;
use cache_api::entries::Store;
use cache_core::cache::StoreRequest;
use cache_core::content::Content;
use cache_core::ids::{CacheKey, FileId};
use http::StatusCode;

use crate::access::caller::MayReplace;
use crate::body::Payload;
use crate::extract::Params;
use crate::media_type::BYTES;
use crate::openapi::operation::Operation;
use crate::openapi::parameters;
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::response::entry;
use crate::routing::Routes;
use crate::store_options::StoreOptions;

/// The routes of this group. A key may have several segments.
pub fn routes() -> Routes {
    let store = |op: Operation, summary| op.summary(summary).store_options().response::<Store>().entry_links();
    let keyed = move |op, summary| {
        store(op, summary)
            .parameter(parameters::file_id())
            .parameter(parameters::if_none_match())
            .status(StatusCode::PRECONDITION_FAILED, "`If-None-Match: *`, and the key has a live version")
    };
    let encoding = parameters::content_encoding;
    Routes::below("/{namespace}/{strategy}/store")
        .post("/string", string, |op| store(op, "Stores a text").text_body(1))
        .post("/string/{*cache_key?}", keyed_string, |op| keyed(op, "Stores a text under a key").text_body(1))
        .post("/json", json, |op| store(op, "Stores a JSON object").object_body())
        .post("/json/{*cache_key?}", keyed_json, |op| {
            keyed(op, "Stores a JSON object under a key").parameter(parameters::json_field_path()).object_body()
        })
        .post("/binary", binary, |op| store(op, "Stores bytes").parameter(encoding()).bytes_body(BYTES, 1))
        .post("/binary/{*cache_key?}", keyed_binary, |op| {
            keyed(op, "Stores bytes under a key").parameter(encoding()).bytes_body(BYTES, 1)
        })
}

async fn string(
    cache: RequestCache,
    params: Params,
    options: StoreOptions,
    payload: Payload,
) -> Result<Json<Store>, Problem> {
    store(cache, &params, options, None, payload.string_content().await?).await
}

async fn keyed_string(
    cache: RequestCache,
    params: Params,
    options: StoreOptions,
    payload: Payload,
) -> Result<Json<Store>, Problem> {
    store(cache, &params, options, Some(key(&params)?), payload.string_content().await?).await
}

async fn json(
    cache: RequestCache,
    params: Params,
    options: StoreOptions,
    payload: Payload,
) -> Result<Json<Store>, Problem> {
    store(cache, &params, options, None, payload.json_content(None).await?).await
}

async fn keyed_json(
    cache: RequestCache,
    params: Params,
    options: StoreOptions,
    payload: Payload,
) -> Result<Json<Store>, Problem> {
    let field = params.json_field_path()?;
    if field.is_some() {
        // Two contents with one value there have one hash.
        options.replace.check(&params)?;
    }
    store(cache, &params, options, Some(key(&params)?), payload.json_content(field).await?).await
}

async fn binary(
    cache: RequestCache,
    params: Params,
    options: StoreOptions,
    payload: Payload,
) -> Result<Json<Store>, Problem> {
    store(cache, &params, options, None, payload.binary_content().await?).await
}

async fn keyed_binary(
    cache: RequestCache,
    params: Params,
    options: StoreOptions,
    payload: Payload,
) -> Result<Json<Store>, Problem> {
    store(cache, &params, options, Some(key(&params)?), payload.binary_content().await?).await
}

/// A key, and the file name under it if there is one.
type Key = (CacheKey, Option<FileId>);

fn key(params: &Params) -> Result<Key, Problem> {
    Ok((params.cache_key()?, params.file_id()?))
}

async fn store(
    cache: RequestCache,
    params: &Params,
    options: StoreOptions,
    key: Option<Key>,
    content: Content,
) -> Result<Json<Store>, Problem> {
    let (cache_key, file_id) = key.unzip();
    let StoreOptions { idempotency_key, ttl, if_none_match, replace } = options;
    // The first version under a key replaces nothing.
    let is_keyed = cache_key.is_some() && matches!(file_id, Some(Some(_)));
    let only_first = is_keyed && replace != MayReplace(true);
    let request = StoreRequest {
        cache_key,
        file_id: file_id.flatten(),
        idempotency_key,
        ttl,
        if_none_match: if_none_match || only_first,
        ..StoreRequest::new(params.strategy()?, content)
    };
    let namespace = params.namespace()?;
    let stored = cache.run_to_completion(async move |cache| cache.namespace(&namespace).store(&request).await).await;
    match stored {
        Err(problem) if only_first && !if_none_match && problem.status() == StatusCode::PRECONDITION_FAILED => {
            replace.check(params).and(Err(problem))
        }
        stored => Ok(Json(entry::store(stored?))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::test_support::{App, Call};

    /// Checks the response to a store in a new application.
    async fn check(call: Call, expected: Value) {
        let stored = App::new().json(call).await;
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&stored[field], value, "{field} in {stored}");
        }
    }

    /// Checks that a store is refused.
    async fn check_refused(call: Call, status: u16, message: &str) {
        let answer = App::new().send(call).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        let said = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(said.contains(message), "{said}");
    }

    #[tokio::test]
    async fn every_kind_is_stored_under_the_hash_that_clients_know() {
        let hello = json!({"cache_hash": "2cf24dba5fb0a30e", "size": 5, "version": 1, "deduplicated": false});
        check(Call::post("/ns/direct/store/string", "hello"), hello.clone()).await;
        check(Call::post("/ns/direct/store/binary", "hello"), hello).await;
        let document = json!({"cache_hash": "f9d86028c6e0d64e", "size": 7});
        check(Call::post_json("/ns/direct/store/json", "{\"a\": 1}"), document).await;
    }

    #[tokio::test]
    async fn a_key_does_not_change_the_hash_but_a_field_path_does() {
        let path = "/ns/key_based/store/json/a/b?file_id=f";
        check(Call::post_json(path, "{\"v\":1}"), json!({"cache_hash": "9ab2253fc38981f5", "key_version": 1})).await;
        let path = "/ns/key_based/store/json/a/b?file_id=f&json_field_path=v";
        check(Call::post_json(path, "{\"v\":42}"), json!({"cache_hash": "73475cb40a568e8d"})).await;
    }

    #[tokio::test]
    async fn equal_content_is_kept_once() {
        let app = App::new();
        app.json(Call::post("/ns/direct/store/string", "hello")).await;
        let second = app.json(Call::post("/ns/direct/store/string", "hello")).await;
        assert_eq!((&second["version"], &second["deduplicated"]), (&json!(2), &json!(true)));
    }

    #[tokio::test]
    async fn an_encoded_slash_in_a_key_is_a_slash() {
        let paths = |key: &str| format!("/ns/key_based/store/string/{key}?file_id=f");
        let stored = App::new().json(Call::post(&paths("a%2Fb"), "x")).await;
        assert_eq!(stored["paths"]["data"][0], "ns/data/key-based/a/b/f.txt");
    }

    #[tokio::test]
    async fn blank_query_values_count_as_not_given() {
        let path = "/ns/key_based/store/json/k?file_id=&json_field_path=&other=1";
        let stored = App::new().json(Call::post_json(path, "{\"v\":1}")).await;
        assert_eq!(stored["cache_hash"], "9ab2253fc38981f5");
        assert_eq!(stored.get("key_version"), None);
    }

    #[tokio::test]
    async fn a_path_that_ends_where_the_key_should_begin_says_so() {
        for kind in ["string", "json", "binary"] {
            for blank in ["", "%20"] {
                let path = format!("/ns/direct/store/{kind}/{blank}");
                check_refused(Call::post_json(&path, "{}"), 400, "cache_key required").await;
            }
        }
    }

    #[tokio::test]
    async fn a_key_that_could_leave_its_folder_is_refused() {
        for key in ["a/../b", "a/%20/b", "a%2F..%2Fb", "."] {
            let path = format!("/ns/key_based/store/string/{key}");
            check_refused(Call::post(&path, "x"), 400, "must not have blank, '.' or '..' segments").await;
        }
        check_refused(Call::post("/ns/key_based/store/string/a%5Cb", "x"), 400, "backslash").await;
        check_refused(Call::post("/ns/key_based/store/string/%C3%A9", "x"), 400, "no usable character").await;
    }

    #[tokio::test]
    async fn a_url_is_a_key_and_its_empty_segments_vanish_from_the_path() {
        for (key, path) in [("https://host/x", "https_/host/x"), ("/a", "a"), ("a//b", "a/b"), ("a/", "a")] {
            let call = Call::post(&format!("/ns/key_based/store/string/{key}?file_id=f"), "x");
            let stored = App::new().json(call).await;
            assert_eq!(stored["paths"]["data"][0], format!("ns/data/key-based/{path}/f.txt"), "{key}");
        }
    }

    #[tokio::test]
    async fn an_unusable_namespace_or_strategy_is_refused() {
        check_refused(Call::post("/%20/direct/store/string", "x"), 400, "namespace must not be empty").await;
        check_refused(Call::post("/___/direct/store/string", "x"), 400, "namespace has no usable character").await;
        check_refused(Call::post("/ns/weekly/store/string", "x"), 400, "strategy should be 'direct'").await;
    }

    #[tokio::test]
    async fn a_key_with_too_long_a_path_is_refused_before_any_write() {
        let path = format!("/ns/key_based/store/string/{}?file_id=f", "k".repeat(1020));
        check_refused(Call::post(&path, "x"), 400, "the limit is 1024").await;
    }

    #[tokio::test]
    async fn a_field_that_is_not_there_is_refused() {
        let path = "/ns/direct/store/json/k?json_field_path=a.b";
        check_refused(Call::post_json(path, "{\"a\":{}}"), 400, "the content has no field 'a.b'").await;
        let path = "/ns/direct/store/json/k?json_field_path=a..b";
        check_refused(Call::post_json(path, "{}"), 400, "json_field_path must not have two dots").await;
    }
}
