use http::Method;
use serde_json::{Value, json};

use crate::test_support::{Answer, App, Call};

const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";

/// An application with one entry, to whose child data the calls go.
struct Entry {
    app: App,
    id: String,
}

impl Entry {
    async fn new() -> Self {
        let app = App::new();
        let stored = app.json(Call::post("/ns/direct/store/string", "parent")).await;
        Self { app, id: stored["cache_id"].as_str().unwrap().to_owned() }
    }

    async fn send(&self, method: Method, path: &str) -> Answer {
        self.app.send(Call::new(method, &format!("/ns/cache/{}/data/{path}", self.id))).await
    }

    async fn post(&self, path: &str, body: &'static str) -> Answer {
        self.app.send(Call::post(&format!("/ns/cache/{}/data/{path}", self.id), body)).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path).await
    }
}

#[track_caller]
fn check(answer: &Answer, status: u16, expected: Value) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let body = answer.json();
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&body[field], value, "{field} in {body}");
    }
}

#[track_caller]
fn check_missing(answer: &Answer, detail: Value) {
    assert_eq!(answer.status, 404, "{}", answer.text());
    let body = answer.json();
    assert!(body["message"].is_string());
    for (field, value) in detail.as_object().unwrap() {
        assert_eq!(&body["detail"][field], value, "{field} in {body}");
    }
}

#[tokio::test]
async fn every_type_is_stored_and_read() {
    let entry = Entry::new().await;
    let stored = entry.post("store/string/a/b/f", "é").await;
    let path = format!("{}/data/a/b/f.txt", entry.id);
    assert!(stored.json()["data_files_created"][0].as_str().unwrap().ends_with(&path));
    check(&stored, 200, json!({"data_key": "a/b", "file_id": "f", "file_size": 2, "extension": "txt"}));
    check(
        &entry.post("store/json/f", "{ \"b\": 1.50, \"a\": 2 }").await,
        200,
        json!({"data_key": "", "file_size": 16}),
    );
    check(&entry.post("store/binary/f", "\u{0}").await, 200, json!({"data_type": "binary", "extension": "bin"}));
    for (path, content, content_type) in [
        ("string/a/b/f", "é", "text/plain; charset=utf-8"),
        ("json/f", "{\"b\":1.50,\"a\":2}", "application/json"),
        ("binary/f", "\u{0}", "application/octet-stream"),
    ] {
        let answer = entry.get(path).await;
        assert_eq!((answer.text().as_str(), answer.header("content-type")), (content, Some(content_type)));
    }
}

#[tokio::test]
async fn a_child_without_a_file_id_gets_a_fresh_one() {
    let entry = Entry::new().await;
    let first = entry.post("store/string", "x").await.json()["file_id"].clone();
    assert!(uuid::Uuid::try_parse(first.as_str().unwrap()).is_ok());
    assert_ne!(entry.post("store/string", "x").await.json()["file_id"], first);
    assert_ne!(entry.post("store/string/k/%20", "x").await.json()["file_id"], first);
}

#[tokio::test]
async fn an_empty_child_is_stored_and_read() {
    let entry = Entry::new().await;
    let call = Call::post_json(&format!("/ns/cache/{}/data/store/string/e", entry.id), "\"\"");
    check(&entry.app.send(call).await, 200, json!({"file_size": 0}));
    let answer = entry.get("string/e").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, ""));
}

#[tokio::test]
async fn what_is_not_there_is_404_in_json() {
    let entry = Entry::new().await;
    let id = &entry.id;
    for path in ["string/nope", "json/k/nope", "binary/nope"] {
        let expected = json!({"error_type": "NOT_FOUND", "cache_id": id, "data_file_id": "nope"});
        check_missing(&entry.get(path).await, expected);
    }
    check_missing(&entry.post("update/json/nope", "{}").await, json!({"data_file_id": "nope"}));
    let typed = json!({"data_type": "type-safe", "data_file_id": "f"});
    check_missing(&entry.send(Method::DELETE, "delete/type-safe/f").await, typed);
    let lost = Entry { app: entry.app.clone(), id: NOBODY.to_owned() };
    for answer in [lost.post("store/string/f", "x").await, lost.get("list").await] {
        check_missing(&answer, json!({"error_type": "NOT_FOUND", "cache_id": NOBODY}));
    }
    check(&lost.get("exists/json/f").await, 200, json!({"exists": false}));
    check(&lost.send(Method::DELETE, "delete/all").await, 200, json!({"deleted_count": 0}));
}

