//! Defects by which one caller reads or harms the data of another.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Space, everywhere, text};
use crate::support::{Mode, Request, Server};

#[tokio::test]
async fn no_request_clears_more_than_it_names() {
    everywhere("blank", async |space| {
        let id = space.store("direct/store/string", "stays").await;
        for blank in ["%20", "%20%20", "_", "..", "%2e%2e"] {
            space.refused(Request::delete(&format!("/test-data/clear/{blank}")), 400).await;
        }
        for key in ["a/%20/b", "%20/..", "..", "a/../.."] {
            let place = space.path(&format!("key_based/store/string/{key}?file_id=f"));
            space.refused(Request::post(&place).text("x"), 400).await;
            space.refused(Request::delete(&space.path(&format!("cache/{id}/data/delete/all/{key}"))), 400).await;
        }
        // Empty segments are not there, so nothing of it is above the entry's own folder.
        for key in ["a//b", "/a"] {
            space.store(&format!("key_based/store/string/{key}?file_id=f"), key).await;
            space.delete(&format!("cache/{id}/data/delete/all/{key}")).await;
        }
        space.delete(&format!("cache/{id}/data/delete/all")).await;
        assert_eq!(space.get(&format!("retrieve/{id}/string")).await.text(), "stays");
    })
    .await;
}

#[tokio::test]
async fn clearing_a_name_leaves_longer_names_alone() {
    everywhere("prefix", async |space| {
        let of = |namespace: &str, space: Space| Space { namespace: namespace.to_owned(), ..space };
        let space = of("prefix-second", space);
        let second = space.store("direct/store/string", "second").await;
        let space = of("prefixx", space);
        let third = space.store("direct/store/string", "third").await;
        let space = of("prefix", space);
        let parent = space.store("direct/store/string", "first").await;
        let children = format!("cache/{parent}/data");
        for key in ["k", "k2", "kx/y"] {
            space.post(&format!("{children}/store/string/{key}/c"), key).await;
        }
        assert_eq!(space.get(&format!("{children}/list/k")).await.json()["file_count"], 1);
        assert_eq!(space.delete(&format!("{children}/delete/all/k")).await["deleted_count"], 1);
        assert_eq!(space.get(&format!("{children}/list")).await.json()["file_count"], 2);
        space.succeeds(Request::delete("/test-data/clear/prefix")).await;
        assert_eq!(space.exists(&parent).await, false);
        let space = of("prefix-second", space);
        assert_eq!(space.exists(&second).await, true);
        assert_eq!(of("prefixx", space).exists(&third).await, true);
    })
    .await;
}

#[tokio::test]
async fn the_cookie_form_shows_no_foreign_cookie_and_runs_nothing() {
    everywhere("cookie", async |space| {
        let hostile = r#"x-api-key="><script>alert(1)</script>"#;
        let page = space.succeeds(Request::bare("GET", "/auth/set-cookie-form").header("cookie", hostile)).await;
        assert!(!page.text().contains("alert(1)"), "{}", page.text());
        let secret = Request::bare("GET", "/auth/set-cookie-form").header("cookie", "x-api-key=somebody-elses");
        assert!(!space.succeeds(secret).await.text().contains("somebody-elses"));
    })
    .await;
}

#[tokio::test]
async fn stored_html_is_served_in_a_sandbox() {
    everywhere("html", async |space| {
        let page = r#"{"html":"<script>alert(1)</script>"}"#;
        let stored = space.post("key_based/store/json/pages?file_id=evil", page).await;
        let target = format!("/admin/storage/file/html/{}", text(&stored["paths"]["data"][0]));
        let reply = space.succeeds(Request::get(&target)).await;
        assert_eq!(reply.text(), "<script>alert(1)</script>");
        assert_eq!(
            reply.headers["content-security-policy"],
            "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        );
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    })
    .await;
}

#[tokio::test]
async fn routes_for_tests_are_not_there_unless_switched_on() {
    let server = Server::start_with(&Mode::Memory, &[("CACHE__SERVICE__TEST_ROUTES", "false")]).await;
    let calls = [
        ("GET", "/server/create/test-fixtures"),
        ("POST", "/server/create/test-fixtures"),
        ("POST", "/test-data/create/in/default-namespaces/minimal"),
        ("POST", "/test-data/create/in/new-namespace/x"),
        ("DELETE", "/test-data/clear/x"),
    ];
    for (method, target) in calls {
        let reply = server.client().send(Request::bare(method, target).header("x-api-key", "test-key")).await;
        assert_eq!(reply.status, 404, "{method} {target}: {}", reply.text());
    }
    assert_eq!(server.client().send(Request::get("/namespaces/list")).await.json(), json!([]));
}

#[tokio::test]
async fn a_connection_serves_on_after_an_error() {
    let server = Server::start(&Mode::Memory).await;
    let mut connection = TcpStream::connect(server.authority()).await.unwrap();
    let errors = [
        "GET /ns/retrieve/no-id HTTP/1.1\r\n",
        "GET /nowhere HTTP/1.1\r\n",
        "PUT /info/health HTTP/1.1\r\n",
        "POST /ns/direct/store/json HTTP/1.1\r\nContent-Length: 3\r\n",
    ];
    for (error, body) in errors.iter().zip(["", "", "", "{x}"]) {
        let request = format!("{error}Host: test\r\nX-API-Key: test-key\r\n\r\n{body}");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 4"), "{error}: {}", String::from_utf8_lossy(&answer));
        // The rest of the response ends within one segment.
        let _ = connection.read(&mut [0; 16_384]).await.unwrap();
    }
    let last = "GET /info/health HTTP/1.1\r\nHost: test\r\nX-API-Key: test-key\r\nConnection: close\r\n\r\n";
    connection.write_all(last.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
