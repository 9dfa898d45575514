//! Every operation of `/openapi.json` with every kind of caller: who may call what, on memory and on S3.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::http::API_KEY;
use crate::support::{Client, Mode, Reply, Request, Server, say};

const PERMISSIONS: [&str; 5] = ["read", "create", "write", "delete", "manage"];

/// What an operation needs, as docs/keys.md has it: found by its method and path alone, and not by the server's own table.
fn needed(method: &str, path: &str) -> &'static str {
    let first = path.split('/').nth(1).unwrap_or_default();
    let is = |part: &str| path.contains(part);
    match (method, first) {
        (_, "" | "docs" | "openapi.json" | "console") | ("get", "auth") if path != "/auth/whoami" => "nothing",
        ("post", "auth") => "nothing",
        ("get", "info") if is("ready") => "nothing",
        ("put", _) if is("/upload/") => "nothing",
        (_, "info" | "namespaces" | "auth") => "any key",
        (_, "server") if is("storage/info") => "any key",
        (_, "admin") if is("bucket-name") => "any key",
        (_, "admin" | "keys") => "manage somewhere",
        (_, "metrics") => "read everywhere",
        (_, "server") => "write everywhere",
        ("post", "test-data") if is("default") => "write everywhere",
        ("post", "test-data") => "write",
        ("delete", "test-data") => "manage",
        ("put", _) => "manage",
        ("get", _) => "read",
        ("post", _) if is("/batch") && !is("operations") => "read",
        ("post", _) if is("{strategy}/zip") => "create under a key",
        ("post", _) if is("{strategy}/store") || is("{strategy}/upload") => "create",
        ("delete", _) if is("/zip/") => "write",
        ("post", _) => "write",
        ("delete", _) => "delete",
        other => panic!("{other:?} {path}: say what it needs"),
    }
}

/// The namespaces in which everything is tried. Everybody may read the second one.
const NAMESPACES: [&str; 2] = ["namespace", "public"];

/// The expected refusal: a status, and a part of the body. `None`: the request gets to its handler.
fn refusal(needed: &str, caller: &str, namespace: &str) -> Option<(u16, String)> {
    let is_public = namespace == NAMESPACES[1];
    let place = format!("namespace '{namespace}'");
    let missing = |permission: &str, place: &str| Some((403, format!("no permission '{permission}' on {place}")));
    match (needed, caller) {
        ("nothing", _) | (_, "root") => None,
        ("read", "no key") if is_public => None,
        (_, "no key") => Some((401, "API key is missing".to_owned())),
        (_, "unknown" | "expired" | "disabled") => Some((401, "API key is wrong".to_owned())),
        ("any key", _) => None,
        // A key never gives less than none.
        ("read", _) if is_public => None,
        ("read everywhere", _) => missing("read", "all namespaces"),
        ("write everywhere", _) => missing("write", "all namespaces"),
        ("manage somewhere", "manage" | "other namespace") => None,
        ("manage somewhere", _) => missing("manage", ""),
        (_, "other namespace") => Some((404, format!("there is no namespace '{namespace}' for this API key"))),
        // Its key and file name have versions, which replace each other.
        ("create under a key", "write") => None,
        ("create under a key", "create") => missing("write", &place),
        ("create under a key", _) => missing("create", &place),
        (needed, caller) if needed == caller || (needed, caller) == ("create", "write") => None,
        (needed, _) => missing(needed, &place),
    }
}

async fn make(client: &Client, namespaces: &[&str], permissions: &[&str]) -> Value {
    let body = json!({"name": "matrix", "grants": [{"namespaces": namespaces, "permissions": permissions}]});
    let made = client.send(Request::post("/keys").json(body.to_string())).await;
    assert_eq!(made.status, 200, "{}", made.text());
    made.json()
}

async fn change(client: &Client, key: &Value, fields: Value) {
    let path = format!("/keys/{}", key["id"].as_str().unwrap());
    let changed = Request::bare("PATCH", &path).json(fields.to_string()).header(API_KEY.0, API_KEY.1);
    assert_eq!(client.send(changed).await.status, 200);
}

async fn callers(client: &Client) -> BTreeMap<&'static str, Option<String>> {
    let text = |key: &Value| Some(key["key"].as_str().unwrap().to_owned());
    let mut callers = BTreeMap::from([
        ("no key", None),
        ("unknown", Some("mgc_000000000000000000000000000000002wjyrI".to_owned())),
        ("root", Some(API_KEY.1.to_owned())),
        ("other namespace", text(&make(client, &["other"], &PERMISSIONS).await)),
    ]);
    for permission in PERMISSIONS {
        callers.insert(permission, text(&make(client, &NAMESPACES, &[permission]).await));
    }
    let (expired, disabled) = (make(client, &["*"], &PERMISSIONS).await, make(client, &["*"], &PERMISSIONS).await);
    change(client, &expired, json!({"expires_at": 1})).await;
    change(client, &disabled, json!({"disabled": true})).await;
    callers.extend([("expired", text(&expired)), ("disabled", text(&disabled))]);
    callers
}

