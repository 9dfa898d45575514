//! The routes, a file for each group: its router on top, its handlers below.
//!
//! To add a group, write a file with its router and its description, and add a line to each of the two lists below.

pub mod admin;
pub mod auth;
pub mod data;
pub mod docs;
pub mod entries;
pub mod home;
pub mod info;
pub mod metrics;
pub mod namespace;
pub mod operations;
pub mod retrieve;
pub mod store;
pub mod testing;
pub mod update;
pub mod upload;
pub mod versions;
pub mod zip;

use axum::Router;

use crate::openapi::operation::Operation;
use crate::state::AppState;

/// Every route.
pub fn routes() -> Router<AppState> {
    Router::new()
        .merge(info::routes())
        .merge(metrics::routes())
        .merge(store::routes())
        .merge(upload::routes())
        .merge(retrieve::routes())
        .merge(entries::routes())
        .merge(versions::routes())
        .merge(update::routes())
        .merge(data::routes())
        .merge(namespace::routes())
        .merge(admin::routes())
        .merge(testing::routes())
        .merge(auth::routes())
        .merge(home::routes())
        .merge(docs::routes())
        .merge(zip::routes())
}

/// The groups of operations, in the order in which they are shown.
pub fn groups() -> [(&'static str, Vec<Operation>); 14] {
    [
        ("Store", store::described()),
        ("Upload", upload::described()),
        ("Retrieve", retrieve::described()),
        ("Entries", entries::described()),
        ("Update", update::described()),
        ("Versions", versions::described()),
        ("Child data", data::described()),
        ("ZIP", zip::described()),
        ("Namespaces", namespace::described()),
        ("Admin", admin::described()),
        ("Info", [info::described(), metrics::described()].concat()),
        ("Auth", auth::described()),
        ("Test data", testing::described()),
        ("Pages", [home::described(), docs::described()].concat()),
    ]
}
