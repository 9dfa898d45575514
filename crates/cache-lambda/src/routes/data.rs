//! Child data: small files under an entry. Each is named by its type, a file id, and if wanted a data key of several
//! segments; in a path the file id is the last one.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cache_core::cache::ChildName;
use cache_core::ids::{CacheId, DataKey, FileId, Namespace};
use cache_core::strategy::ContentKind;
use http::header;
use http::request::Parts;
use uuid::Uuid;

use super::update::filled;
use crate::body::Payload;
use crate::extract::{Params, REST};
use crate::media_type::{BYTES, JSON, TEXT, TEXT_UTF_8};
use crate::openapi::operation::Operation;
use crate::openapi::parameters;
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::response::children::{
    ChildDeleted, ChildExists, ChildList, ChildStored, ChildUpdated, ChildrenDeleted, key_or_empty,
};
use crate::routing::Routes;
use crate::state::AppState;

/// Below which the children of an entry are.
const CHILDREN: &str = "/{namespace}/cache/{cache_id}/data";

/// The routes of this group.
pub fn routes() -> Routes {
    stores().merge(reads()).merge(updates()).merge(lists())
}

/// A route that takes a data key is described with it and without.
fn described(operation: Operation, summary: &str) -> Operation {
    let place = if operation.path.contains("{data_key}") { " in a folder" } else { "" };
    operation.summary(format!("{summary}{place}"))
}

fn stores() -> Routes {
    let store = |op, summary| described(op, summary).response::<ChildStored>().not_found();
    Routes::below(CHILDREN)
        .post("/store/string", store_string, |op| store(op, "Stores a child text under a fresh name").text_body(0))
        .post("/store/string/{*data_key?}/{data_file_id}", store_string, |op| {
            store(op, "Stores a child text").text_body(0)
        })
        .post("/store/json", store_json, |op| store(op, "Stores a child object under a fresh name").object_body())
        .post("/store/json/{*data_key?}/{data_file_id}", store_json, |op| {
            store(op, "Stores a child object").object_body()
        })
        .post("/store/binary", store_binary, |op| {
            store(op, "Stores child bytes under a fresh name").bytes_body(BYTES, 0)
        })
        .post("/store/binary/{*data_key?}/{data_file_id}", store_binary, |op| {
            store(op, "Stores child bytes").bytes_body(BYTES, 0)
        })
}

fn reads() -> Routes {
    let read = |op, summary| described(op, summary).not_found();
    Routes::below(CHILDREN)
        .get("/string/{*data_key?}/{data_file_id}", string, |op| read(op, "Reads a child text").raw_response(TEXT))
        .get("/json/{*data_key?}/{data_file_id}", json, |op| read(op, "Reads a child object").any_json_response())
        .get("/binary/{*data_key?}/{data_file_id}", binary, |op| read(op, "Reads child bytes").raw_response(BYTES))
        .get("/exists/{data_type}/{*data_key?}/{data_file_id}", exists, |op| {
            described(op, "Whether a child is there").response::<ChildExists>()
        })
}

fn updates() -> Routes {
    let update = |op, summary| described(op, summary).response::<ChildUpdated>().not_found();
    Routes::below(CHILDREN)
        .post("/update/string/{*data_key?}/{data_file_id}", update_string, |op| {
            update(op, "Replaces a child text").text_body(1)
        })
        .post("/update/json/{*data_key?}/{data_file_id}", update_json, |op| {
            update(op, "Replaces a child object").object_body()
        })
        .post("/update/binary/{*data_key?}/{data_file_id}", update_binary, |op| {
            update(op, "Replaces child bytes").bytes_body(BYTES, 1)
        })
}

fn lists() -> Routes {
    let list = |op: Operation, summary| {
        let recursive = parameters::flag("recursive", "Folders within as well; yes without it");
        op.summary(summary).parameter(recursive).response::<ChildList>().not_found()
    };
    let delete_all = |op: Operation, summary| op.summary(summary).response::<ChildrenDeleted>();
    Routes::below(CHILDREN)
        .get("/list", self::list, |op| list(op, "All children"))
        .get("/list/{*data_key?}", self::list, |op| list(op, "The children in a folder"))
        .delete("/delete/all", self::delete_all, |op| delete_all(op, "Deletes all children"))
        .delete("/delete/all/{*data_key?}", self::delete_all, |op| delete_all(op, "Deletes the children in a folder"))
        .delete("/delete/{data_type}/{*data_key?}/{data_file_id}", delete_one, |op| {
            described(op, "Deletes a child").response::<ChildDeleted>().not_found()
        })
}

