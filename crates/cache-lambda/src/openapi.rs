//! The description of the whole interface, as OpenAPI 3.1.
//!
//! Each route group describes its operations beside its router (`described()`), with the types that its handlers answer with. A
//! test holds every router against the descriptions: no route or method is in one and not in the other.

mod links;
pub mod operation;
pub mod parameters;
mod responses;

use utoipa::openapi::path::PathsBuilder;
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

use self::operation::Operation;
use crate::config::Access;

/// The version of the service, as `/info/status` tells it.
pub const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// What the name of the API key's header is where no key is configured.
const KEY_HEADER: &str = "x-api-key";
/// What the description calls the API key in a header, and in a cookie.
const SCHEMES: [&str; 2] = ["header", "cookie"];

const ABOUT: &str = "A content-addressed cache. What is stored is found again by its id, by the hash of its content, or by a \
key with versions.

- **Names** (namespaces, keys, file ids) are described as they are kept. Others are cleaned first: white space around them \
is cut, and each character outside the alphabet becomes `_`. `CACHE__SERVICE__STRICT_NAMES=true` refuses them instead.
- A `/` within a name at the end of a path (a key, the path of a file) may be written as it is or as `%2F`.
- Every GET is answered to HEAD too, without the body.
- Every answer has an id in the header `fast-api-request-id`. Every error has a `message` that says what to change.";

/// The description of a service that lets in whoever `access` says.
pub fn document(access: &Access, groups: impl IntoIterator<Item = (&'static str, Vec<Operation>)>) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = responses::add_to(ComponentsBuilder::new());
    for (group, operations) in groups {
        for operation in operations {
            components = components.schemas_from_iter(operation.schemas());
            paths = paths.path(operation.path, operation.item(group));
        }
    }
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info =
        InfoBuilder::new().title("mgraph-cache").version(VERSION).description(Some(ABOUT)).license(Some(license));
    let [header, cookie] = SCHEMES;
    let (in_header, in_cookie) = match access {
        Access::Key { name, cookie, .. } => (name.as_str(), cookie.as_str()),
        Access::Open | Access::Closed { .. } => (KEY_HEADER, KEY_HEADER),
    };
    let components = components
        .security_scheme(header, SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(in_header))))
        .security_scheme(cookie, SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(in_cookie))));
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    use super::{VERSION, document};
    use crate::config::Access;
    use crate::routes::{groups, operations};

    /// A method and the path of a route.
    type Served = BTreeSet<(String, String)>;

    /// Every method of every route, read from the sources: a router does not tell them.
    fn routed() -> Served {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/routes");
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file());
        files.flat_map(|file| routes_in(&fs::read_to_string(file).unwrap())).collect()
    }

    fn routes_in(source: &str) -> Vec<(String, String)> {
        let prefix =
            source.split_once(".nest(\"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |(path, _)| path);
        let mut found = Vec::new();
        for rest in source.split(".route(\"").skip(1) {
            let (path, rest) = rest.split_once("\", ").unwrap();
            // Up to the next route, or to the end of the function.
            let handlers = rest.split("\n}").next().unwrap();
            for verb in ["get", "post", "put", "delete"] {
                if handlers.starts_with(&format!("{verb}(")) || handlers.contains(&format!(").{verb}(")) {
                    found.push((verb.to_owned(), format!("{prefix}{path}")));
                }
            }
        }
        found
    }

    /// Whether a route only says that what its path ends in is missing, or takes the same as the one without the slash.
    fn is_blank_end((verb, route): &(String, String), documented: &Served) -> bool {
        route.ends_with('/')
            && documented.iter().any(|(of, path)| of == verb && path.starts_with(&format!("{route}{{*")))
    }

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        let operations = groups().into_iter().flat_map(|(_, operations)| operations);
        let documented: Served = operations.map(|operation| (operation.verb.to_owned(), operation.route())).collect();
        let mut routed = routed();
        assert!(routed.len() > 100, "the sources are read");
        routed.retain(|route| documented.contains(route) || !is_blank_end(route, &documented));
        let undescribed: Vec<_> = routed.difference(&documented).collect();
        let unserved: Vec<_> = documented.difference(&routed).collect();
        assert!(
            undescribed.is_empty() && unserved.is_empty(),
            "not described {undescribed:?}, not served {unserved:?}"
        );
    }

    #[test]
    fn every_route_has_a_name_for_logs_and_metrics() {
        for (verb, route) in routed() {
            let method = verb.to_uppercase().parse().unwrap();
            assert_ne!(operations::find(&method, Some(&route)).id, "none", "{verb} {route}");
        }
    }

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn the_document_is_complete_in_itself() {
        let document = serde_json::to_value(document(&Access::Open, groups())).unwrap();
        let mut keys: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["components", "info", "openapi", "paths"], "an old client checks this");
        assert_eq!((&document["openapi"], &document["info"]["version"]), (&"3.1.0".into(), &VERSION.into()));
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let dangling: Vec<_> =
            found.iter().filter(|path| document.pointer(path.trim_start_matches('#')).is_none()).collect();
        assert!(dangling.is_empty(), "{dangling:?}");
    }

    #[test]
    fn operation_ids_are_unique_and_links_lead_to_them() {
        let document = serde_json::to_value(document(&Access::Open, groups())).unwrap();
        let paths = document["paths"].as_object().unwrap().values();
        let ids: Vec<&Value> = paths
            .flat_map(|path| path.as_object().unwrap().values())
            .map(|operation| &operation["operationId"])
            .collect();
        let unique: BTreeSet<_> = ids.iter().map(|id| id.as_str().unwrap()).collect();
        assert_eq!(unique.len(), ids.len());
        let links = super::links::to_entry();
        let astray: Vec<_> = links.iter().filter(|(id, _)| !unique.contains(id)).map(|(id, _)| id).collect();
        assert!(astray.is_empty(), "links lead nowhere: {astray:?}");
    }
}
