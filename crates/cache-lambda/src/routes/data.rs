//! Child data: small files under an entry. Each is named by its type, a file id, and if wanted a data key of several
//! segments; in a path the file id is the last one.

mod child_path;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cache_api::children::{ChildDeleted, ChildExists, ChildList, ChildStored, ChildUpdated, ChildrenDeleted};
use cache_core::cache::{ChildName, IdempotencyKey};
use cache_core::ids::{CacheId, FileId, Namespace};
use cache_core::strategy::ContentKind;
use http::header;
use http::request::Parts;
use uuid::Uuid;

use self::child_path::{ChildPath, DataType, folder, names};
use super::update::filled;
use crate::body::Payload;
use crate::extract::Params;
use crate::media_type::{BYTES, JSON, TEXT, TEXT_UTF_8};
use crate::openapi::operation::Operation;
use crate::openapi::parameters;
use crate::problem::{ChildOp, Problem};
use crate::request_cache::RequestCache;
use crate::response::children;
use crate::response::children::key_or_empty;
use crate::response::wire::name;
use crate::routing::Routes;
use crate::state::AppState;
use crate::store_options::Repeatable;

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
    let store = |op, summary| described(op, summary).repeatable().response::<ChildStored>().not_found();
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
    at.store(&params, ContentKind::String, payload.compute(Payload::text).await?.into()).await
}

async fn store_json(at: ParentEntry, params: Params, payload: Payload) -> Result<Json<ChildStored>, Problem> {
    at.store(&params, ContentKind::Json, payload.compute(Payload::document).await?.into_text()).await
}

async fn store_binary(at: ParentEntry, params: Params, payload: Payload) -> Result<Json<ChildStored>, Problem> {
    at.store(&params, ContentKind::Binary, payload.compute(Payload::bytes).await?).await
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
    at.update(&params, ContentKind::String, filled("data", payload.compute(Payload::text).await?.into())?).await
}

async fn update_json(at: ParentEntry, params: Params, payload: Payload) -> Result<Json<ChildUpdated>, Problem> {
    at.update(&params, ContentKind::Json, payload.compute(Payload::document).await?.into_text()).await
}

async fn update_binary(at: ParentEntry, params: Params, payload: Payload) -> Result<Json<ChildUpdated>, Problem> {
    at.update(&params, ContentKind::Binary, filled("body", payload.compute(Payload::bytes).await?)?).await
}

async fn exists(at: ParentEntry, params: Params) -> Result<Json<ChildExists>, Problem> {
    let data_type = DataType::of(&params)?;
    let ChildPath { data_key, file_id } = ChildPath::of(&params)?;
    let shown_key = key_or_empty(data_key.as_ref());
    let exists = match data_type.kind() {
        Some(kind) => {
            let child = ChildName { data_key, file_id: file_id.clone(), kind };
            at.cache.namespace(&at.namespace).child_exists(at.cache_id, &child).await?
        }
        None => false,
    };
    Ok(Json(ChildExists {
        cache_id: name(&at.cache_id),
        data_type: data_type.name().to_owned(),
        data_key: shown_key,
        data_file_id: name(&file_id),
        exists,
        namespace: name(&at.namespace),
    }))
}

async fn list(at: ParentEntry, params: Params) -> Result<Json<ChildList>, Problem> {
    let data_key = folder(&params)?;
    let recursive = params.flag("recursive", true)?;
    let found = at.cache.namespace(&at.namespace).children(at.cache_id, data_key.as_ref(), recursive).await?;
    let found = found.ok_or_else(|| Problem::parent_not_found(ChildOp::List, &at.namespace, at.cache_id))?;
    Ok(Json(children::child_list(&at.namespace, at.cache_id, data_key.as_ref(), found)))
}

async fn delete_all(at: ParentEntry, params: Params) -> Result<Json<ChildrenDeleted>, Problem> {
    let data_key = folder(&params)?;
    let ParentEntry { cache, namespace, cache_id, .. } = at;
    let (within, key) = (namespace.clone(), data_key.clone());
    let deleted = cache
        .run_to_completion(async move |cache| cache.namespace(&within).delete_children(cache_id, key.as_ref()).await)
        .await?;
    Ok(Json(children::children_deleted(&namespace, cache_id, data_key.as_ref(), deleted)))
}

