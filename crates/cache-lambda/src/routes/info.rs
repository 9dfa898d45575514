//! Info: what runs here, and where it stores.

use axum::Json;
use axum::extract::State;
use cache_api::info::{Health, Server, Status, Storage, Versions};
use cache_storage::StorageConfig;

use crate::openapi::VERSION;
use crate::problem::Problem;
use crate::routing::Routes;
use crate::state::AppState;

/// The service's name, under which clients look for its version.
const NAME: &str = "mgraph_ai_service_cache";

/// The routes of this group.
pub fn routes() -> Routes {
    Routes::new()
        .get("/info/health", health, |op| op.summary("Whether the service answers").response::<Health>())
        .get("/info/ready", ready, |op| {
            op.summary("Whether the storage answers, for load balancers").response::<Health>()
        })
        .get("/info/server", server, |op| op.summary("Which process answers").response::<Server>())
        .get("/info/status", status, |op| op.summary("What runs, and where").response::<Status>())
        .get("/info/versions", versions, |op| op.summary("The versions of the service's parts").response::<Versions>())
        .get("/server/storage/info", storage, |op| op.summary("Where entries live").response::<Storage>())
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// Whether requests can be served, as far as the storage goes; `/info/health` says whether the process lives.
async fn ready(State(state): State<AppState>) -> Result<Json<Health>, Problem> {
    match state.is_ready().await {
        true => Ok(Json(Health { status: "ready".to_owned() })),
        false => Err(Problem::not_ready()),
    }
}

async fn server(State(state): State<AppState>) -> Json<Server> {
    Json(Server {
        server_id: state.config.server_id.clone(),
        server_name: state.config.server_name.clone(),
        server_instance_id: state.instance_id.to_string(),
        server_boot_time: state.started_ms,
    })
}

async fn status(State(state): State<AppState>) -> Json<Status> {
    let environment = if state.config.in_lambda { "aws-lambda" } else { "local" };
    Json(Status {
        name: NAME.to_owned(),
        version: VERSION.to_owned(),
        status: "operational".to_owned(),
        environment: environment.to_owned(),
    })
}

/// Clients also expect the versions of the Python service's libraries, which this service does not use.
async fn versions() -> Json<Versions> {
    let not_used = || "not used".to_owned();
    Json(Versions {
        mgraph_ai_service_cache: VERSION.to_owned(),
        osbot_utils: not_used(),
        osbot_aws: not_used(),
        osbot_fast_api: not_used(),
        osbot_fast_api_serverless: not_used(),
    })
}

async fn storage(State(state): State<AppState>) -> Json<Storage> {
    let storage = &state.config.storage;
    let path = storage.path().map(|path| path.display().to_string());
    let [mut local_disk_path, mut sqlite_path, mut zip_path] = [None, None, None];
    match storage {
        StorageConfig::LocalDisk { .. } => local_disk_path = path,
        StorageConfig::Sqlite { .. } => sqlite_path = path,
        StorageConfig::Zip { .. } => zip_path = path,
        StorageConfig::S3(_) | StorageConfig::Memory => {}
    }
    Json(Storage {
        storage_mode: storage.mode().to_owned(),
        ttl_hours: state.config.ttl_hours,
        s3_bucket: storage.bucket().map(ToOwned::to_owned),
        local_disk_path,
        sqlite_path,
        zip_path,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cache_storage::StorageConfig;
    use cache_storage::memory::Memory;
    use cache_storage::operation::StorageOp;
    use cache_storage::s3::S3Config;
    use cache_testing::fault_injection::{Fault, FaultInjectingStorage};
    use serde_json::{Value, json};

    use crate::test_support::{App, Call, config};

    async fn check(path: &str, expected: Value) {
        let answer = App::new().json(Call::get(path)).await;
        assert_eq!(answer, expected);
    }

    #[tokio::test]
    async fn a_service_tells_what_it_is() {
        check("/info/health", json!({"status": "ok"})).await;
        let not_used = "not used";
        let versions = json!({
            "mgraph_ai_service_cache": super::VERSION, "osbot_utils": not_used, "osbot_aws": not_used,
            "osbot_fast_api": not_used, "osbot_fast_api_serverless": not_used,
        });
        check("/info/versions", versions).await;
        let status = json!({
            "name": super::NAME, "version": super::VERSION, "status": "operational", "environment": "local",
        });
        check("/info/status", status).await;
    }

    #[tokio::test]
    async fn a_server_without_storage_is_alive_but_not_ready() {
        check("/info/ready", json!({"status": "ready"})).await;
        let storage = FaultInjectingStorage::new(Arc::new(Memory::default()));
        storage.once(StorageOp::List, "", Fault::Lost);
        let app = App::over(Arc::new(storage), config());
        let answer = app.get("/info/ready").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")), "{}", answer.text());
        assert_eq!(app.get("/info/health").await.status, 200);
    }

    #[tokio::test]
    async fn a_server_has_an_id_of_its_own() {
        let app = App::new();
        let (first, again) = (app.json(Call::get("/info/server")).await, app.json(Call::get("/info/server")).await);
        assert_eq!(first, again);
        assert_ne!(first, App::new().json(Call::get("/info/server")).await);
    }

    #[tokio::test]
    async fn the_storage_is_named() {
        check("/server/storage/info", json!({"storage_mode": "memory", "ttl_hours": 24})).await;
        let mut config = config();
        config.storage = StorageConfig::S3(S3Config::new("b"));
        let answer = App::with(config).json(Call::get("/server/storage/info")).await;
        assert_eq!(answer, json!({"storage_mode": "s3", "ttl_hours": 24, "s3_bucket": "b"}));
        let mut config = crate::test_support::config();
        config.storage = StorageConfig::Zip { path: "/a.zip".into(), max_bytes: 1 };
        let answer = App::with(config).json(Call::get("/server/storage/info")).await;
        assert_eq!(answer, json!({"storage_mode": "zip", "ttl_hours": 24, "zip_path": "/a.zip"}));
    }
}
