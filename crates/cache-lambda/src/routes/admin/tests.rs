use http::Method;
use serde_json::{Value, json};

use crate::test_support::{Answer, App, Call};

/// Checks the response to a call below `/admin/storage/` after the stores of [`filled`].
async fn check(method: Method, path: &str, status: u16, expected: &str) {
    let answer = send(&filled().await, method, path).await;
    assert_eq!(answer.status, status, "{path}: {}", answer.text());
    assert!(answer.text().contains(expected), "{path}: {}", answer.text());
}

async fn send(app: &App, method: Method, path: &str) -> Answer {
    app.send(Call::new(method, &format!("/admin/storage/{path}"))).await
}

/// A document under a key, and a text.
async fn filled() -> App {
    let app = App::new();
    let page = "{ \"html\": \"<h1>hi</h1>\" }";
    app.json(Call::post("/ns/key_based/store/json/k1/k2?file_id=f", page)).await;
    app.json(Call::post("/ns/key_based/store/string/k1?file_id=t", "text")).await;
    app
}

/// An entry with these paths, the first of which is its view.
async fn stored(app: &App, strategy: &str, content: &'static str) -> (String, String) {
    let stored = app.json(Call::post(&format!("/ns/{strategy}/store/string/a/b?file_id=f"), content)).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&stored["cache_id"]), text(&stored["paths"]["data"][0]))
}

const PAGE: &str = "ns/data/key-based/k1/k2/f.json";

#[tokio::test]
async fn a_file_is_read_as_bytes_as_content_and_as_json() {
    let compact = "{\"html\":\"<h1>hi</h1>\"}";
    for form in ["bytes", "content", "json"] {
        check(Method::GET, &format!("file/{form}/{PAGE}"), 200, compact).await;
    }
    check(Method::GET, &format!("file/exists/{PAGE}"), 200, "{\"exists\":true,\"path\":\"ns/data/").await;
    check(Method::GET, "file/exists/caf%C3%A9", 200, "{\"exists\":false,\"path\":\"café\"}").await;
    check(Method::GET, "file/json/ns/data/key-based/k1/t.txt", 400, "is not JSON: read it with").await;
    check(Method::GET, "bucket-name", 200, "{\"bucket-name\":\"NA\"}").await;
}

#[tokio::test]
async fn a_missing_file_is_404_with_its_path() {
    let expected = "{\n    \"error_type\": \"FILE_NOT_FOUND\",\n    \"resource\": \"file\",";
    for form in ["bytes", "content", "json", "html"] {
        check(Method::GET, &format!("file/{form}/ns/nope.json"), 404, expected).await;
        check(Method::GET, &format!("file/{form}/"), 404, "\"path\": \"\"").await;
    }
}

