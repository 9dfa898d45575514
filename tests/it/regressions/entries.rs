//! Defects in the content and the metadata of an entry.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::{Space, everywhere, text};
use crate::support::Request;

const STRATEGIES: [&str; 5] = ["direct", "temporal", "temporal_latest", "temporal_versioned", "key_based"];
const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";

#[tokio::test]
async fn stats_count_the_entries_of_their_namespace_only() {
    everywhere("stats", async |space| {
        let neighbour = Space { namespace: "stats-2".to_owned(), client: space.client.clone(), ..space };
        neighbour.store("direct/store/string", "not ours").await;
        let space = Space { namespace: "stats".to_owned(), ..neighbour };
        for strategy in STRATEGIES {
            space.store(&format!("{strategy}/store/string"), strategy).await;
        }
        space.store("direct/store/string", "direct").await;
        let stats = space.get("stats").await.json();
        let direct =
            (&stats["direct_files"], &stats["refs_id_files"], &stats["refs_hash_files"], &stats["total_files"]);
        assert_eq!(direct, (&json!(2), &json!(6), &json!(5), &json!(17)), "{stats}");
        for name in ["temporal_files", "temporal_latest_files", "temporal_versioned_files", "key_based_files"] {
            assert_eq!(stats[name], 1, "{name} in {stats}");
        }
    })
    .await;
}

