use proptest::prelude::*;

use super::*;
use crate::test_support::{Answer, App, Call, gzipped};

/// An application with one entry, and where its content is read as binary.
async fn stored(content: impl Into<Bytes>, encoding: &str) -> (App, String) {
    let app = App::new();
    let call = Call::post("/ns/direct/store/binary", content).header("content-encoding", encoding);
    let id = app.json(call).await["cache_id"].as_str().unwrap().to_owned();
    (app, format!("/ns/retrieve/{id}"))
}

/// The answer to a read of `0123456789` with these headers, in which `TAG` and `DATE` stand for its own.
async fn read(headers: &[(&'static str, &str)]) -> Answer {
    let (app, path) = stored("0123456789", "").await;
    let first = app.get(&format!("{path}/binary")).await;
    let (tag, date) = (first.header("etag").unwrap(), first.header("last-modified").unwrap());
    let own = |value: &str| value.replace("TAG", tag).replace("DATE", date);
    let call = Call::get(&format!("{path}/binary"));
    app.send(headers.iter().fold(call, |call, (name, value)| call.header(name, &own(value)))).await
}

async fn check(headers: &[(&'static str, &str)], status: u16, body: &str) {
    let answer = read(headers).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (status, body), "{headers:?}");
}

#[tokio::test]
async fn a_copy_that_is_current_is_not_sent_again() {
    for current in ["TAG", "W/TAG", "\"other\", TAG", "*"] {
        check(&[("if-none-match", current)], 304, "").await;
    }
    for other in ["\"other\"", "x", ""] {
        check(&[("if-none-match", other)], 200, "0123456789").await;
    }
    check(&[("if-none-match", "TAG"), ("range", "bytes=0-1")], 304, "").await;
    let answer = read(&[("if-none-match", "TAG")]).await;
    assert!(answer.header("etag").is_some());
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
}

#[tokio::test]
async fn one_range_is_served_as_a_part() {
    for (range, part) in [
        ("bytes=0-0", "0"),
        ("bytes=8-", "89"),
        ("bytes=-3", "789"),
        ("bytes=-99", "0123456789"),
        ("bytes=5-99", "56789"),
    ] {
        check(&[("range", range)], 206, part).await;
    }
    let answer = read(&[("range", "bytes=2-4")]).await;
    assert_eq!(answer.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
}

#[tokio::test]
async fn a_range_that_is_not_understood_is_ignored() {
    for range in ["bytes=0-1,3-4", "bytes=4-2", "bytes=x-", "items=0-1", "bytes", "bytes=-", "bytes=+1-2"] {
        check(&[("range", range)], 200, "0123456789").await;
    }
}

#[tokio::test]
async fn a_range_beyond_the_end_is_416_with_the_size() {
    for range in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
        let answer = read(&[("range", range)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-range")), (416, Some("bytes */10")), "{range}");
        assert!(answer.text().contains("the content has 10 bytes"), "{}", answer.text());
        assert_eq!((answer.header("etag"), answer.header("content-type")), (None, Some("application/json")));
    }
}

#[tokio::test]
async fn a_part_of_an_outdated_copy_is_the_whole() {
    check(&[("range", "bytes=0-1"), ("if-range", "TAG")], 206, "01").await;
    check(&[("range", "bytes=0-1"), ("if-range", "\"other\"")], 200, "0123456789").await;
}

#[tokio::test]
async fn gzip_is_sent_as_stored_to_callers_that_accept_it() {
    let (app, path) = stored(gzipped(b"hello"), "gzip").await;
    let read =
        async |accepted: &str| app.send(Call::get(&format!("{path}/binary")).header("accept-encoding", accepted)).await;
    for accepted in ["gzip", "br, GZIP;q=0.5", "deflate,gzip"] {
        let answer = read(accepted).await;
        assert_eq!((&answer.body[..], answer.header("content-encoding")), (&gzipped(b"hello")[..], Some("gzip")));
    }
    for accepted in ["", "identity", "gzip;q=0", "gzip; q=0.0", "gzipped"] {
        let answer = read(accepted).await;
        assert_eq!((answer.text().as_str(), answer.header("content-encoding")), ("hello", None), "{accepted}");
    }
    let (packed, plain) = (read("gzip").await, read("").await);
    assert_ne!(packed.header("etag"), plain.header("etag"));
    for answer in [packed, plain] {
        assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "accept-encoding"));
    }
    let part = Call::get(&format!("{path}/binary")).header("accept-encoding", "gzip").header("range", "bytes=0-1");
    assert_eq!(app.send(part).await.text(), "he");
}

#[tokio::test]
async fn every_form_and_every_revision_has_a_tag_of_its_own() {
    let (app, path) = stored("one", "").await;
    let tag = async |path: String| app.get(&path).await.header("etag").unwrap().to_owned();
    let mut tags = Vec::new();
    for form in ["", "/string", "/json", "/binary"] {
        tags.push(tag(format!("{path}{form}")).await);
    }
    let id = path.rsplit('/').next().unwrap();
    app.json(Call::post(&format!("/ns/update/{id}/binary"), "two")).await;
    for form in ["", "/string", "/json", "/binary"] {
        tags.push(tag(format!("{path}{form}")).await);
    }
    let before = tags.len();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), before);
}

#[tokio::test]
async fn only_a_revision_by_number_is_immutable() {
    let (app, path) = stored("one", "").await;
    let cache_policy = async |path: &str| app.get(path).await.header("cache-control").unwrap().to_owned();
    assert!(cache_policy(&format!("{path}/binary?revision=0")).await.contains("immutable"));
    let hash = "7692c3ad3540bb80";
    for read in [path.as_str(), &format!("{path}/string"), &format!("/ns/retrieve/hash/{hash}/binary")] {
        assert_eq!(cache_policy(read).await, "no-cache");
    }
}

proptest! {
    #[test]
    fn a_range_is_within_the_content(header in "bytes=[0-9]{0,4}-[0-9]{0,4}", size in 0..2000u64) {
        if let Some(range) = parse_range(&header).and_then(|wanted| wanted.within(size)) {
            prop_assert!(range.start < range.end && range.end <= size);
        }
    }
}

#[tokio::test]
async fn a_part_of_a_content_that_changed_is_412() {
    for current in ["TAG", "\"other\", TAG", "*"] {
        check(&[("if-match", current)], 200, "0123456789").await;
        check(&[("if-match", current), ("range", "bytes=0-1")], 206, "01").await;
    }
    for other in ["\"other\"", "W/TAG", "", "x"] {
        for range in [None, Some(("range", "bytes=5-9"))] {
            let headers: Vec<_> = [("if-match", other)].into_iter().chain(range).collect();
            let answer = read(&headers).await;
            assert_eq!(answer.status, 412, "{headers:?}: {}", answer.text());
            assert!(answer.text().contains("read it anew"), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn the_dates_decide_where_no_tag_does() {
    const PAST: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const FUTURE: &str = "Fri, 01 Jan 2100 00:00:00 GMT";
    check(&[("if-modified-since", PAST)], 200, "0123456789").await;
    check(&[("if-modified-since", FUTURE)], 304, "").await;
    check(&[("if-modified-since", "yesterday")], 200, "0123456789").await;
    check(&[("if-unmodified-since", FUTURE)], 200, "0123456789").await;
    assert_eq!(read(&[("if-unmodified-since", PAST)]).await.status, 412);
    check(&[("if-modified-since", "DATE")], 304, "").await;
    check(&[("if-unmodified-since", "DATE")], 200, "0123456789").await;
}

#[tokio::test]
async fn conditions_are_evaluated_in_the_order_of_the_rfc() {
    const PAST: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const FUTURE: &str = "Fri, 01 Jan 2100 00:00:00 GMT";
    // A tag takes the place of its date.
    check(&[("if-match", "TAG"), ("if-unmodified-since", PAST)], 200, "0123456789").await;
    check(&[("if-none-match", "\"x\""), ("if-modified-since", FUTURE)], 200, "0123456789").await;
    // What is expected comes before what is known.
    assert_eq!(read(&[("if-match", "\"x\""), ("if-none-match", "TAG")]).await.status, 412);
    assert_eq!(read(&[("if-unmodified-since", PAST), ("if-none-match", "TAG")]).await.status, 412);
    check(&[("if-match", "TAG"), ("if-none-match", "TAG")], 304, "").await;
    check(&[("if-match", "TAG"), ("if-range", "\"x\""), ("range", "bytes=0-1")], 200, "0123456789").await;
}

#[tokio::test]
async fn conditions_hold_for_head_and_not_for_what_is_missing() {
    let (app, path) = stored("0123456789", "").await;
    let head = Call::new(Method::HEAD, &format!("{path}/binary")).header("if-match", "\"x\"");
    assert_eq!(app.send(head).await.status, 412);
    let missing = Call::get("/ns/retrieve/hash/0123456789abcdef/binary").header("if-match", "\"x\"");
    assert_eq!(app.send(missing).await.status, 404);
}

#[tokio::test]
async fn the_date_of_the_newest_entry_of_a_hash_is_unknown() {
    let (app, _) = stored("0123456789", "").await;
    let newest = || Call::get("/ns/retrieve/hash/84d89877f0d4041e/binary");
    let answer = app.send(newest()).await;
    assert_eq!((answer.status.as_u16(), answer.header("last-modified")), (200, None));
    assert_eq!(app.send(newest().header("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")).await.status, 200);
    let version = Call::get("/ns/retrieve/84d89877f0d4041e-v1/binary");
    assert!(app.send(version).await.header("last-modified").is_some());
}

#[tokio::test]
async fn a_write_with_if_match_is_412() {
    let app = App::new();
    let store = Call::post("/ns/direct/store/string", "hello").header("if-match", "\"x\"");
    let answer = app.send(store).await;
    assert_eq!(answer.status, 412, "{}", answer.text());
    assert_eq!(app.get("/ns/file-ids").await.text(), "[]");
}

#[test]
fn a_comma_may_be_part_of_a_tag() {
    assert_eq!(tags("\"a,b\", W/\"c\" , \"\",d"), ["\"a,b\"", "W/\"c\"", "\"\""]);
}
