//! Tests of the routes for archives.

use std::io::Write;

use cache_core::archive::Archive;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;
use crate::media_type::{BYTES, ZIP};
use crate::test_support::{App, Call, config};

const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";

/// An archive of these members, past all limits.
fn zip<'a>(members: impl IntoIterator<Item = (&'a str, Bytes)>) -> Bytes {
    let mut archive = Archive::empty(&Limits { max_ratio: u64::MAX, ..Limits::default() });
    for (name, content) in members {
        archive.add(&name.parse().unwrap(), content).unwrap();
    }
    archive.to_bytes().unwrap()
}

fn a_and_b() -> Bytes {
    zip([("a.txt", "old a".into()), ("b.txt", "old b".into())])
}

/// An application with an archive of `a.txt` and `b.txt` that was stored under a key by the strategy temporal, and its
/// id.
async fn app() -> (App, String) {
    let app = App::new();
    let id = stored(&app, Call::post("/ns/temporal/zip/store/k/f", a_and_b())).await;
    (app, id)
}

async fn stored(app: &App, call: Call) -> String {
    text(&app.json(call).await["cache_id"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// That a call is answered so.
async fn check(app: &App, call: Call, status: u16, expected: &str) {
    let answer = app.send(call).await;
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(expected), "{}", answer.text());
}

async fn names(app: &App, id: &str) -> Value {
    app.json(Call::get(&format!("/ns/zip/{id}/files/list"))).await["file_list"].clone()
}

async fn hash(app: &App, id: &str) -> Value {
    app.json(Call::get(&format!("/ns/retrieve/{id}/refs"))).await["cache_hash"].clone()
}

fn add(id: &str, path: &str, content: &str) -> Call {
    Call::post(&format!("/ns/zip/{id}/file/add/from/string/{path}"), content.to_owned())
}

fn remove(id: &str, path: &str) -> Call {
    Call::new(Method::DELETE, &format!("/ns/zip/{id}/file/delete/{path}"))
}

fn batch(id: &str, body: &Value) -> Call {
    Call::post_json(&format!("/ns/zip/{id}/batch/operations"), body.to_string())
}

#[tokio::test]
async fn an_archive_is_stored_by_the_hash_of_its_members() {
    let app = App::new();
    let empty = app.json(Call::post("/ns/key_based/zip/create/packs/app/v1", "")).await;
    assert_eq!((&empty["cache_hash"], &empty["size"]), (&json!("e3b0c44298fc1c14"), &json!(22)));
    assert_eq!((&empty["file_count"], &empty["success"]), (&json!(0), &json!(true)));
    assert_eq!(empty["paths"]["data"][0], "ns/data/key-based/packs/app/v1.bin");
    let full = app.json(Call::post("/ns/direct/zip/store/packs/app/v2", a_and_b())).await;
    assert_eq!((&full["file_count"], &full["error_type"]), (&json!(2), &Value::Null));
    let repacked = zip([("b.txt", "old b".into()), ("a.txt", "old a".into())]);
    let again = app.json(Call::post("/ns/direct/zip/store/x/y", repacked)).await;
    assert_eq!((&again["cache_hash"], &again["version"]), (&full["cache_hash"], &json!(2)));
}

#[tokio::test]
async fn the_tail_of_a_store_is_key_and_file_id_and_each_may_be_blank() {
    let app = App::new();
    let create = |tail: &str| Call::post(&format!("/ns/key_based/zip/create/{tail}"), "");
    check(&app, create("only-one"), 404, "Not Found").await;
    check(&app, create("a/b/f"), 200, "\"ns/data/key-based/a/b/f.bin\"").await;
    check(&app, create("%20/f"), 200, "\"data\":[\"ns/data/key-based/").await;
    let id = stored(&app, create("k/%20")).await;
    check(&app, Call::get(&format!("/ns/retrieve/{id}/refs")), 200, &format!("ns/data/key-based/k/{id}.bin")).await;
    check(&app, create("../b/f"), 400, "\"loc\":[\"query\",\"cache_key\"]").await;
    check(&app, Call::post("/ns/weekly/zip/create/a/b", ""), 400, "strategy should be").await;
}

#[tokio::test]
async fn an_archive_is_sent_byte_for_byte_as_a_file() {
    let (app, id) = app().await;
    let answer = app.get(&format!("/ns/zip/{id}/retrieve")).await;
    assert_eq!(answer.body, a_and_b());
    assert_eq!(answer.header("content-type"), Some(ZIP));
    assert_eq!(answer.header("content-disposition"), Some(format!("attachment; filename={id}.zip").as_str()));
}

#[tokio::test]
async fn members_are_listed_and_read() {
    let (app, id) = app().await;
    let list = app.json(Call::get(&format!("/ns/zip/{id}/files/list"))).await;
    assert_eq!((&list["operation"], &list["cache_id"]), (&json!("list"), &json!(id)));
    assert_eq!((&list["file_list"], &list["original_cache_id"]), (&json!(["a.txt", "b.txt"]), &Value::Null));
    let answer = app.get(&format!("/ns/zip/{id}/file/retrieve/a.txt")).await;
    assert_eq!((answer.text().as_str(), answer.header("content-type")), ("old a", Some(BYTES)));
    check(&app, Call::get(&format!("/ns/zip/{id}/file/retrieve/nope")), 404, "no member 'nope'").await;
}

#[tokio::test]
async fn an_edit_makes_an_entry_with_the_same_strategy_and_no_key() {
    let (app, id) = app().await;
    let operations = json!({"operations": [{"action": "add", "path": "c.txt", "content": "new"}]});
    for edit in [add(&id, "c.txt", "new"), remove(&id, "a.txt"), batch(&id, &operations)] {
        let edited = app.json(edit).await;
        assert_eq!(edited["original_cache_id"], json!(id));
        let metadata = app.json(Call::get(&format!("/ns/retrieve/{}", text(&edited["cache_id"])))).await;
        assert_eq!(metadata["metadata"]["strategy"], "temporal");
        assert_eq!(metadata["metadata"]["cache_key"], "");
    }
    assert_eq!(app.get(&format!("/ns/zip/{id}/retrieve")).await.body, a_and_b());
}

#[tokio::test]
async fn adding_a_name_that_exists_replaces_its_content() {
    let (app, id) = app().await;
    let edited = app.json(add(&id, "a.txt", "new a")).await;
    let new = text(&edited["cache_id"]);
    assert_eq!((&edited["operation"], &edited["files_affected"]), (&json!("add"), &json!(["a.txt"])));
    assert_eq!(names(&app, &new).await, json!(["a.txt", "b.txt"]));
    check(&app, Call::get(&format!("/ns/zip/{new}/file/retrieve/a.txt")), 200, "new a").await;
}

#[tokio::test]
async fn bytes_are_added_as_they_are_and_texts_may_be_empty() {
    let (app, id) = app().await;
    let path = format!("/ns/zip/{id}/file/add/from/bytes/d/x.bin");
    let new = stored(&app, Call::post(&path, &b"\0\xff"[..]).header("content-type", "image/png")).await;
    let read = app.get(&format!("/ns/zip/{new}/file/retrieve/d/x.bin")).await;
    assert_eq!(&read.body[..], b"\0\xff");
    let path = format!("/ns/zip/{id}/file/add/from/string/empty");
    check(&app, Call::post_json(&path, "\"\""), 200, "\"files_affected\":[\"empty\"]").await;
    check(&app, add(&id, "s", ""), 400, "\"type\":\"missing\"").await;
}

#[tokio::test]
async fn removing_an_absent_member_is_404_and_stores_nothing() {
    let (app, id) = app().await;
    check(&app, remove(&id, "nope.txt"), 404, "there is no member 'nope.txt'").await;
    let hash = text(&hash(&app, &id).await);
    check(&app, Call::get(&format!("/ns/versions/hash/{hash}")), 200, "\"count\":1").await;
}

#[tokio::test]
async fn adding_and_removing_leads_back_to_the_hash_and_the_bytes() {
    let (app, id) = app().await;
    let with = stored(&app, add(&id, "c.txt", "new")).await;
    assert_ne!(hash(&app, &with).await, hash(&app, &id).await);
    let without = stored(&app, remove(&with, "c.txt")).await;
    assert_eq!(hash(&app, &without).await, hash(&app, &id).await);
    assert_eq!(app.get(&format!("/ns/zip/{without}/retrieve")).await.body, a_and_b());
}

#[tokio::test]
async fn an_edit_that_changes_nothing_stores_nothing() {
    let (app, id) = app().await;
    assert_eq!(stored(&app, add(&id, "a.txt", "old a")).await, id);
    for operations in [
        json!([]),
        json!([{"action": "add", "path": "a.txt", "content": "x", "condition": "if_not_exists"}]),
        json!([{"action": "replace", "path": "q.txt", "content": "x", "condition": "if_exists"}]),
        json!([{"action": "add", "path": "q", "content": "x"}, {"action": "remove", "path": "q"}]),
    ] {
        let answer = app.json(batch(&id, &json!({"operations": operations}))).await;
        assert_eq!((&answer["success"], &answer["cache_id"]), (&json!(true), &json!(id)));
        assert_eq!((&answer["new_file_count"], &answer["new_size"]), (&json!(2), &json!(a_and_b().len())));
    }
}

#[tokio::test]
async fn the_result_of_a_batch_is_found_by_the_hash_of_its_members() {
    let (app, id) = app().await;
    let operations = json!([
        {"action": "move", "path": "b.txt", "new_path": "c.txt"},
        {"action": "add", "path": "a.txt", "content": "x", "condition": "if_not_exists"},
        {"action": "replace", "path": "a.txt", "content": "new a"},
    ]);
    let answer = app.json(batch(&id, &json!({"operations": operations}))).await;
    let counts = (&answer["operations_applied"], &answer["operations_skipped"], &answer["operations_failed"]);
    assert_eq!(counts, (&json!(2), &json!(1), &json!(0)));
    assert_eq!(answer["files_modified"], json!(["b.txt", "c.txt", "a.txt"]));
    assert!(answer["completed_at"].is_u64());
    let same = zip([("c.txt", "old b".into()), ("a.txt", "new a".into())]);
    let same = stored(&app, Call::post("/ns/direct/zip/store/k/same", same)).await;
    assert_eq!(hash(&app, &text(&answer["cache_id"])).await, hash(&app, &same).await);
}

#[tokio::test]
async fn a_batch_that_fails_is_200_and_says_so() {
    let (app, id) = app().await;
    let rename = json!({"action": "rename", "path": "a.txt", "new_path": "b.txt"});
    let add = json!({"action": "add", "path": "c.txt", "content": "x"});
    let answer = app.json(batch(&id, &json!({"operations": [add, rename]}))).await;
    assert_eq!((&answer["success"], &answer["rollback_performed"]), (&json!(false), &json!(true)));
    assert_eq!((&answer["cache_id"], &answer["new_file_count"]), (&json!(id), &json!(0)));
    assert!(text(&answer["error_message"]).contains("there is a member 'b.txt' in the archive already"), "{answer}");
    let answer = app.json(batch(&id, &json!({"atomic": false, "operations": [rename, add]}))).await;
    assert_eq!((&answer["success"], &answer["new_file_count"]), (&json!(false), &json!(3)));
    assert_ne!(answer["cache_id"], json!(id));
}

#[tokio::test]
async fn a_batch_with_a_mistake_is_400_and_names_operation_and_field() {
    let (app, id) = app().await;
    let sound = json!({"action": "remove", "path": "a.txt"});
    let refused = async |operation: Value, loc: &str, message: &str| {
        let body = json!({"operations": [sound, operation]});
        let answer = app.send(batch(&id, &body)).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        let item = &answer.json()["detail"][0];
        assert_eq!(item["loc"], json!(["body", "operations", 1, loc]), "{item}");
        assert!(text(&answer.json()["message"]).contains(message), "{item}");
    };
    refused(json!({"action": "add", "content": "x"}), "path", "operations[1].path is required").await;
    refused(json!({"action": "copy", "path": "a"}), "action", "must be 'add', 'replace'").await;
    refused(json!({"action": "remove", "path": "a", "condition": "bad"}), "condition", "'if_exists'").await;
    refused(json!({"action": "add", "path": "../x", "content": "x"}), "path", "'..'").await;
    let copy = json!({"operations": [{"action": "copy", "path": "a"}]});
    check(&app, batch(&id, &copy), 400, "\"input\":\"copy\",\"ctx\":{\"expected\":\"'add', 'replace'").await;
    refused(json!({"action": "add", "path": "a", "content": 5}), "content", "operations[1].content should be").await;
}

#[tokio::test]
async fn a_batch_of_too_many_operations_is_400_and_says_how_many() {
    let (app, id) = app().await;
    let body = format!("{{\"operations\":[{}0]}}", "0,".repeat(10_000));
    let path = format!("/ns/zip/{id}/batch/operations");
    check(&app, Call::post_json(&path, body), 400, "operations: there are 10001, the limit is 10000").await;
}

#[tokio::test]
async fn a_body_that_is_no_batch_is_400() {
    let (app, id) = app().await;
    let post = |body: &str| Call::post_json(&format!("/ns/zip/{id}/batch/operations"), body.to_owned());
    check(&app, post("[]"), 400, "\"type\":\"model_attributes_type\",\"loc\":[\"body\"]").await;
    check(&app, post("{\"operations\":{}}"), 400, "\"type\":\"list_type\",\"loc\":[\"body\",\"operations\"]").await;
    check(&app, post("{\"operations\":[1]}"), 400, "\"loc\":[\"body\",\"operations\",0]").await;
    check(&app, post("{\"atomic\":\"perhaps\"}"), 400, "\"type\":\"bool_parsing\",\"loc\":[\"body\",\"atomic\"]").await;
    check(&app, post(""), 400, "\"type\":\"missing\"").await;
}

#[tokio::test]
async fn the_batches_of_older_clients_are_understood() {
    let (app, id) = app().await;
    let operation = json!({"action": "add", "path": "n.txt", "content": "new", "new_path": "", "pattern": ""});
    let body = json!({"atomic": true, "cache_id": id, "strategy": "direct", "operations": [operation]});
    check(&app, batch(&id, &body), 200, "\"files_added\":[\"n.txt\"]").await;
}

#[tokio::test]
async fn a_missing_entry_is_404_to_read_400_to_edit_200_in_a_batch() {
    let app = App::new();
    for form in ["retrieve", "files/list", "file/retrieve/a"] {
        let call = Call::get(&format!("/ns/zip/{NOBODY}/{form}"));
        check(&app, call, 404, "\"message\":\"there is no entry with cache_id").await;
    }
    check(&app, add(NOBODY, "a", "x"), 400, "\"message\":\"there is no entry with cache_id").await;
    check(&app, remove(NOBODY, "a"), 400, "\"message\":\"there is no entry with cache_id").await;
    let answer = app.json(batch(NOBODY, &json!({}))).await;
    assert_eq!((&answer["success"], &answer["cache_id"]), (&json!(false), &json!(NOBODY)));
    assert_eq!(answer["error_message"], "Zip file not found in cache");
    assert!(text(&answer["message"]).contains("there is no entry"), "{answer}");
    check(&app, Call::get("/ns/zip/nope/files/list"), 400, "\"loc\":[\"query\",\"cache_id\"]").await;
    check(&app, batch("nope", &json!({})), 400, "\"loc\":[\"query\",\"cache_id\"]").await;
}

#[tokio::test]
async fn a_path_that_ends_where_the_member_should_begin_says_so() {
    let (app, id) = app().await;
    for blank in ["", "%20"] {
        check(&app, Call::get(&format!("/ns/zip/{id}/file/retrieve/{blank}")), 404, "file_path required").await;
        check(&app, add(&id, blank, "x"), 400, "file_path required").await;
        check(&app, remove(&id, blank), 400, "file_path required").await;
    }
}

#[tokio::test]
async fn an_entry_that_is_no_archive_is_refused() {
    let app = App::new();
    for kind in ["binary", "string"] {
        let id = stored(&app, Call::post(&format!("/ns/direct/store/{kind}"), "no archive")).await;
        check(&app, Call::get(&format!("/ns/zip/{id}/retrieve")), 400, "\"message\":\"the ").await;
        check(&app, Call::get(&format!("/ns/zip/{id}/files/list")), 404, "\"message\":\"the ").await;
        check(&app, add(&id, "a", "x"), 400, "\"message\":\"the ").await;
        check(&app, batch(&id, &json!({})), 200, "\"success\":false").await;
    }
    check(&app, Call::post("/ns/direct/zip/store/k/f", "not a zip"), 400, "no ZIP archive").await;
    let cut = a_and_b().slice(..100);
    check(&app, Call::post("/ns/direct/zip/store/k/f", cut), 400, "no ZIP archive").await;
}

#[tokio::test]
async fn a_batch_on_bytes_that_are_no_archive_fails_by_operation() {
    let app = App::new();
    let id = stored(&app, Call::post("/ns/direct/store/binary", "no archive")).await;
    let operations = json!([{"action": "remove", "path": "a"}, {"action": "add", "path": "b", "content": "x"}]);
    for (atomic, failed) in [(true, 1), (false, 2)] {
        let answer = app.json(batch(&id, &json!({"atomic": atomic, "operations": operations}))).await;
        assert_eq!((&answer["success"], &answer["rollback_performed"]), (&json!(false), &json!(atomic)), "{answer}");
        assert_eq!((&answer["operations_failed"], &answer["cache_id"]), (&json!(failed), &json!(id)), "{answer}");
        assert_eq!(answer["operation_results"][0]["error"], "File is not a zip file");
        assert_eq!((&answer["new_file_count"], &answer["new_size"]), (&json!(0), &json!(0)));
    }
}

#[tokio::test]
async fn a_binary_that_is_an_archive_will_do_even_compressed() {
    let app = App::new();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&a_and_b()).unwrap();
    let store = "/ns/direct/store/binary";
    for call in
        [Call::post(store, a_and_b()), Call::post(store, gzip.finish().unwrap()).header("content-encoding", "gzip")]
    {
        let id = stored(&app, call).await;
        assert_eq!(app.get(&format!("/ns/zip/{id}/retrieve")).await.body, a_and_b());
        let new = stored(&app, remove(&id, "a.txt")).await;
        assert_eq!(names(&app, &new).await, json!(["b.txt"]));
    }
}

#[tokio::test]
async fn a_member_that_would_be_unpacked_elsewhere_is_refused() {
    let sly = |with: &str| {
        let sound = zip([("xx/passwd", "x".into())]);
        let text: Vec<char> = sound.iter().map(|byte| char::from(*byte)).collect();
        let replaced = text.iter().collect::<String>().replace("xx/passwd", with);
        replaced.chars().map(|c| u8::try_from(c).unwrap()).collect::<Vec<u8>>()
    };
    let (app, id) = app().await;
    for (name, reason) in [("../passwd", "'..'"), ("//xpasswd", "absolute"), ("..\\passwd", "backslash")] {
        check(&app, Call::post("/ns/direct/zip/store/k/f", sly(name)), 400, reason).await;
    }
    for path in ["../x", "a/../../x", "/x", "%5Cx"] {
        check(&app, add(&id, path, "x"), 400, "\"loc\":[\"query\",\"file_path\"]").await;
    }
    // A binary is not looked into when it is stored. Its odd member can be seen and removed, but not handed on.
    let id = stored(&app, Call::post("/ns/direct/store/binary", sly("../passwd"))).await;
    assert_eq!(names(&app, &id).await, json!(["../passwd"]));
    check(&app, add(&id, "a", "x"), 400, "'..'").await;
    check(&app, remove(&id, "../passwd"), 200, "\"operation\":\"remove\"").await;
}

#[tokio::test]
async fn a_zip_bomb_is_413() {
    let app = App::new();
    let bomb = zip([("zeros", vec![0; 8 << 20].into())]);
    check(&app, Call::post("/ns/direct/zip/store/k/f", bomb.clone()), 413, "times as large").await;
    let id = stored(&app, Call::post("/ns/direct/store/binary", bomb)).await;
    check(&app, add(&id, "a", "x"), 413, "times as large").await;
    check(&app, batch(&id, &json!({})), 200, "\"success\":false").await;
}

#[tokio::test]
async fn content_beyond_the_limit_for_bodies_is_413() {
    let mut config = config();
    config.max_body_bytes = 1000;
    let app = App::with(config);
    let large = zip([("a", vec![b'x'; 600].into()), ("b", vec![b'y'; 600].into())]);
    check(&app, Call::post("/ns/direct/zip/store/k/f", large), 413, "more than 1000 bytes").await;
    let id = stored(&app, Call::post("/ns/direct/zip/store/k/f", zip([("a", vec![b'x'; 600].into())]))).await;
    check(&app, add(&id, "b", &"y".repeat(600)), 413, "more than 1000 bytes").await;
}

#[tokio::test]
async fn an_archive_of_ten_thousand_members_is_stored_and_edited() {
    let names: Vec<String> = (0..10_000).map(|index| format!("folder/{index}.txt")).collect();
    let large = zip(names.iter().map(|name| (name.as_str(), Bytes::from(name.clone()))));
    let app = App::new();
    let stored = app.json(Call::post("/ns/direct/zip/store/k/f", large)).await;
    assert_eq!(stored["file_count"], 10_000);
    let id = text(&stored["cache_id"]);
    check(&app, Call::get(&format!("/ns/zip/{id}/file/retrieve/folder/9999.txt")), 200, "folder/9999.txt").await;
    let answer = app.json(batch(&id, &json!({"operations": [{"action": "remove", "pattern": "*9.txt"}]}))).await;
    assert_eq!(answer["new_file_count"], 9_000);
}

#[tokio::test]
async fn strict_names_refuse_a_path_that_needs_sanitizing() {
    let mut config = config();
    config.strict_names = true;
    let app = App::with(config);
    let id = stored(&app, Call::post("/ns/direct/zip/store/k/f", a_and_b())).await;
    check(&app, add(&id, "a:b", "x"), 400, "'a_b' would be").await;
    let operations = json!([{"action": "add", "path": "a:b", "content": "x"}]);
    let refused = "\"loc\":[\"body\",\"operations\",0,\"path\"]";
    check(&app, batch(&id, &json!({"operations": operations})), 400, refused).await;
    check(&app, add(&id, "a_b", "x"), 200, "\"files_affected\":[\"a_b\"]").await;
}
