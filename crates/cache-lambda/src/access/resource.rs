//! What a request acts on, read as its handler reads it.

use axum::extract::FromRequestParts;
use cache_core::ids::Namespace;
use http::request::Parts;

use super::table::Access;
use crate::extract::Params;
use crate::problem::Problem;
use crate::state::AppState;

/// What a request acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// No namespace, or all of them.
    Service,
    /// This one.
    Namespace(Namespace),
    /// A folder of the storage that is no namespace.
    Elsewhere(String),
}

/// What a request acts on. The parameters that were read for it are left to the handler.
///
/// # Errors
///
/// 400 when the path is malformed, as the handler would answer.
pub async fn of(access: Access, parts: &mut Parts, state: &AppState) -> Result<Resource, Problem> {
    match access {
        Access::Namespace(_) | Access::Store => {
            let params = Params::from_request_parts(parts, state).await?;
            let namespace = params.namespace()?;
            parts.extensions.insert(params);
            Ok(Resource::Namespace(namespace))
        }
        Access::Folder(_) => {
            let params = Params::from_request_parts(parts, state).await?;
            // Older clients name the folder in the query.
            let path = match params.path("path") {
                "" => params.query("path").unwrap_or_default(),
                path => path,
            };
            let resource = first_folder(path);
            parts.extensions.insert(params);
            Ok(resource)
        }
        Access::Public
        | Access::SignedUrl
        | Access::AnyKey
        | Access::AllNamespaces(_)
        | Access::Keys
        | Access::Root => Ok(Resource::Service),
    }
}

/// The namespace that a path in the storage leads into. A folder whose name would have to be sanitized is none.
pub fn first_folder(path: &str) -> Resource {
    let folder = path.split('/').next().unwrap_or_default();
    match folder.parse::<Namespace>() {
        Ok(namespace) if namespace.as_str() == folder => Resource::Namespace(namespace),
        Ok(_) | Err(_) if path.is_empty() => Resource::Service,
        Ok(_) | Err(_) => Resource::Elsewhere(folder.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_into_the_namespace_of_its_first_folder_only_if_that_is_one() {
        let namespace = |name: &str| Resource::Namespace(name.parse().unwrap());
        let elsewhere = |name: &str| Resource::Elsewhere(name.to_owned());
        for (path, resource) in [
            ("", Resource::Service),
            ("team-a", namespace("team-a")),
            ("team-a/data/x.json", namespace("team-a")),
            ("team a/data", elsewhere("team a")),
            ("/team-a", elsewhere("")),
            ("../team-a", elsewhere("..")),
            (".mgraph-cache/keys", elsewhere(".mgraph-cache")),
        ] {
            assert_eq!(first_folder(path), resource, "{path}");
        }
    }
}
