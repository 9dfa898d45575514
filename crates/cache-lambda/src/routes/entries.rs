//! Entries: whether they exist, and deleting them.

use axum::Json;

use cache_api::entries::{Delete, Exists};

use crate::extract::Params;
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::response::entry;
use crate::response::wire::name;
use crate::routing::Routes;

/// The routes of this group.
pub fn routes() -> Routes {
    Routes::below("/{namespace}")
        .get("/exists/id/{cache_id}", exists_id, |op| op.summary("Whether an entry is there").response::<Exists>())
        .get("/exists/hash/{cache_hash}", exists_hash, |op| {
            op.summary("Whether an entry with this hash is there").response::<Exists>()
        })
        .delete("/delete/{cache_id}", delete_id, |op| {
            op.summary("Deletes an entry with all that belongs to it").response::<Delete>()
        })
}

async fn exists_id(cache: RequestCache, params: Params) -> Result<Json<Exists>, Problem> {
    let (namespace, id) = (params.namespace()?, params.cache_id()?);
    let exists = cache.namespace(&namespace).exists(id).await?;
    Ok(Json(Exists { exists, cache_id: Some(name(&id)), cache_hash: None, namespace: name(&namespace) }))
}

async fn exists_hash(cache: RequestCache, params: Params) -> Result<Json<Exists>, Problem> {
    let (namespace, hash) = (params.namespace()?, params.cache_hash()?);
    let exists = cache.namespace(&namespace).exists_hash(&hash).await?;
    Ok(Json(Exists { exists, cache_id: None, cache_hash: Some(name(&hash)), namespace: name(&namespace) }))
}

async fn delete_id(cache: RequestCache, params: Params) -> Result<Json<Delete>, Problem> {
    let (namespace, id) = (params.namespace()?, params.cache_id()?);
    let deleted = cache.run_to_completion(async move |cache| cache.namespace(&namespace).delete(id).await).await?;
    Ok(Json(entry::delete(id, deleted)))
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::{Value, json};

    use crate::test_support::{App, Call};

    /// That a call is answered with these fields.
    async fn check(app: &App, method: Method, path: &str, expected: Value) {
        let answer = app.json(Call::new(method, path)).await;
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&answer[field], value, "{field} in {answer}");
        }
    }

    async fn stored(app: &App) -> String {
        let stored = app.json(Call::post("/ns/direct/store/string", "hello")).await;
        stored["cache_id"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn an_entry_exists_until_it_is_deleted() {
        let app = App::new();
        let id = stored(&app).await;
        let (by_id, by_hash) = (format!("/ns/exists/id/{id}"), "/ns/exists/hash/2cf24dba5fb0a30e");
        check(&app, Method::GET, &by_id, json!({"exists": true, "cache_id": id, "cache_hash": null})).await;
        check(&app, Method::GET, by_hash, json!({"exists": true, "cache_id": null, "namespace": "ns"})).await;
        let gone = json!({"status": "success", "cache_id": id, "failed_count": 0, "failed_paths": []});
        check(&app, Method::DELETE, &format!("/ns/delete/{id}"), gone).await;
        check(&app, Method::GET, &by_id, json!({"exists": false})).await;
        check(&app, Method::GET, by_hash, json!({"exists": false})).await;
    }

    #[tokio::test]
    async fn deleting_what_is_not_there_is_200() {
        let app = App::new();
        let path = "/ns/delete/00000000-0000-0000-0000-00000000dead";
        check(&app, Method::DELETE, path, json!({"status": "not_found"})).await;
    }

    #[tokio::test]
    async fn a_delete_counts_the_objects_that_it_removed() {
        let app = App::new();
        let id = stored(&app).await;
        let answer = app.json(Call::new(Method::DELETE, &format!("/ns/delete/{id}"))).await;
        assert_eq!(answer["deleted_count"], answer["deleted_paths"].as_array().unwrap().len());
    }
}
