//! Malicious archives, and large valid ones.

use std::io::Write as _;

use cache_core::archive::{Archive, Limits};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use serde_json::{Value, json};

use super::Target;
use crate::support::{Mode, Reply, Request, Server};

/// One member, packed, with the size that the archive claims for it.
struct Member {
    name: Vec<u8>,
    packed: Vec<u8>,
    crc: u32,
    claimed: u32,
}

impl Member {
    fn new(name: &str, content: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        let mut crc = Crc::new();
        crc.update(content);
        let claimed = content.len().try_into().unwrap();
        Self { name: name.into(), packed: encoder.finish().unwrap(), crc: crc.sum(), claimed }
    }

    /// The fields that a member's own record and its entry in the list share (APPNOTE 4.3.7, 4.3.12).
    fn shared(&self) -> Vec<u8> {
        let mut shared = [20_u16, 0, 8, 0, 33].map(u16::to_le_bytes).concat();
        shared.extend([self.crc, self.packed.len() as u32, self.claimed].map(u32::to_le_bytes).concat());
        shared.extend([self.name.len() as u16, 0].map(u16::to_le_bytes).concat());
        shared
    }
}

/// An archive as written, with all its faults. The list shows each member `repeats` times.
fn zip(members: &[Member], repeats: usize) -> Vec<u8> {
    let (mut archive, mut list) = (Vec::new(), Vec::new());
    for member in members {
        let offset = archive.len() as u32;
        archive.extend([&b"PK\x03\x04"[..], &member.shared(), &member.name, &member.packed].concat());
        let shown = [
            &b"PK\x01\x02\x14\x00"[..],
            &member.shared(),
            &[0; 6],
            &0_u32.to_le_bytes(),
            &offset.to_le_bytes(),
            &member.name,
        ];
        list.extend(shown.concat().repeat(repeats));
    }
    let count = ((members.len() * repeats) as u16).to_le_bytes();
    let (size, start) = ((list.len() as u32).to_le_bytes(), (archive.len() as u32).to_le_bytes());
    [&archive[..], &list, b"PK\x05\x06\0\0\0\0", &count, &count, &size, &start, &[0, 0]].concat()
}

fn store(archive: Vec<u8>) -> Request {
    Request::post("/h/direct/zip/store/packs/p").binary(archive)
}

/// One member, of more than any body may have.
fn bomb() -> Vec<u8> {
    zip(&[Member::new("zeros", &vec![0; 65 << 20])], 1)
}

