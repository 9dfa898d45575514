//! The description of the whole interface, as OpenAPI 3.1.
//!
//! Each route describes its operation where it is added to the router: see [`crate::routing`].

mod links;
pub mod operation;
pub mod parameters;
mod responses;

use utoipa::openapi::path::PathsBuilder;
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

use self::operation::Operation;
use crate::config::auth::Auth;

/// The version of the service, as `/info/status` shows it.
pub const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// The name of the API key's header if no key is configured.
const KEY_HEADER: &str = "x-api-key";
/// The names of the security schemes: the API key in a header, in a cookie, and as a bearer token.
const SCHEMES: [&str; 3] = ["header", "cookie", "bearer"];

const ABOUT: &str = "A content-addressed cache. Entries are retrieved by id, by content hash, or by a versioned key.

- **Names** (namespaces, keys, file ids) are described as they are kept. Others are sanitized: white space around them \
is cut, and each character outside the alphabet becomes `_`. `CACHE__SERVICE__STRICT_NAMES=true` refuses them instead.
- A `/` within a name at the end of a path (a key, the path of a file) may be written as it is or as `%2F`.
- HEAD is served wherever GET is, without the body.
- Every response has an id in the header `fast-api-request-id`. Every error has a `message` that says what to change.";

/// The OpenAPI document of a service with this authentication.
pub fn document(auth: &Auth, operations: &[Operation]) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = responses::add_to(ComponentsBuilder::new());
    for operation in operations {
        components = components.schemas_from_iter(operation.schemas());
        paths = paths.path(&operation.path, operation.item());
    }
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info =
        InfoBuilder::new().title("mgraph-cache").version(VERSION).description(Some(ABOUT)).license(Some(license));
    let [header, cookie, bearer] = SCHEMES;
    let (in_header, in_cookie) = match auth {
        Auth::ApiKey { name, cookie, .. } => (name.as_str(), cookie.as_str()),
        Auth::Disabled | Auth::DenyAll { .. } => (KEY_HEADER, KEY_HEADER),
    };
    let components = components
        .security_scheme(header, SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(in_header))))
        .security_scheme(cookie, SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(in_cookie))))
        .security_scheme(bearer, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{VERSION, document};
    use crate::config::auth::Auth;
    use crate::routes::routes;

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
        let document = serde_json::to_value(document(&Auth::Disabled, routes().operations())).unwrap();
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
        let document = serde_json::to_value(document(&Auth::Disabled, routes().operations())).unwrap();
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