async fn store_string(at: ParentEntry, params: Params, payload: Payload) -> Result<Json<ChildStored>, Problem> {
    at.store(&params, ContentKind::String, payload.text()?.into()).await
}

async fn store_json(at: ParentEntry, params: Params, payload: Payload) -> Result<Json<ChildStored>, Problem> {
    at.store(&params, ContentKind::Json, payload.document()?.into_text()).await
}

async fn store_binary(at: ParentEntry, params: Params, payload: Payload) -> Result<Json<ChildStored>, Problem> {
    at.store(&params, ContentKind::Binary, payload.bytes()?).await
}

async fn string(at: ParentEntry, params: Params) -> Result<Response, Problem> {
    at.read(&params, ContentKind::String, TEXT_UTF_8).await
}

async fn json(at: ParentEntry, params: Params) -> Result<Response, Problem> {
    at.read(&params, ContentKind::Json, JSON).await
}

async fn binary(at: ParentEntry, params: Params) -> Result<Response, Problem> {
    at.read(&params, ContentKind::Binary, BYTES).await
}

async fn update_string(at: ParentEntry, params: Params, payload: Payload) -> Result<Json<ChildUpdated>, Problem> {
    at.update(&params, ContentKind::String, filled("data", payload.text()?.into())?).await
}

async fn update_json(at: ParentEntry, params: Params, payload: Payload) -> Result<Json<ChildUpdated>, Problem> {
    at.update(&params, ContentKind::Json, payload.document()?.into_text()).await
}

async fn update_binary(at: ParentEntry, params: Params, payload: Payload) -> Result<Json<ChildUpdated>, Problem> {
    at.update(&params, ContentKind::Binary, filled("body", payload.bytes()?)?).await
}

async fn exists(at: ParentEntry, params: Params) -> Result<Json<ChildExists>, Problem> {
    let data_type = DataType::of(&params)?;
    let ChildPath { data_key, file_id } = ChildPath::of(&params)?;
    let shown_key = key_or_empty(data_key.as_ref());
    let exists = match data_type.kind() {
        Some(kind) => {
            let name = ChildName { data_key, file_id: file_id.clone(), kind };
            at.cache.child_exists(&at.namespace, at.cache_id, &name).await?
        }
        None => false,
    };
    Ok(Json(ChildExists {
        cache_id: at.cache_id,
        data_type: data_type.name(),
        data_key: shown_key,
        data_file_id: file_id,
        exists,
        namespace: at.namespace,
    }))
}

async fn list(at: ParentEntry, params: Params) -> Result<Json<ChildList>, Problem> {
    let data_key = folder(&params)?;
    let recursive = params.flag("recursive", true)?;
    let children = at.cache.children(&at.namespace, at.cache_id, data_key.as_ref(), recursive).await?;
    let children = children.ok_or_else(|| Problem::parent_not_found(&at.namespace, at.cache_id))?;
    Ok(Json(ChildList::new(at.namespace, at.cache_id, data_key.as_ref(), children)))
}

async fn delete_all(at: ParentEntry, params: Params) -> Result<Json<ChildrenDeleted>, Problem> {
    let data_key = folder(&params)?;
    let ParentEntry { cache, namespace, cache_id, .. } = at;
    let (within, key) = (namespace.clone(), data_key.clone());
    let deleted = cache
        .run_to_completion(async move |cache| cache.delete_children(&within, cache_id, key.as_ref()).await)
        .await?;
    Ok(Json(ChildrenDeleted::new(namespace, cache_id, data_key, deleted)))
}

async fn delete_one(at: ParentEntry, params: Params) -> Result<Json<ChildDeleted>, Problem> {
    let data_type = DataType::of(&params)?;
    let ChildPath { data_key, file_id } = ChildPath::of(&params)?;
    let ParentEntry { cache, namespace, cache_id, .. } = at;
    let missing = || Problem::child_not_found(cache_id, file_id.as_str(), Some(data_type.name()));
    let kind = data_type.kind().ok_or_else(missing)?;
    let name = ChildName { data_key, file_id: file_id.clone(), kind };
    let (within, child) = (namespace.clone(), name.clone());
    let deleted =
        cache.run_to_completion(async move |cache| cache.delete_child(&within, cache_id, &child).await).await?;
    match deleted {
        true => Ok(Json(ChildDeleted::new(namespace, cache_id, name, data_type.name()))),
        false => Err(missing()),
    }
}

