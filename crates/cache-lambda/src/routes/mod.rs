//! The routes, a file for each group: its routes with their descriptions on top, its handlers below.
//!
//! To add a group, write a file with its routes, and add a line to the list below.

pub mod admin;
pub mod auth;
pub mod batch;
pub mod console;
pub mod data;
pub mod docs;
pub mod entries;
pub mod home;
pub mod info;
pub mod keys;
pub mod metrics;
pub mod namespace;
pub mod retrieve;
pub mod store;
pub mod test_data;
pub mod update;
pub mod upload;
pub mod versions;
pub mod zip;

use std::sync::LazyLock;

use crate::routing::Routes;

/// Every route. The groups are in the order in which `/openapi.json` shows them.
pub fn routes() -> &'static Routes {
    &ROUTES
}

static ROUTES: LazyLock<Routes> = LazyLock::new(|| {
    Routes::new()
        .group("Store", store::routes())
        .group("Upload", upload::routes())
        .group("Retrieve", retrieve::routes())
        .group("Entries", entries::routes())
        .group("Batch", batch::routes())
        .group("Update", update::routes())
        .group("Versions", versions::routes())
        .group("Child data", data::routes())
        .group("ZIP", zip::routes())
        .group("Namespaces", namespace::routes())
        .group("Admin", admin::routes())
        .group("Info", info::routes().merge(metrics::routes()))
        .group("Auth", auth::routes())
        .group("Keys", keys::routes())
        .group("Test data", test_data::routes())
        .group("Pages", home::routes().merge(docs::routes()).merge(console::routes()))
});

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::config::auth::Auth;
    use crate::test_support::{App, Call, config};

    #[track_caller]
    fn check(method: Method, route: &str, id: &str, group: &str) {
        let labels = routes().labels(&method, Some(route)).unwrap();
        assert_eq!((labels.id.as_str(), labels.group.as_str()), (id, group));
    }

    #[test]
    fn a_route_is_called_as_its_description_is() {
        let id = "get_namespace_retrieve_cache_id";
        check(Method::GET, "/{namespace}/retrieve/{cache_id}", id, "retrieve");
        check(Method::HEAD, "/{namespace}/retrieve/{cache_id}", id, "retrieve");
        let id = "post_namespace_strategy_store_string_cache_key";
        check(Method::POST, "/{namespace}/{strategy}/store/string/{*cache_key}", id, "store");
        check(Method::POST, "/{namespace}/{strategy}/store/string/", id, "store");
        let id = "post_namespace_cache_cache_id_data_store_string_data_file_id";
        check(Method::POST, "/{namespace}/cache/{cache_id}/data/store/string/{*rest}", id, "child_data");
    }

    #[tokio::test]
    async fn exactly_the_public_operations_need_no_key() {
        let mut config = config();
        config.auth = Auth::ApiKey { name: "x-k".parse().unwrap(), cookie: "x-k".to_owned(), value: "v".to_owned() };
        let app = App::with(config);
        for operation in routes().operations() {
            let method = operation.verb().to_uppercase().parse().unwrap();
            let status = app.send(Call::new(method, &operation.path.replace(['{', '}'], ""))).await.status;
            assert_eq!(status == 401, operation.needs_key(), "{} is {status}", operation.path);
        }
    }
}