async fn delete_one(at: ParentEntry, params: Params) -> Result<Json<ChildDeleted>, Problem> {
    let data_type = DataType::of(&params)?;
    let ChildPath { data_key, file_id } = ChildPath::of(&params)?;
    let ParentEntry { cache, namespace, cache_id, .. } = at;
    let missing = || Problem::child_not_found(ChildOp::Delete, cache_id, file_id.as_str(), Some(data_type.name()));
    let kind = data_type.kind().ok_or_else(missing)?;
    let name = ChildName { data_key, file_id: file_id.clone(), kind };
    let (within, child) = (namespace.clone(), name.clone());
    let deleted = cache
        .run_to_completion(async move |cache| cache.namespace(&within).delete_child(cache_id, &child).await)
        .await?;
    match deleted {
        true => Ok(Json(children::child_deleted(&namespace, cache_id, &name, data_type.name()))),
        false => Err(missing()),
    }
}

/// The entry whose children a request is about.
struct ParentEntry {
    cache: RequestCache,
    namespace: Namespace,
    cache_id: CacheId,
    now_ms: u64,
    idempotency_key: Option<IdempotencyKey>,
}

impl FromRequestParts<AppState> for ParentEntry {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let params = Params::from_request_parts(parts, state).await?;
        let Ok(cache) = RequestCache::from_request_parts(parts, state).await;
        let Repeatable(idempotency_key) = Repeatable::from_request_parts(parts, state).await?;
        let (namespace, cache_id) = (params.namespace()?, params.cache_id()?);
        Ok(Self { cache, namespace, cache_id, now_ms: state.now_ms(), idempotency_key })
    }
}

impl ParentEntry {
    /// Stores a child, under a fresh file id when none is named.
    async fn store(self, params: &Params, kind: ContentKind, content: Bytes) -> Result<Json<ChildStored>, Problem> {
        let (data_key, file_id) = names(params)?;
        let file_id = match file_id {
            Some(file_id) => file_id,
            None => self.fresh_file_id(params, kind, &content)?,
        };
        let name = ChildName { data_key, file_id, kind };
        let (size, missing) =
            (content.len(), Problem::parent_not_found(ChildOp::Store, &self.namespace, self.cache_id));
        let Self { cache, namespace, cache_id, now_ms, .. } = self;
        let (within, child) = (namespace.clone(), name.clone());
        let stored = cache
            .run_to_completion(async move |cache| cache.namespace(&within).store_child(cache_id, &child, content).await)
            .await?;
        let path = stored.ok_or(missing)?;
        Ok(Json(children::child_stored(&namespace, cache_id, &name, path, size, now_ms)))
    }

    /// A name of its own for each request, and one name for all repeats of a request.
    fn fresh_file_id(&self, params: &Params, kind: ContentKind, content: &[u8]) -> Result<FileId, Problem> {
        match &self.idempotency_key {
            Some(key) => Ok(key.child_file_id(&self.namespace, self.cache_id, kind, content)),
            None => params.name("data_file_id", &Uuid::new_v4().to_string()),
        }
    }

    async fn read(self, params: &Params, kind: ContentKind, content_type: &'static str) -> Result<Response, Problem> {
        let (data_key, file_id) = names(params)?;
        let file_id = file_id.ok_or_else(|| Problem::unnamed_child(self.cache_id))?;
        let name = ChildName { data_key, file_id, kind };
        let content = self.cache.namespace(&self.namespace).retrieve_child(self.cache_id, &name).await?;
        let content = content
            .ok_or_else(|| Problem::child_not_found(ChildOp::Read, self.cache_id, name.file_id.as_str(), None))?;
        Ok(([(header::CONTENT_TYPE, content_type)], content).into_response())
    }

    async fn update(self, params: &Params, kind: ContentKind, content: Bytes) -> Result<Json<ChildUpdated>, Problem> {
        let name = ChildPath::of(params)?.of_kind(kind);
        let (size, missing) =
            (content.len(), Problem::child_not_found(ChildOp::Update, self.cache_id, name.file_id.as_str(), None));
        let Self { cache, namespace, cache_id, .. } = self;
        let (within, child) = (namespace.clone(), name.clone());
        let updated = cache
            .run_to_completion(async move |cache| {
                cache.namespace(&within).update_child(cache_id, &child, content).await
            })
            .await?;
        let path = updated.ok_or(missing)?;
        Ok(Json(children::child_updated(&namespace, cache_id, &name, path, size)))
    }
}

#[cfg(test)]
mod tests;