#[tokio::test]
async fn sizes_are_those_of_the_content() {
    everywhere("sizes", async |space| {
        for (kind, body) in [("string", "héllo"), ("json", r#"{"a":1}"#), ("binary", "\u{1}\u{2}\u{3}")] {
            let stored = space.post(&format!("direct/store/{kind}"), body).await;
            assert_eq!(stored["size"], body.len(), "{stored}");
            let entry = space.get(&format!("retrieve/{}", text(&stored["cache_id"]))).await.json();
            assert_eq!(entry["metadata"]["content_size"], body.len(), "{entry}");
            assert!(kind != "binary" || entry["size"] == body.len(), "{entry}");
        }
    })
    .await;
}

#[tokio::test]
async fn storing_again_under_a_key_makes_a_version() {
    everywhere("versions", async |space| {
        for strategy in ["temporal_versioned", "temporal_latest", "key_based"] {
            let place = format!("{strategy}/store/string/reports/daily?file_id=summary");
            let (first, second) = (space.post(&place, "first").await, space.post(&place, "the second").await);
            assert_eq!((&first["key_version"], &second["key_version"]), (&json!(1), &json!(2)), "{strategy}");
            assert_ne!(first["cache_hash"], second["cache_hash"]);
            assert_eq!((&first["size"], &second["size"]), (&json!(5), &json!(10)), "{strategy}");
            let key = format!("retrieve/key/{strategy}/reports/daily/summary");
            assert_eq!(space.get(&format!("{key}?as=string&version=1")).await.text(), "first");
            assert_eq!(space.get(&format!("{key}?as=string")).await.text(), "the second");
            let of_first = format!("retrieve/{}", text(&first["cache_id"]));
            assert_eq!(space.get(&format!("{of_first}/string")).await.text(), "first", "{strategy}");
            let metadata = space.get(&format!("{of_first}/metadata")).await.json();
            assert_eq!(metadata["content__size"], 5, "{metadata}");
            let by_hash = format!("retrieve/hash/{}/string", text(&first["cache_hash"]));
            assert_eq!(space.get(&by_hash).await.text(), "first", "{strategy}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_update_counts_bytes_refuses_bytes_for_a_text_and_needs_an_entry() {
    everywhere("updates", async |space| {
        for (kind, body) in [("string", "größer"), ("json", r#"{"b":2,"c":[3]}"#), ("binary", "\u{0}\u{1}")] {
            let id = space.store(&format!("direct/store/{kind}"), r#"{"before":1}"#).await;
            let updated = space.post(&format!("update/{id}/{kind}"), body).await;
            assert_eq!((&updated["size"], &updated["revision"]), (&json!(body.len()), &json!(1)), "{updated}");
            assert_eq!(space.get(&format!("retrieve/{id}/{kind}")).await.text(), body);
            if kind != "binary" {
                space.refused(Request::post(&space.path(&format!("update/{id}/binary"))).body("{}"), 400).await;
            }
            assert_eq!(space.get(&format!("retrieve/{id}/{kind}")).await.text(), body);
            space.refused(Request::post(&space.path(&format!("update/{NOBODY}/{kind}"))).body("{}"), 404).await;
        }
    })
    .await;
}

#[tokio::test]
async fn children_go_with_their_entry() {
    everywhere("orphans", async |space| {
        for strategy in STRATEGIES {
            let id = space.store(&format!("{strategy}/store/string/k?file_id={strategy}"), strategy).await;
            space.post(&format!("cache/{id}/data/store/string/notes/n1"), "a child").await;
            assert_eq!(space.delete(&format!("delete/{id}")).await["failed_count"], 0);
            assert_eq!(space.files().await, [""; 0], "{strategy}");
        }
    })
    .await;
}

#[tokio::test]
async fn deleting_one_of_two_equal_entries_leaves_the_other() {
    everywhere("twins", async |space| {
        for strategy in STRATEGIES {
            let place = format!("{strategy}/store/string/k?file_id={strategy}");
            let (first, second) = (space.store(&place, strategy).await, space.store(&place, strategy).await);
            space.delete(&format!("delete/{second}")).await;
            assert_eq!(space.get(&format!("retrieve/{first}/string")).await.text(), strategy);
            assert_eq!((space.exists(&first).await, space.exists(&second).await), (json!(true), json!(false)));
        }
    })
    .await;
}

#[tokio::test]
async fn exists_is_false_however_an_entry_was_deleted() {
    everywhere("gone", async |space| {
        for strategy in ["temporal", "temporal_latest", "temporal_versioned", "key_based"] {
            let stored = space.post(&format!("{strategy}/store/string/k?file_id={strategy}"), strategy).await;
            let (id, hash) = (text(&stored["cache_id"]), text(&stored["cache_hash"]));
            let view = text(&stored["paths"]["data"][0]);
            space.succeeds(Request::delete(&format!("/admin/storage/file/delete/{view}"))).await;
            assert_eq!(space.exists(&id).await, false, "{strategy}");
            assert_eq!(space.get(&format!("exists/hash/{hash}")).await.json()["exists"], false, "{strategy}");
        }
    })
    .await;
}

#[tokio::test]
async fn compressed_json_of_any_kind_comes_back_byte_for_byte() {
    everywhere("gzip", async |space| {
        for content in ["{ \"b\": 1.0,\n \"a\": 2 }", "123", "true", "[1, 2]", "null", "\"text\"", "no JSON"] {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(content.as_bytes()).unwrap();
            let request = Request::post(&space.path("direct/store/binary")).header("content-encoding", "gzip");
            let id = space.succeeds(request.binary(encoder.finish().unwrap())).await.field("cache_id");
            assert_eq!(space.get(&format!("retrieve/{id}/binary")).await.text(), content);
            for form in ["", "/string", "/json"] {
                space.get(&format!("retrieve/{id}{form}")).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn empty_child_data_is_stored_updated_and_read() {
    everywhere("empty-children", async |space| {
        let parent = space.store("direct/store/string", "parent").await;
        let children = format!("cache/{parent}/data");
        for (kind, empty, other) in
            [("json", "{}", r#"{"a":1}"#), ("string", "\"\"", "\"x\""), ("binary", "\"\"", "\"x\"")]
        {
            let post = async |verb: &str, body: &str| {
                let target = space.path(&format!("{children}/{verb}/{kind}/c"));
                space.succeeds(Request::post(&target).json(body.to_owned())).await
            };
            let read = async || space.get(&format!("{children}/{kind}/c")).await.text();
            post("store", empty).await;
            assert_eq!(read().await, empty.trim_matches('"'), "{kind}");
            post("update", other).await;
            assert_eq!(read().await, other.trim_matches('"'), "{kind}");
            if kind == "json" {
                post("update", empty).await;
                assert_eq!(read().await, empty, "{kind}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_invented_about_a_missing_entry() {
    everywhere("missing", async |space| {
        for about in ["", "/config", "/metadata", "/refs", "/refs/all", "/string", "/json", "/binary"] {
            space.refused(Request::get(&space.path(&format!("retrieve/{NOBODY}{about}"))), 404).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_keyed_hash_is_that_of_the_content() {
    everywhere("keyed-hash", async |space| {
        let plain = space.post("direct/store/json", r#"{"a":1}"#).await;
        let keyed = space.post("key_based/store/json/some/key?file_id=f", r#"{"a":1}"#).await;
        assert_eq!(plain["cache_hash"], keyed["cache_hash"]);
    })
    .await;
}

#[tokio::test]
async fn a_body_needs_no_content_type() {
    everywhere("untyped", async |space| {
        for (kind, body) in [("string", "plain text"), ("json", r#"{"a":1}"#), ("binary", "\u{0}\u{1}")] {
            let id = space.store(&format!("direct/store/{kind}"), body).await;
            assert_eq!(space.get(&format!("retrieve/{id}/{kind}")).await.text(), body);
        }
    })
    .await;
}

#[tokio::test]
async fn deep_json_and_long_numbers_come_back_as_they_were_sent() {
    everywhere("deep", async |space| {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(128), "}".repeat(128));
        let long = format!(r#"{{"n":{},"x":1.10E+2}}"#, "7".repeat(5000));
        for body in [deep, long] {
            let id = space.store("direct/store/json", &body).await;
            assert_eq!(space.get(&format!("retrieve/{id}/json")).await.text(), body);
        }
    })
    .await;
}

#[tokio::test]
async fn temporal_folders_are_in_utc() {
    everywhere("utc", async |space| {
        let stored = space.post("temporal/store/string", "now").await;
        let id = text(&stored["cache_id"]);
        let stored_at = space.get(&format!("retrieve/{id}")).await.json()["metadata"]["stored_at"].as_u64().unwrap();
        let hour = stored_at / 3_600_000 % 24;
        let path = text(&stored["paths"]["data"][0]);
        assert_eq!(path.split('/').nth(6), Some(format!("{hour:02}").as_str()), "{path}");
    })
    .await;
}
