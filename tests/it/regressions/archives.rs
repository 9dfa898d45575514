//! Defects of archives.

use cache_core::archive::{Archive, Limits};
use serde_json::{Value, json};

use super::{Space, everywhere, text};
use crate::support::Request;

fn zip(members: &[(&str, &'static str)]) -> Vec<u8> {
    let mut archive = Archive::empty(&Limits::default());
    for (name, content) in members {
        archive.add(&name.parse().unwrap(), (*content).into()).unwrap();
    }
    archive.to_bytes().unwrap().to_vec()
}

/// Stores an archive of `a.txt` and `b.txt` by another strategy than direct, and returns its id.
async fn stored(space: &Space) -> String {
    let archive = zip(&[("a.txt", "a"), ("b.txt", "b")]);
    text(&space.post("temporal/zip/store/packs/p", archive).await["cache_id"])
}

async fn batch(space: &Space, id: &str, operations: Value) -> Value {
    space.post(&format!("zip/{id}/batch/operations"), json!({ "operations": operations }).to_string()).await
}

async fn names(space: &Space, id: &str) -> Value {
    space.get(&format!("zip/{id}/files/list")).await.json()["file_list"].clone()
}

#[tokio::test]
async fn a_batch_keeps_the_strategy_and_hashes_the_content() {
    everywhere("batch", async |space| {
        let id = stored(&space).await;
        let edited = batch(&space, &id, json!([{"action": "add", "path": "c.txt", "content": "c"}])).await;
        let refs = space.get(&format!("retrieve/{}/refs", text(&edited["cache_id"]))).await.json();
        let whole = space.post("direct/zip/store/x/y", zip(&[("a.txt", "a"), ("b.txt", "b"), ("c.txt", "c")])).await;
        assert_eq!((&refs["strategy"], &refs["cache_hash"]), (&json!("temporal"), &whole["cache_hash"]), "{refs}");
    })
    .await;
}

#[tokio::test]
async fn a_skipped_operation_is_not_counted_and_stores_nothing() {
    everywhere("unmet", async |space| {
        let id = stored(&space).await;
        let operation = json!([{"action": "add", "path": "a.txt", "content": "x", "condition": "if_not_exists"}]);
        let done = batch(&space, &id, operation).await;
        assert_eq!((&done["operations_applied"], &done["cache_id"]), (&json!(0), &json!(id)), "{done}");
        assert_eq!(space.get("file-ids").await.json(), json!([id]));
    })
    .await;
}

#[tokio::test]
async fn no_edit_makes_a_member_twice() {
    everywhere("duplicates", async |space| {
        let id = stored(&space).await;
        let added = batch(&space, &id, json!([{"action": "add", "path": "a.txt", "content": "new"}])).await;
        assert_eq!(names(&space, &text(&added["cache_id"])).await, json!(["a.txt", "b.txt"]));
        let renamed = batch(&space, &id, json!([{"action": "rename", "path": "a.txt", "new_path": "b.txt"}])).await;
        assert_eq!((&renamed["success"], &renamed["cache_id"]), (&json!(false), &json!(id)), "{renamed}");
        let again = space.post(&format!("zip/{id}/file/add/from/string/a.txt"), "newer").await;
        assert_eq!(names(&space, &text(&again["cache_id"])).await, json!(["a.txt", "b.txt"]));
    })
    .await;
}

#[tokio::test]
async fn an_unknown_action_fails_alone_and_a_missing_path_is_400() {
    everywhere("operations", async |space| {
        let target = space.path(&format!("zip/{}/batch/operations", stored(&space).await));
        for (operation, error) in [
            (json!({"action": "list"}), "Unknown action: list"),
            (json!({"action": "get", "path": "a.txt"}), "Unknown action: get"),
            (json!({"path": "a.txt"}), "Unknown action: None"),
        ] {
            let body = json!({ "operations": [operation] }).to_string();
            let answer = space.succeeds(Request::post(&target).json(body)).await.json();
            assert_eq!((&answer["success"], &answer["rollback_performed"]), (&json!(false), &json!(true)), "{answer}");
            assert_eq!(answer["operation_results"][0]["error"], error, "{answer}");
        }
        let nameless = json!({"operations": [{"action": "add", "content": "x"}]}).to_string();
        space.refused(Request::post(&target).json(nameless), 400).await;
    })
    .await;
}

#[tokio::test]
async fn deleting_an_absent_member_is_404_and_stores_nothing() {
    everywhere("absent", async |space| {
        let id = stored(&space).await;
        space.refused(Request::delete(&space.path(&format!("zip/{id}/file/delete/absent.txt"))), 404).await;
        assert_eq!(space.get("file-ids").await.json(), json!([id]));
    })
    .await;
}

#[tokio::test]
async fn a_member_that_would_be_unpacked_elsewhere_is_refused() {
    everywhere("escape", async |space| {
        let id = stored(&space).await;
        for name in ["..%2fevil", "a/..%2f..%2fevil", "%2fetc%2fpasswd", "..%5cevil"] {
            let target = space.path(&format!("zip/{id}/file/add/from/string/{name}"));
            space.refused(Request::post(&target).body("x"), 400).await;
        }
        assert_eq!(space.get("file-ids").await.json(), json!([id]));
    })
    .await;
}
