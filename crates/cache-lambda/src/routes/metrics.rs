//! Metrics: the numbers of this process, for Prometheus.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};

use crate::app::AppState;
use crate::openapi::operation::{self, Operation, TEXT};
use crate::problem::Problem;
use crate::watching::prometheus::{self, Process};

/// The routes of this group.
pub fn routes() -> Router<AppState> {
    Router::new().route("/metrics", get(metrics))
}

/// What the routes of this group answer.
pub fn described() -> Vec<Operation> {
    let about = "The numbers of this process, as Prometheus reads them";
    vec![operation::get("/metrics", about).answers_as(TEXT).or(StatusCode::NOT_FOUND, "In Lambda: see CloudWatch")]
}

/// In Lambda a scraper would reach some process or other, each of which has seen a few requests.
async fn metrics(State(state): State<AppState>) -> Result<Response, Problem> {
    if state.config.in_lambda {
        return Err(Problem::no_metrics());
    }
    let process = Process {
        version: env!("CARGO_PKG_VERSION"),
        storage_mode: state.config.storage.mode(),
        started_ms: state.started_ms,
    };
    let page = prometheus::page(&state.metrics, &process);
    Ok(([(header::CONTENT_TYPE, prometheus::MEDIA)], page).into_response())
}