async fn operations(client: &Client) -> Vec<(String, String)> {
    let document = client.send(Request::get("/openapi.json")).await.json();
    let paths = document["paths"].as_object().unwrap().clone();
    let methods = |(path, methods): (String, Value)| {
        let methods: Vec<String> = methods.as_object().unwrap().keys().cloned().collect();
        methods.into_iter().map(move |method| (method, path.clone()))
    };
    paths.into_iter().flat_map(methods).collect()
}

fn was_refused(reply: &Reply) -> bool {
    let text = reply.text();
    reply.status == 401 || text.contains("PERMISSION_MISSING") || text.contains("there is no namespace")
}

/// Without content every request ends at its handler's checks at the latest: nothing is stored or deleted.
async fn check(mode: &Mode) {
    let server = Server::start(mode).await;
    let client = server.client();
    let callers = callers(&client).await;
    let operations = operations(&client).await;
    assert!(operations.len() > 100);
    for namespace in NAMESPACES {
        try_all(&client, namespace, &operations, &callers).await;
    }
}

async fn try_all(
    client: &Client,
    namespace: &str,
    operations: &[(String, String)],
    callers: &BTreeMap<&'static str, Option<String>>,
) {
    if namespace == NAMESPACES[1] {
        let settings = Request::bare("PUT", &format!("/{namespace}/settings")).json(r#"{"public_read":true}"#);
        assert_eq!(client.send(settings.header(API_KEY.0, API_KEY.1)).await.status, 200);
    }
    for (method, path) in operations {
        let needed = needed(method, path);
        let path = path.replace("{namespace}", namespace);
        for (caller, key) in callers {
            let mut request = Request::bare(&method.to_uppercase(), &path.replace(['{', '}'], ""));
            if let Some(key) = key {
                request = request.header(API_KEY.0, key);
            }
            // Deletes a key, or all that a folder stands for.
            if *caller == "root" && method == "delete" {
                continue;
            }
            let reply = client.send(request).await;
            let told =
                format!("{method} {path} needs {needed}, called with {caller}: {} {}", reply.status, reply.text());
            match refusal(needed, caller, namespace) {
                // A file of the storage lies in a folder that is named `path`, which no key manages.
                _ if path.starts_with("/admin/storage")
                    && path.ends_with("{path}")
                    && !["root", "no key", "unknown", "expired", "disabled"].contains(caller) =>
                {
                    assert_eq!(reply.status, 404, "{told}");
                }
                Some((status, text)) => {
                    assert!(reply.status == status && reply.text().contains(&text), "{told}");
                }
                None => assert!(!was_refused(&reply), "{told}"),
            }
        }
    }
}

#[tokio::test]
async fn every_operation_asks_every_caller_for_its_permission_in_memory() {
    check(&Mode::Memory).await;
}

#[tokio::test]
async fn every_operation_asks_every_caller_for_its_permission_on_s3() {
    let Some(mode) = Mode::s3("api-keys").await else { return say("not run: no S3 look-alike is set up") };
    check(&mode).await;
}

#[tokio::test]
async fn a_key_that_one_server_makes_is_known_to_another_on_the_same_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = ("CACHE__SERVICE__LOCAL_DISK_PATH", folder.path().to_str().unwrap());
    let [one, two] = [Server::start_with(&Mode::Disk, &[disk]).await, Server::start_with(&Mode::Disk, &[disk]).await];
    let key = make(&one.client(), &["team-*"], &["read", "create"]).await;
    let secret = key["key"].as_str().unwrap();
    let bearer = format!("Bearer {secret}");
    let store = Request::bare("POST", "/team-a/direct/store/string").text("hello").header("authorization", &bearer);
    assert_eq!(two.client().send(store).await.status, 200);
    let stored = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert!(stored.iter().any(|name| name == "team-a"), "{stored:?}");
    for file in crate::support::tree::files(folder.path()).keys() {
        // A file of a write that is under way may be gone.
        let text = std::fs::read(folder.path().join(file)).unwrap_or_default();
        assert!(
            !text.windows(secret.len()).any(|window| window == secret.as_bytes()),
            "{} has the key",
            file.display()
        );
    }
    let log = two.log();
    assert!(log.contains(key["id"].as_str().unwrap()) && !log.contains("mgc_"), "{log}");
}