#[tokio::test]
async fn an_archive_as_it_should_be_is_stored() {
    let target = Target::start().await;
    let reply = target.server.client().send(store(zip(&[Member::new("a.txt", b"a")], 1))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn a_member_name_that_escapes_is_refused() {
    let target = Target::start().await;
    for name in ["../evil", "a/../../evil", "/etc/passwd", "..\\evil", "C:\\evil", "C:evil", "..", "a/..", "x\0y", ""] {
        target.refuses(store(zip(&[Member::new(name, b"x")], 1)), 400, &["name of member"]).await;
    }
}

#[tokio::test]
async fn bombs_of_every_make_are_refused() {
    let target = Target::start().await;
    target.refuses(store(bomb()), 413, &[]).await;
    let nested = zip(&[Member::new("inner.zip", &vec![b' '; 2 << 20])], 1);
    target.refuses(store(nested), 413, &[]).await;
    let many: Vec<Member> = (0..30).map(|n| Member::new(&format!("{n}"), &vec![0; 1 << 20])).collect();
    target.refuses(store(zip(&many, 1)), 413, &[]).await;
    let understated = Member { claimed: 10, ..Member::new("zeros", &vec![0; 8 << 20]) };
    target.refuses(store(zip(&[understated], 1)), 400, &[]).await;
    let overstated = Member { claimed: u32::MAX, ..Member::new("a", b"a") };
    target.refuses(store(zip(&[overstated], 1)), 413, &[]).await;
}

#[tokio::test]
async fn members_that_share_their_bytes_are_refused() {
    let target = Target::start().await;
    let shared = zip(&[Member::new("a", &b"content".repeat(1000))], 1000);
    target.refuses(store(shared), 400, &["archive"]).await;
}

#[tokio::test]
async fn an_archive_within_an_archive_is_only_bytes() {
    let server = Server::start(&Mode::Memory).await;
    let mut archive = zip(&[Member::new("a.txt", b"innermost")], 1);
    for depth in 0..20 {
        archive = zip(&[Member::new(&format!("{depth}.zip"), &archive)], 1);
    }
    let id = success(server.client().send(store(archive)).await)["cache_id"].as_str().unwrap().to_owned();
    let listed = success(server.client().send(Request::get(&format!("/h/zip/{id}/files/list"))).await);
    assert_eq!(listed["file_list"], json!(["19.zip"]));
}

#[tokio::test]
async fn a_bomb_that_was_stored_as_plain_bytes_is_not_unpacked() {
    let server = Server::start(&Mode::Memory).await;
    let stored = server.client().send(Request::post("/h/direct/store/binary").binary(bomb())).await;
    let id = stored.field("cache_id");
    let calls = [
        Request::get(&format!("/h/zip/{id}/file/retrieve/zeros")),
        Request::post(&format!("/h/zip/{id}/file/add/from/string/a")).text("x"),
        Request::delete(&format!("/h/zip/{id}/file/delete/zeros")),
    ];
    for call in calls {
        let what = format!("{call:?}");
        let reply = server.client().send(call).await;
        assert!((400..500).contains(&reply.status.as_u16()), "{what}: {} {}", reply.status, reply.body.len());
    }
}

#[tokio::test]
async fn an_archive_cut_or_altered_anywhere_is_no_5xx() {
    let server = Server::start(&Mode::Memory).await;
    let whole = zip(&[Member::new("a.txt", b"some text"), Member::new("b/c.txt", b"other text")], 1);
    for place in 0..whole.len() {
        let mut altered = whole.clone();
        altered[place] ^= 0xff;
        for archive in [whole[..place].to_vec(), altered] {
            let reply = server.client().send(store(archive)).await;
            assert!(reply.status.as_u16() < 500, "at {place}: {} {}", reply.status, reply.text());
        }
    }
}

#[tokio::test]
async fn ten_thousand_members_are_stored_listed_and_edited() {
    let server = Server::start(&Mode::Disk).await;
    let client = server.client();
    let mut many = Archive::empty(&Limits::default());
    for n in 0..10_000 {
        many.add(&format!("folder/{n}.txt").parse().unwrap(), format!("content {n}").into()).unwrap();
    }
    let stored = success(client.send(store(many.to_bytes().unwrap().to_vec())).await);
    assert_eq!(stored["file_count"], 10_000);
    let at = |id: &Value| format!("/h/zip/{}", id.as_str().unwrap());
    let listed = success(client.send(Request::get(&format!("{}/files/list", at(&stored["cache_id"])))).await);
    assert_eq!(listed["file_list"].as_array().unwrap().len(), 10_000);
    let add = Request::post(&format!("{}/file/add/from/string/new.txt", at(&stored["cache_id"]))).text("new");
    let added = success(client.send(add).await);
    let operations = json!({"operations": [{"action": "remove", "pattern": "folder/1*.txt"}]}).to_string();
    let batch = Request::post(&format!("{}/batch/operations", at(&added["cache_id"]))).json(operations);
    let batched = success(client.send(batch).await);
    assert_eq!(batched["new_file_count"], 10_001 - 1_111, "{}", batched["error_message"]);
    let last = Request::get(&format!("{}/file/retrieve/folder/9999.txt", at(&batched["cache_id"])));
    assert_eq!(client.send(last).await.text(), "content 9999");
}

fn success(reply: Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}