#[tokio::test]
async fn an_update_needs_a_child_of_its_type_and_a_content() {
    let entry = Entry::new().await;
    entry.post("store/string/k/f", "one").await;
    let updated = json!({"success": true, "data_key": "k", "data_file_id": "f", "file_size": 3});
    check(&entry.post("update/string/k/f", "two").await, 200, updated);
    assert_eq!(entry.get("string/k/f").await.text(), "two");
    check_missing(&entry.post("update/json/k/f", "{}").await, json!({"data_file_id": "f"}));
    let call = Call::post_json(&format!("/ns/cache/{}/data/update/string/k/f", entry.id), "\"\"");
    assert_eq!(entry.app.send(call).await.json()["detail"]["field_name"], "data");
    entry.post("store/json/j", "{\"a\":1}").await;
    check(&entry.post("update/json/j", "{}").await, 200, json!({"file_size": 2}));
}

#[tokio::test]
async fn a_list_is_recursive_by_default() {
    let entry = Entry::new().await;
    for path in ["string/s", "json/k/j", "binary/k/deep/b"] {
        entry.post(&format!("store/{path}"), "{}").await;
    }
    for (path, count) in [
        ("list", 3),
        ("list/", 3),
        ("list?recursive=False", 1),
        ("list/k", 2),
        ("list/k?recursive=0", 1),
        ("list/k/deep", 1),
        ("list/kk", 0),
    ] {
        let list = entry.get(path).await.json();
        assert_eq!((&list["file_count"], &list["total_size"]), (&json!(count), &json!(2 * count)), "{path}");
    }
    let item = json!({"data_file_id": "j", "data_key": "k", "data_type": "json", "extension": "json"});
    let list = entry.get("list/k?recursive=false").await.json();
    for (field, value) in item.as_object().unwrap() {
        assert_eq!(&list["files"][0][field], value);
    }
}

#[tokio::test]
async fn deleting_all_stays_in_its_folder() {
    let entry = Entry::new().await;
    for path in ["s", "k/a", "k/deep/b", "kk/c"] {
        entry.post(&format!("store/string/{path}"), "x").await;
    }
    let deleted = entry.send(Method::DELETE, "delete/all/k").await;
    check(&deleted, 200, json!({"status": "success", "deleted_count": 2, "data_key": "k"}));
    check(&entry.get("list").await, 200, json!({"file_count": 2}));
    check(&entry.send(Method::DELETE, "delete/all").await, 200, json!({"deleted_count": 2, "data_key": null}));
    assert_eq!(entry.send(Method::DELETE, "delete/all").await.json().get("deleted_files"), None);
}

#[tokio::test]
async fn one_child_is_deleted_and_then_missing() {
    let entry = Entry::new().await;
    entry.post("store/string/s", "x").await;
    let gone = json!({"status": "success", "data_file_id": "s", "data_type": "string", "data_key": null});
    check(&entry.send(Method::DELETE, "delete/string/s").await, 200, gone);
    check(&entry.get("exists/string/s").await, 200, json!({"exists": false, "data_key": ""}));
    check_missing(&entry.send(Method::DELETE, "delete/string/s").await, json!({"data_type": "string"}));
}

#[tokio::test]
async fn a_data_key_with_empty_segments_or_a_backslash_is_one() {
    let entry = Entry::new().await;
    for (path, again, shown) in [("/f", "f", "/"), ("a//b/f", "a/b/f", "a//b"), ("a%5Cb/f", "a_b/f", "a\\b")] {
        let stored = entry.post(&format!("store/string/{path}"), shown).await;
        assert_eq!(stored.status, 200, "{path}: {}", stored.text());
        assert_eq!(entry.get(&format!("string/{again}")).await.text(), shown, "{path}");
    }
}

#[tokio::test]
async fn names_that_could_leave_the_folder_are_refused() {
    let entry = Entry::new().await;
    for path in ["a/../f", "a/%20/b/f", "./f"] {
        assert_eq!(entry.post(&format!("store/string/{path}"), "x").await.status, 400, "{path}");
    }
    assert_eq!(entry.get("exists/weird/f").await.status, 400);
    assert_eq!(entry.get("list?recursive=zz").await.status, 400);
    for path in ["store/string/", "store/string/a/"] {
        assert_eq!(entry.post(path, "x").await.status, 404, "{path}");
    }
}
