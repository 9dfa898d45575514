use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::test_support::{Answer, App, Call, KEY, keyed_config};

/// A call with the root key.
fn root(call: Call) -> Call {
    call.header(KEY.0, KEY.1)
}

fn post(path: &str, body: &Value) -> Call {
    Call::post_json(path, body.to_string())
}

fn patch(path: &str, body: &Value) -> Call {
    post(path, body).method(Method::PATCH)
}

/// A key with these permissions: its id and its text.
async fn key(app: &App, namespaces: &[&str], permissions: &[&str]) -> (String, String) {
    let body = json!({"name": "ci", "grants": [{"namespaces": namespaces, "permissions": permissions}]});
    let made = app.json(root(post("/keys", &body))).await;
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

fn with(call: Call, key: &str) -> Call {
    call.header(KEY.0, key)
}

#[track_caller]
fn check(answer: &Answer, status: u16, contains: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    assert!(answer.text().contains(contains), "{}", answer.text());
}

#[tokio::test]
async fn a_key_is_shown_once_and_works_in_every_place_where_a_key_may_stand() {
    let app = App::with(keyed_config());
    let (id, text) = key(&app, &["team-*"], &["read"]).await;
    assert!(text.starts_with("mgc_") && text.len() == 42, "{text}");
    for path in ["/keys".to_owned(), format!("/keys/{id}")] {
        let answer = app.send(root(Call::get(&path))).await;
        check(&answer, 200, &id);
        assert!(!answer.text().contains("mgc_"), "{}", answer.text());
    }
    let bearer = format!("Bearer {text}");
    for (header, value) in [("x-api-key", &text), ("authorization", &bearer), ("cookie", &format!("x-api-key={text}"))]
    {
        let me = app.json(Call::get("/auth/whoami").header(header, value)).await;
        assert_eq!(me["kind"], "key");
        assert_eq!((&me["id"], &me["name"]), (&json!(id), &json!("ci")));
        assert_eq!(me["grants"], json!([{"namespaces": ["team-*"], "permissions": ["read"]}]));
    }
    check(
        &app.send(Call::get("/auth/whoami").header("authorization", &format!("Bearer {}", KEY.1))).await,
        200,
        "root",
    );
    check(&App::new().get("/auth/whoami").await, 200, "\"open\"");
}

#[tokio::test]
async fn unknown_mistyped_expired_disabled_and_early_keys_are_refused_alike() {
    let app = App::with(keyed_config());
    let (id, text) = key(&app, &["*"], &["read"]).await;
    let whoami = |key: &str| with(Call::get("/auth/whoami"), key);
    let refused = app.send(whoami("mgc_000000000000000000000000000000002wjyrI")).await;
    check(&refused, 401, "API key is wrong");
    let same = |answer: &Answer| answer.status == 401 && answer.body == refused.body;
    assert!(same(&app.send(whoami("mgc_mistyped")).await));
    for change in [
        json!({"disabled": true}),
        json!({"disabled": false, "expires_at": 1}),
        json!({"expires_at": null, "not_before": 9e14}),
    ] {
        app.json(root(patch(&format!("/keys/{id}"), &change))).await;
        assert!(same(&app.send(whoami(&text)).await), "{change}");
    }
    app.json(root(patch(&format!("/keys/{id}"), &json!({"not_before": null})))).await;
    check(&app.send(whoami(&text)).await, 200, &id);
    app.json(root(Call::new(Method::DELETE, &format!("/keys/{id}")))).await;
    assert!(same(&app.send(whoami(&text)).await));
}

#[tokio::test]
async fn a_rotated_key_works_beside_its_successor() {
    let app = App::with(keyed_config());
    let (id, old) = key(&app, &["team-a"], &["read"]).await;
    let made = app.json(root(Call::post(&format!("/keys/{id}/rotate"), ""))).await;
    let new = made["key"].as_str().unwrap();
    for key in [&old, new] {
        check(&app.send(with(Call::get("/team-a/file-ids"), key)).await, 200, "[]");
    }
    let replaced = app.json(root(Call::get(&format!("/keys/{id}")))).await;
    assert_eq!(replaced["replaced_by"], made["id"]);
    assert!(replaced["expires_at"].is_u64(), "{replaced}");
    let at_once = root(post(&format!("/keys/{}/rotate", made["id"].as_str().unwrap()), &json!({"overlap_seconds": 0})));
    app.json(at_once).await;
    check(&app.send(with(Call::get("/team-a/file-ids"), new)).await, 401, "wrong");
}

#[tokio::test]
async fn a_manager_makes_and_sees_only_keys_of_its_own_namespaces() {
    let app = App::with(keyed_config());
    let (manager_id, manager) = key(&app, &["team-*"], &["manage"]).await;
    let (other_id, _) = key(&app, &["other", "team-a"], &["read"]).await;
    let make = |namespace: &str| {
        let body = json!({"name": "x", "grants": [{"namespaces": [namespace], "permissions": ["write"]}]});
        with(post("/keys", &body), &manager)
    };
    for namespace in ["team-a", "team-b*"] {
        let made = app.json(make(namespace)).await;
        assert_eq!(made["created_by"], json!(manager_id));
    }
    for namespace in ["*", "tea*", "other"] {
        check(&app.send(make(namespace)).await, 403, "manage");
    }
    let seen = app.json(with(Call::get("/keys"), &manager)).await;
    assert_eq!(seen["keys"].as_array().unwrap().len(), 3, "its own and the two that it made: {seen}");
    let path = format!("/keys/{other_id}");
    let missing = app.send(with(Call::get("/keys/000000000000"), &manager)).await;
    for call in [
        Call::get(&path),
        patch(&path, &json!({"disabled": true})),
        Call::new(Method::DELETE, &path),
        Call::post(&format!("{path}/rotate"), ""),
    ] {
        let answer = app.send(with(call, &manager)).await;
        check(&answer, 404, "NOT_FOUND");
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
    }
    let escalate = json!({"grants": [{"namespaces": ["*"], "permissions": ["read"]}]});
    check(&app.send(with(patch(&format!("/keys/{manager_id}"), &escalate), &manager)).await, 403, "manage");
    let (_, reader) = key(&app, &["team-a"], &["read", "write", "delete"]).await;
    check(&app.send(with(Call::get("/keys"), &reader)).await, 403, "'manage'");
}

#[tokio::test]
async fn a_wrong_key_request_says_which_field_is_wrong_and_stores_nothing() {
    let app = App::with(keyed_config());
    let grants = json!([{"namespaces": ["a"], "permissions": ["read"]}]);
    for (body, field) in [
        (json!({"grants": grants}), "name is required"),
        (json!({"name": "x"}), "grants is required"),
        (json!({"name": "", "grants": grants}), "name must have"),
        (json!({"name": "x", "grants": []}), "grants must be"),
        (
            json!({"name": "x", "grants": [{"namespaces": ["a b"], "permissions": ["read"]}]}),
            "grants is not understood",
        ),
        (json!({"name": "x", "grants": [{"namespaces": ["a"], "permissions": ["fly"]}]}), "grants is not understood"),
        (json!({"name": "x", "grants": grants, "limits": {"burst": 1}}), "limits.burst means nothing"),
        (json!({"name": "x", "grants": grants, "expires": 1}), "expires is not known here"),
        (json!({"name": "x", "grants": grants, "not_before": 2, "expires_at": 1}), "expires_at must come after"),
    ] {
        check(&app.send(root(post("/keys", &body))).await, 400, field);
    }
    assert_eq!(app.json(root(Call::get("/keys"))).await["keys"], json!([]));
    check(&app.send(root(Call::get("/keys/nonsense"))).await, 400, "12 lowercase hex digits");
    let open = App::new().send(post("/keys", &json!({"name": "x", "grants": grants}))).await;
    check(&open, 409, "FAST_API__AUTH__API_KEY__NAME");
}

#[tokio::test]
async fn a_key_beyond_its_rate_is_429_with_retry_after_or_only_reported() {
    let app = App::with(keyed_config());
    let (id, text) = key(&app, &["a"], &["read"]).await;
    let path = format!("/keys/{id}");
    let limits = |report_only| json!({"limits": {"requests_per_second": 1, "burst": 2, "report_only": report_only}});
    app.json(root(patch(&path, &limits(false)))).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let answer = app.send(with(Call::get("/a/file-ids"), &text)).await;
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), Some("1"));
            check(&answer, 429, "1 requests per second");
        }
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses[..2], [200, 200]);
    assert_eq!(statuses[3..], [429, 429]);
    app.json(root(patch(&path, &limits(true)))).await;
    check(&app.send(with(Call::get("/a/file-ids"), &text)).await, 200, "[]");
    app.json(root(patch(&path, &json!({"limits": {"bytes_per_day": 1}})))).await;
    let refused = app.send(with(Call::get("/a/file-ids"), &text)).await;
    check(&refused, 429, "1 bytes in a day");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() <= 86_400);
}
