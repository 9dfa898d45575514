//! Routes that carry their own description: each path is written once, for the router and for `/openapi.json`.
//!
//! | in a path | takes | in `/openapi.json` |
//! |---|---|---|
//! | `{name}` | one segment | `{name}` |
//! | `{*name}` | the rest of the path: one or more segments | `{name}` |
//! | `{*name?}` at the end | the same, or nothing after the slash, so that the handler can report what is missing | `{name}` |
//! | `{*a}/{b}` | the rest of the path, which handlers read as [`REST`] | `{a}/{b}` |
//! | `{*a?}/{b}` | the same; a single segment is `b` | `{b}` and `{a}/{b}` |

use std::collections::HashMap;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use http::Method;
use utoipa::openapi::HttpMethod;

use crate::access::table::Access;
use crate::extract::REST;
use crate::openapi::operation::Operation;
use crate::state::AppState;
use crate::telemetry::operation::OperationLabels;

/// Routes with their descriptions.
#[derive(Default)]
pub struct Routes {
    prefix: &'static str,
    /// By the path as the router knows it. The router is made once, of all of them: each `merge` of routers would insert
    /// every route again, which is half of a cold start.
    handlers: Vec<(String, MethodRouter<AppState>)>,
    operations: Vec<Operation>,
    /// By the path as the router knows it.
    labels: HashMap<String, Vec<(&'static str, OperationLabels)>>,
}

impl Routes {
    /// No routes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No routes yet; the paths of those that are added are below this one.
    pub fn below(prefix: &'static str) -> Self {
        Self { prefix, ..Self::default() }
    }

    /// A GET, which answers HEAD as well.
    pub fn get<H, T>(self, path: &str, handler: H, describe: impl Fn(Operation) -> Operation) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(HttpMethod::Get, path, routing::get(handler), describe)
    }

    /// A POST.
    pub fn post<H, T>(self, path: &str, handler: H, describe: impl Fn(Operation) -> Operation) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(HttpMethod::Post, path, routing::post(handler), describe)
    }

    /// A PUT.
    pub fn put<H, T>(self, path: &str, handler: H, describe: impl Fn(Operation) -> Operation) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(HttpMethod::Put, path, routing::put(handler), describe)
    }

    /// A PATCH.
    pub fn patch<H, T>(self, path: &str, handler: H, describe: impl Fn(Operation) -> Operation) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(HttpMethod::Patch, path, routing::patch(handler), describe)
    }

    /// A DELETE.
    pub fn delete<H, T>(self, path: &str, handler: H, describe: impl Fn(Operation) -> Operation) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(HttpMethod::Delete, path, routing::delete(handler), describe)
    }

    fn add(
        mut self,
        method: HttpMethod,
        path: &str,
        handler: MethodRouter<AppState>,
        describe: impl Fn(Operation) -> Operation,
    ) -> Self {
        let path = format!("{}{path}", self.prefix);
        let described: Vec<Operation> =
            described_paths(&path).into_iter().map(|path| describe(Operation::new(method.clone(), path))).collect();
        for route in routes_of(&path) {
            let labels = described.first().map(|operation| (operation.verb(), operation.labels()));
            self.labels.entry(route.clone()).or_default().extend(labels);
            self.handlers.push((route, handler.clone()));
        }
        self.operations.extend(described);
        self
    }

    /// Adds other routes after these.
    pub fn merge(mut self, other: Self) -> Self {
        self.handlers.extend(other.handlers);
        self.operations.extend(other.operations);
        for (route, methods) in other.labels {
            self.labels.entry(route).or_default().extend(methods);
        }
        self
    }

    /// Adds other routes after these, as a group of this name.
    pub fn group(self, name: &'static str, mut routes: Self) -> Self {
        routes.operations.iter_mut().for_each(|operation| operation.group = name);
        let label = name.to_lowercase().replace(' ', "_");
        routes.labels.values_mut().flatten().for_each(|(_, labels)| labels.group.clone_from(&label));
        self.merge(routes)
    }

    /// The router of all of them.
    pub fn router(&self) -> Router<AppState> {
        self.handlers.iter().fold(Router::new(), |router, (route, handler)| router.route(route, handler.clone()))
    }

    /// The descriptions, in the order in which they are shown.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// What a request needs whose method is not served: nothing where any method needs nothing, so that it learns which are.
    pub fn access_of_path(&self, route: Option<&str>) -> Access {
        let methods = route.and_then(|route| self.labels.get(route));
        let is_public =
            methods.is_some_and(|methods| methods.iter().any(|(_, labels)| labels.access == Access::Public));
        if is_public { Access::Public } else { Access::AnyKey }
    }

    /// What logs and metrics call a request with this method, for which this route was found.
    pub fn labels(&self, method: &Method, route: Option<&str>) -> Option<&OperationLabels> {
        let verb = if method == Method::HEAD { "get" } else { method.as_str() };
        let methods = self.labels.get(route?)?;
        Some(&methods.iter().find(|(of, _)| of.eq_ignore_ascii_case(verb))?.1)
    }
}