#[tokio::test]
async fn stored_html_is_served_in_a_sandbox() {
    let answer = send(&filled().await, Method::GET, &format!("file/html/{PAGE}")).await;
    assert_eq!(
        (answer.text().as_str(), answer.header("content-type")),
        ("<h1>hi</h1>", Some("text/html; charset=utf-8"))
    );
    assert_eq!(answer.header("content-security-policy"), Some(super::STORED_HTML_POLICY));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn content_has_the_type_of_its_entry() {
    let app = filled().await;
    let read = async |path: &str| {
        let answer = send(&app, Method::GET, &format!("file/content/{path}")).await;
        (answer.text(), answer.header("content-type").unwrap().to_owned())
    };
    let text = ("text".to_owned(), "text/plain; charset=utf-8".to_owned());
    assert_eq!(read("ns/data/key-based/k1/t.txt").await, text);
    let stored = app.json(Call::post("/ns/temporal/store/string", "text")).await;
    let dated = stored["paths"]["data"][0].as_str().unwrap();
    assert_eq!(read(dated).await, text);
    let (pointer, content_type) = read(&format!("{dated}?physical=true")).await;
    assert_eq!(content_type, "application/json");
    assert!(!pointer.contains("text"), "{pointer}");
}

#[tokio::test]
async fn a_view_leads_to_what_the_entry_holds_now() {
    let app = App::new();
    let (id, latest) = stored(&app, "temporal_latest", "one").await;
    app.json(Call::post(&format!("/ns/update/{id}/string"), "two")).await;
    assert_eq!(send(&app, Method::GET, &format!("file/bytes/{latest}")).await.text(), "two");
}

#[tokio::test]
async fn files_and_folders_are_listed_by_name_or_path() {
    let list = async |path: &str| send(&filled().await, Method::GET, path).await.json();
    for folder in ["k1/k2", "k1/k2/"] {
        assert_eq!(list(&format!("files/in/ns/data/key-based/{folder}")).await, json!(["f.json"]));
    }
    assert_eq!(list("files/in/ns/data/key-based/k1").await, json!(["t.txt"]));
    assert_eq!(list("files/in/ns/data/key-based/k1/k2?return_full_path=true").await, json!([PAGE]));
    let both = json!([PAGE, "ns/data/key-based/k1/t.txt"]);
    assert_eq!(list("files/in/ns/data?recursive=true").await, both);
    assert_eq!(list("files/parent-path?path=ns/data/key-based/k1/k2").await, json!(["f.json"]));
    let all = list("files/all/ns/data").await;
    assert_eq!((&all["file_count"], &all["files"]), (&json!(2), &both));
    assert_eq!(list("files/all/none").await["file_count"], 0);
    assert_eq!(list("folders/").await, json!(["ns"]));
    assert_eq!(list("folders").await, json!(["ns"]));
    assert_eq!(list("folders/ns").await, json!(["data", "refs"]));
    assert_eq!(list("folders?path=ns/data&return_full_path=True").await, json!(["ns/data/key-based"]));
    let deep = json!(["key-based", "key-based/k1", "key-based/k1/k2"]);
    assert_eq!(list("folders/ns/data?recursive=true").await, deep);
    assert_eq!(list("folders/none").await, json!([]));
}

#[tokio::test]
async fn a_listing_can_be_paged() {
    let app = filled().await;
    for (list, whole) in
        [("files/all/ns", "files"), ("files/in/ns?recursive=1", ""), ("folders/ns?recursive=1", ""), ("folders/ns", "")]
    {
        let all = send(&app, Method::GET, list).await.json();
        let all = if whole.is_empty() { all } else { all[whole].clone() };
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let mark = if list.contains('?') { '&' } else { '?' };
            let page = send(&app, Method::GET, &format!("{list}{mark}limit=1&cursor={cursor}")).await.json();
            seen.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(Value::Array(seen), all, "{list}");
    }
    check(Method::GET, "files/all/ns?cursor=other/x", 400, "pass the next_cursor of the page before").await;
}

#[tokio::test]
async fn a_path_cannot_leave_the_storage() {
    for path in ["../etc/passwd", "a/../b", "a//b", "/a", "a%5Cb", "a/"] {
        for call in ["file/exists", "file/bytes", "file/content", "file/json", "file/html"] {
            check(Method::GET, &format!("{call}/{path}"), 400, "path is refused").await;
        }
        check(Method::DELETE, &format!("file/delete/{path}"), 400, "path is refused").await;
    }
    check(Method::GET, "files/all/../x", 400, "path is refused").await;
    check(Method::GET, "folders?path=../x", 400, "path is refused").await;
}

#[tokio::test]
async fn deleting_a_view_or_a_record_deletes_the_entry() {
    for strategy in ["key_based", "temporal", "temporal_latest"] {
        let app = App::new();
        let (id, view) = stored(&app, strategy, "x").await;
        let answer = send(&app, Method::DELETE, &format!("file/delete/{view}")).await;
        assert_eq!(answer.json(), json!({"path": view, "deleted": true}), "{strategy}");
        assert_eq!(app.get(&format!("/ns/exists/id/{id}")).await.json()["exists"], false);
        assert_eq!(app.get("/admin/storage/files/all/ns").await.json()["file_count"], 0, "{strategy}");
        assert_eq!(send(&app, Method::DELETE, &view).await.json(), json!(false));
    }
    let app = App::new();
    let (id, _) = stored(&app, "direct", "x").await;
    let record = format!("ns/refs/by-id/{}/{}/{id}.json", &id[..2], &id[2..4]);
    assert_eq!(send(&app, Method::DELETE, &record).await.json(), json!(true));
    assert_eq!(send(&app, Method::GET, &format!("file/exists/{record}")).await.json()["exists"], false);
    let manifest = "ns/refs/by-hash/2d/71/2d711642b726b044";
    assert_eq!(send(&app, Method::GET, &format!("file/exists/{manifest}")).await.json()["exists"], false);
    let tombstone = send(&app, Method::GET, &format!("file/exists/{manifest}?physical=1")).await;
    assert_eq!(tombstone.json()["exists"], true);
    assert_eq!(app.get(&format!("/ns/retrieve/{id}/string")).await.status, 404);
}

#[tokio::test]
async fn a_readable_copy_without_a_file_id_deletes_its_entry() {
    let app = App::new();
    for path in ["key_based/store/string", "key_based/store/string/a/b"] {
        let stored = app.json(Call::post(&format!("/ns/{path}"), "x")).await;
        let copy = stored["paths"]["data"][0].as_str().unwrap();
        assert_eq!(send(&app, Method::DELETE, &format!("file/delete/{copy}")).await.json()["deleted"], true);
    }
    assert_eq!(app.get("/ns/file-ids").await.json(), json!([]));
}

#[tokio::test]
async fn a_manifest_stays_unless_forced_and_a_rendered_index_stays() {
    let app = App::new();
    app.json(Call::post("/ns/direct/store/string", "text")).await;
    let manifest = "ns/refs/by-hash/98/2d/982d9e3eb996f559";
    for path in [manifest, "ns/refs/by-hash/98/2d/982d9e3eb996f559.json"] {
        let answer = send(&app, Method::DELETE, &format!("file/delete/{path}")).await;
        assert_eq!(answer.status, 409, "{}", answer.text());
        assert!(answer.text().contains("delete these entries"), "{}", answer.text());
    }
    assert_eq!(send(&app, Method::DELETE, &format!("{manifest}?force=true")).await.json(), json!(true));
    assert_eq!(send(&app, Method::DELETE, &format!("file/delete/{manifest}")).await.json()["deleted"], false);
}

#[tokio::test]
async fn a_child_is_deleted_by_its_path() {
    let app = App::new();
    let (id, _) = stored(&app, "direct", "x").await;
    let child = app.json(Call::post(&format!("/ns/cache/{id}/data/store/string/k/c"), "child")).await;
    let path = child["data_files_created"][0].as_str().unwrap();
    assert_eq!(send(&app, Method::GET, &format!("file/content/{path}")).await.text(), "child");
    assert_eq!(send(&app, Method::DELETE, &format!("file/delete/{path}")).await.json()["deleted"], true);
    assert_eq!(app.get(&format!("/ns/cache/{id}/data/list")).await.json()["file_count"], 0);
    assert_eq!(app.get(&format!("/ns/exists/id/{id}")).await.json()["exists"], true);
}