/// The entry whose children a request is about.
struct ParentEntry {
    cache: RequestCache,
    namespace: Namespace,
    cache_id: CacheId,
    now_ms: u64,
}

impl FromRequestParts<AppState> for ParentEntry {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let params = Params::from_request_parts(parts, state).await?;
        let Ok(cache) = RequestCache::from_request_parts(parts, state).await;
        Ok(Self {
            cache,
            namespace: params.namespace()?,
            cache_id: params.cache_id()?,
            now_ms: state.surroundings.now_ms(),
        })
    }
}

impl ParentEntry {
    /// Stores a child, under a fresh file id when none is named.
    async fn store(self, params: &Params, kind: ContentKind, content: Bytes) -> Result<Json<ChildStored>, Problem> {
        let (data_key, file_id) = names(params)?;
        let file_id = match file_id {
            Some(file_id) => file_id,
            None => params.name("data_file_id", &Uuid::new_v4().to_string())?,
        };
        let name = ChildName { data_key, file_id, kind };
        let (size, missing) = (content.len(), Problem::parent_not_found(&self.namespace, self.cache_id));
        let Self { cache, namespace, cache_id, now_ms } = self;
        let (within, child) = (namespace.clone(), name.clone());
        let stored = cache
            .run_to_completion(async move |cache| cache.store_child(&within, cache_id, &child, content).await)
            .await?;
        let path = stored.ok_or(missing)?;
        Ok(Json(ChildStored::new(namespace, cache_id, name, path, size, now_ms)))
    }

    async fn read(self, params: &Params, kind: ContentKind, content_type: &'static str) -> Result<Response, Problem> {
        let name = ChildPath::of(params)?.child(kind);
        let content = self.cache.retrieve_child(&self.namespace, self.cache_id, &name).await?;
        let content = content.ok_or_else(|| Problem::child_not_found(self.cache_id, name.file_id.as_str(), None))?;
        Ok(([(header::CONTENT_TYPE, content_type)], content).into_response())
    }

    async fn update(self, params: &Params, kind: ContentKind, content: Bytes) -> Result<Json<ChildUpdated>, Problem> {
        let name = ChildPath::of(params)?.child(kind);
        let (size, missing) = (content.len(), Problem::child_not_found(self.cache_id, name.file_id.as_str(), None));
        let Self { cache, namespace, cache_id, .. } = self;
        let (within, child) = (namespace.clone(), name.clone());
        let updated = cache
            .run_to_completion(async move |cache| cache.update_child(&within, cache_id, &child, content).await)
            .await?;
        let path = updated.ok_or(missing)?;
        Ok(Json(ChildUpdated::new(namespace, cache_id, name, path, size)))
    }
}

/// A child that a request names.
struct ChildPath {
    data_key: Option<DataKey>,
    file_id: FileId,
}

impl ChildPath {
    fn of(params: &Params) -> Result<Self, Problem> {
        let (data_key, file_id) = names(params)?;
        // A blank one is refused with what is wrong with it.
        let file_id = file_id.map_or_else(|| params.name("data_file_id", ""), Ok)?;
        Ok(Self { data_key, file_id })
    }

    fn child(self, kind: ContentKind) -> ChildName {
        ChildName { data_key: self.data_key, file_id: self.file_id, kind }
    }
}

/// The data key and the file id at the end of the path. Blank ones count as not given.
fn names(params: &Params) -> Result<(Option<DataKey>, Option<FileId>), Problem> {
    let name = params.path(REST);
    if name.ends_with('/') {
        return Err(Problem::route_not_found());
    }
    let (data_key, file_id) = match name.rsplit_once('/') {
        Some(("", _)) => (Some(params.name("data_key", "")?), name),
        Some((data_key, file_id)) => (params.name_if_any("data_key", data_key)?, file_id),
        None => (None, name),
    };
    Ok((data_key, params.name_if_any("data_file_id", file_id)?))
}

/// The data key at the end of the path, as far as there is one.
fn folder(params: &Params) -> Result<Option<DataKey>, Problem> {
    params.name_if_any("data_key", params.path("data_key"))
}

/// What clients call the type of a child. There is one more than there are types.
#[derive(Clone, Copy)]
enum DataType {
    Known(ContentKind),
    TypeSafe,
}

impl DataType {
    const ALL: [Self; 4] = [
        Self::Known(ContentKind::Json),
        Self::Known(ContentKind::String),
        Self::Known(ContentKind::Binary),
        Self::TypeSafe,
    ];

