//! Defects of lists and of the admin routes.

use futures::future::join;
use futures::future::join_all;
use serde_json::json;

use super::everywhere;
use crate::support::Request;

#[tokio::test]
async fn lists_are_answered_while_stores_go_on() {
    everywhere("busy", async |space| {
        let stores = join_all((0..20).map(|n| space.post("temporal/store/string", format!("entry {n}"))));
        let lists =
            ["/busy/file-ids", "/busy/file-hashes", "/busy/stats", "/namespaces/list", "/admin/storage/files/all/busy"];
        let lists = join_all(lists.iter().cycle().take(20).map(|list| space.succeeds(Request::get(list))));
        join(stores, lists).await;
        assert_eq!(space.get("file-ids").await.json().as_array().unwrap().len(), 20);
    })
    .await;
}

#[tokio::test]
async fn a_child_is_listed_once_whatever_the_strategy() {
    everywhere("once", async |space| {
        for strategy in ["direct", "temporal", "temporal_latest", "temporal_versioned", "key_based"] {
            let id = space.store(&format!("{strategy}/store/string/k?file_id={strategy}"), strategy).await;
            space.post(&format!("cache/{id}/data/store/string/below/here/c"), "child").await;
            let list = space.get(&format!("cache/{id}/data/list")).await.json();
            assert_eq!((&list["file_count"], &list["total_size"]), (&json!(1), &json!(5)), "{strategy}: {list}");
            let deleted = space.delete(&format!("cache/{id}/data/delete/all")).await;
            assert_eq!(deleted["deleted_count"], 1, "{strategy}: {deleted}");
        }
    })
    .await;
}

#[tokio::test]
async fn every_list_is_answered_by_every_storage() {
    everywhere("lists", async |space| {
        let id = space.store("key_based/store/string/k?file_id=f", "text").await;
        space.post(&format!("cache/{id}/data/store/string/c"), "child").await;
        let children = [format!("/lists/cache/{id}/data/list"), format!("/lists/cache/{id}/data/list/nothing/here")];
        let lists = [
            "/lists/file-ids",
            "/lists/file-hashes",
            "/lists/stats",
            "/lists/entries",
            "/namespaces/list",
            "/admin/storage/files/in/lists/data/key-based/k",
            "/admin/storage/files/all/lists",
            "/admin/storage/files/parent-path?path=lists/data",
            "/admin/storage/folders/lists?recursive=true",
            "/admin/storage/folders",
            "/admin/storage/folders/",
        ];
        for list in lists.into_iter().chain(children.iter().map(String::as_str)) {
            space.succeeds(Request::get(list)).await;
        }
        assert_eq!(space.get("file-ids").await.json(), json!([id]));
        let cleared = space.succeeds(Request::delete("/test-data/clear/lists")).await.json();
        assert_eq!(cleared["success"], true, "{cleared}");
        assert_eq!(space.files().await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_missing_file_is_404_and_a_file_that_is_no_json_is_400() {
    everywhere("admin-files", async |space| {
        space.store("key_based/store/string/k?file_id=f", "no JSON").await;
        for form in ["bytes", "content", "json", "html"] {
            let target = format!("/admin/storage/file/{form}/admin-files/data/key-based/k/nothing.txt");
            space.refused(Request::get(&target), 404).await;
        }
        for form in ["json", "html"] {
            let target = format!("/admin/storage/file/{form}/admin-files/data/key-based/k/f.txt");
            space.refused(Request::get(&target), 400).await;
        }
    })
    .await;
}

#[tokio::test]
async fn names_of_underscores_are_refused_and_break_no_list() {
    everywhere("under", async |space| {
        for target in [
            "/___/direct/store/string",
            "/under/direct/store/string/k?file_id=..",
            "/under/direct/store/string/k?file_id=!!",
        ] {
            space.refused(Request::post(target).text("x"), 400).await;
        }
        space.succeeds(Request::get("/namespaces/list")).await;
        space.succeeds(Request::get("/admin/storage/folders/")).await;
    })
    .await;
}