/// A path in pieces: what comes before the wildcard, its name, whether it may be missing, and what comes after it.
fn split_wildcard(path: &str) -> Option<(&str, &str, bool, &str)> {
    let (start, rest) = path.split_once("{*")?;
    let (name, end) = rest.split_once('}')?;
    Some((start, name.trim_end_matches('?'), name.ends_with('?'), end))
}

/// The paths as the router knows them.
fn routes_of(path: &str) -> Vec<String> {
    match split_wildcard(path) {
        None => vec![path.to_owned()],
        Some((start, name, false, "")) => vec![format!("{start}{{*{name}}}")],
        Some((start, name, true, "")) => vec![start.to_owned(), format!("{start}{{*{name}}}")],
        Some((start, ..)) => vec![format!("{start}{{*{REST}}}")],
    }
}

/// The paths as `/openapi.json` shows them.
fn described_paths(path: &str) -> Vec<String> {
    match split_wildcard(path) {
        None => vec![path.to_owned()],
        Some((start, name, false, end)) => vec![format!("{start}{{{name}}}{end}")],
        Some((start, name, true, "")) => vec![format!("{start}{{{name}}}")],
        Some((start, name, true, end)) => {
            vec![format!("{start}{}", end.trim_start_matches('/')), format!("{start}{{{name}}}{end}")]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, routes: &[&str], described: &[&str]) {
        assert_eq!(routes_of(path), routes);
        assert_eq!(described_paths(path), described);
    }

    #[test]
    fn a_path_is_routed_and_described_as_it_is_written() {
        check("/a/{b}", &["/a/{b}"], &["/a/{b}"]);
    }

    #[test]
    fn a_wildcard_is_described_as_a_parameter() {
        check("/a/{*b}", &["/a/{*b}"], &["/a/{b}"]);
        check("/a/{*b}/{c}", &["/a/{*rest}"], &["/a/{b}/{c}"]);
    }

    #[test]
    fn a_wildcard_that_may_be_missing_is_routed_without_it() {
        check("/a/{*b?}", &["/a/", "/a/{*b}"], &["/a/{b}"]);
        check("/a/{*b?}/{c}", &["/a/{*rest}"], &["/a/{c}", "/a/{b}/{c}"]);
    }

    #[test]
    fn a_route_has_the_labels_of_its_first_description() {
        let routes = Routes::below("/a").group("Group one", Routes::new().get("/b/{*c?}", async || (), |op| op));
        for route in ["/b/", "/b/{*c}"] {
            let labels = routes.labels(&Method::HEAD, Some(route)).unwrap();
            assert_eq!((labels.id.as_str(), labels.group.as_str()), ("get_b_c", "group_one"));
        }
        assert!(routes.labels(&Method::POST, Some("/b/")).is_none());
        assert!(routes.labels(&Method::GET, None).is_none());
    }
}