    fn of(params: &Params) -> Result<Self, Problem> {
        let raw = params.path("data_type");
        let found = Self::ALL.into_iter().find(|data_type| data_type.name() == raw);
        found.ok_or_else(|| Problem::not_one_of("path", "data_type", raw, &Self::ALL.map(Self::name)))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Known(kind) => kind.name(),
            Self::TypeSafe => "type-safe",
        }
    }

    /// The kind of such children; there are none of the type that is none.
    const fn kind(self) -> Option<ContentKind> {
        match self {
            Self::Known(kind) => Some(kind),
            Self::TypeSafe => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::{Value, json};

    use crate::test_support::{Answer, App, Call};

    const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";

    /// An application with one entry, to whose child data the calls go.
    struct Entry {
        app: App,
        id: String,
    }

    impl Entry {
        async fn new() -> Self {
            let app = App::new();
            let stored = app.json(Call::post("/ns/direct/store/string", "parent")).await;
            Self { app, id: stored["cache_id"].as_str().unwrap().to_owned() }
        }

        async fn send(&self, method: Method, path: &str) -> Answer {
            self.app.send(Call::new(method, &format!("/ns/cache/{}/data/{path}", self.id))).await
        }

        async fn post(&self, path: &str, body: &'static str) -> Answer {
            self.app.send(Call::post(&format!("/ns/cache/{}/data/{path}", self.id), body)).await
        }

        async fn get(&self, path: &str) -> Answer {
            self.send(Method::GET, path).await
        }
    }

    #[track_caller]
    fn check(answer: &Answer, status: u16, expected: Value) {
        assert_eq!(answer.status, status, "{}", answer.text());
        let body = answer.json();
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&body[field], value, "{field} in {body}");
        }
    }

    #[track_caller]
    fn check_missing(answer: &Answer, detail: Value) {
        assert_eq!(answer.status, 404, "{}", answer.text());
        let body = answer.json();
        assert!(body["message"].is_string());
        for (field, value) in detail.as_object().unwrap() {
            assert_eq!(&body["detail"][field], value, "{field} in {body}");
        }
    }

    #[tokio::test]
    async fn every_type_is_stored_and_read() {
        let entry = Entry::new().await;
        let stored = entry.post("store/string/a/b/f", "é").await;
        let path = format!("{}/data/a/b/f.txt", entry.id);
        assert!(stored.json()["data_files_created"][0].as_str().unwrap().ends_with(&path));
        check(&stored, 200, json!({"data_key": "a/b", "file_id": "f", "file_size": 2, "extension": "txt"}));
        check(
            &entry.post("store/json/f", "{ \"b\": 1.50, \"a\": 2 }").await,
            200,
            json!({"data_key": "", "file_size": 16}),
        );
        check(&entry.post("store/binary/f", "\u{0}").await, 200, json!({"data_type": "binary", "extension": "bin"}));
        for (path, content, content_type) in [
            ("string/a/b/f", "é", "text/plain; charset=utf-8"),
            ("json/f", "{\"b\":1.50,\"a\":2}", "application/json"),
            ("binary/f", "\u{0}", "application/octet-stream"),
        ] {
            let answer = entry.get(path).await;
            assert_eq!((answer.text().as_str(), answer.header("content-type")), (content, Some(content_type)));
        }
    }

    #[tokio::test]
    async fn a_child_without_a_file_id_gets_a_fresh_one() {
        let entry = Entry::new().await;
        let first = entry.post("store/string", "x").await.json()["file_id"].clone();
        assert!(uuid::Uuid::try_parse(first.as_str().unwrap()).is_ok());
        assert_ne!(entry.post("store/string", "x").await.json()["file_id"], first);
        assert_ne!(entry.post("store/string/k/%20", "x").await.json()["file_id"], first);
    }

    #[tokio::test]
    async fn an_empty_child_is_stored_and_read() {
        let entry = Entry::new().await;
        let call = Call::post_json(&format!("/ns/cache/{}/data/store/string/e", entry.id), "\"\"");
        check(&entry.app.send(call).await, 200, json!({"file_size": 0}));
        let answer = entry.get("string/e").await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, ""));
    }

    #[tokio::test]
    async fn what_is_not_there_is_404_in_json() {
        let entry = Entry::new().await;
        let id = &entry.id;
        for path in ["string/nope", "json/k/nope", "binary/nope"] {
            let expected = json!({"error_type": "NOT_FOUND", "cache_id": id, "data_file_id": "nope"});
            check_missing(&entry.get(path).await, expected);
        }
        check_missing(&entry.post("update/json/nope", "{}").await, json!({"data_file_id": "nope"}));
        let typed = json!({"data_type": "type-safe", "data_file_id": "f"});
        check_missing(&entry.send(Method::DELETE, "delete/type-safe/f").await, typed);
        let lost = Entry { app: entry.app.clone(), id: NOBODY.to_owned() };
        for answer in [lost.post("store/string/f", "x").await, lost.get("list").await] {
            check_missing(&answer, json!({"error_type": "NOT_FOUND", "cache_id": NOBODY}));
        }
        check(&lost.get("exists/json/f").await, 200, json!({"exists": false}));
        check(&lost.send(Method::DELETE, "delete/all").await, 200, json!({"deleted_count": 0}));
    }

    #[tokio::test]
    async fn an_update_needs_a_child_of_its_type_and_a_content() {
        let entry = Entry::new().await;
        entry.post("store/string/k/f", "one").await;
        let updated = json!({"success": true, "data_key": "k", "data_file_id": "f", "file_size": 3});
        check(&entry.post("update/string/k/f", "two").await, 200, updated);
        assert_eq!(entry.get("string/k/f").await.text(), "two");
        check_missing(&entry.post("update/json/k/f", "{}").await, json!({"data_file_id": "f"}));
        let call = Call::post_json(&format!("/ns/cache/{}/data/update/string/k/f", entry.id), "\"\"");
        assert_eq!(entry.app.send(call).await.json()["detail"]["field_name"], "data");
        entry.post("store/json/j", "{\"a\":1}").await;
        check(&entry.post("update/json/j", "{}").await, 200, json!({"file_size": 2}));
    }

    #[tokio::test]
    async fn a_list_goes_down_unless_told_otherwise() {
        let entry = Entry::new().await;
        for path in ["string/s", "json/k/j", "binary/k/deep/b"] {
            entry.post(&format!("store/{path}"), "{}").await;
        }
        for (path, count) in [
            ("list", 3),
            ("list/", 3),
            ("list?recursive=False", 1),
            ("list/k", 2),
            ("list/k?recursive=0", 1),
            ("list/k/deep", 1),
            ("list/kk", 0),
        ] {
            let list = entry.get(path).await.json();
            assert_eq!((&list["file_count"], &list["total_size"]), (&json!(count), &json!(2 * count)), "{path}");
        }
        let item = json!({"data_file_id": "j", "data_key": "k", "data_type": "json", "extension": "json"});
        let list = entry.get("list/k?recursive=false").await.json();
        for (field, value) in item.as_object().unwrap() {
            assert_eq!(&list["files"][0][field], value);
        }
    }

    #[tokio::test]
    async fn deleting_all_stays_in_its_folder() {
        let entry = Entry::new().await;
        for path in ["s", "k/a", "k/deep/b", "kk/c"] {
            entry.post(&format!("store/string/{path}"), "x").await;
        }
        let deleted = entry.send(Method::DELETE, "delete/all/k").await;
        check(&deleted, 200, json!({"status": "success", "deleted_count": 2, "data_key": "k"}));
        check(&entry.get("list").await, 200, json!({"file_count": 2}));
        check(&entry.send(Method::DELETE, "delete/all").await, 200, json!({"deleted_count": 2, "data_key": null}));
        assert_eq!(entry.send(Method::DELETE, "delete/all").await.json().get("deleted_files"), None);
    }

    #[tokio::test]
    async fn one_child_is_deleted_and_then_missing() {
        let entry = Entry::new().await;
        entry.post("store/string/s", "x").await;
        let gone = json!({"status": "success", "data_file_id": "s", "data_type": "string", "data_key": null});
        check(&entry.send(Method::DELETE, "delete/string/s").await, 200, gone);
        check(&entry.get("exists/string/s").await, 200, json!({"exists": false, "data_key": ""}));
        check_missing(&entry.send(Method::DELETE, "delete/string/s").await, json!({"data_type": "string"}));
    }

    #[tokio::test]
    async fn names_that_could_leave_the_folder_are_refused() {
        let entry = Entry::new().await;
        for path in ["a/../f", "a//f", "/f", "./f", "a%5Cb/f"] {
            assert_eq!(entry.post(&format!("store/string/{path}"), "x").await.status, 400, "{path}");
        }
        assert_eq!(entry.get("exists/weird/f").await.status, 400);
        assert_eq!(entry.get("list?recursive=zz").await.status, 400);
        for path in ["store/string/", "store/string/a/"] {
            assert_eq!(entry.post(path, "x").await.status, 404, "{path}");
        }
    }
}
