//! What logs and metrics call the thing that a request asks for: the operation's id in `/openapi.json`.
//!
//! The names follow from the descriptions beside the routes, so a new route has one as soon as it is described.

use std::collections::HashMap;
use std::sync::LazyLock;

use http::Method;

use crate::openapi;
use crate::watching::operation::Operation;

/// The operation of a request: its method, and the route that was found for it.
pub fn find(method: &Method, route: Option<&str>) -> &'static Operation {
    let verb = if method == Method::HEAD { "get" } else { method.as_str() };
    let served = route.and_then(|route| CATALOGUE.by_route.get(route));
    let number = served.and_then(|served| Some(served.iter().find(|(of, _)| of.eq_ignore_ascii_case(verb))?.1));
    &CATALOGUE.operations[number.unwrap_or_default()]
}

struct Catalogue {
    /// The first one stands for requests to paths and with methods that are not served.
    operations: Vec<Operation>,
    by_route: HashMap<String, Vec<(&'static str, usize)>>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let none = Operation { id: "none".into(), group: "none".into(), reads: false, can_miss: false };
    let mut catalogue = Catalogue { operations: vec![none], by_route: HashMap::new() };
    for (group, described) in super::groups() {
        for operation in described {
            catalogue.add(group, &operation);
        }
    }
    catalogue.add_blank_ends();
    catalogue
});

impl Catalogue {
    fn add(&mut self, group: &str, described: &openapi::operation::Operation) {
        let number = self.operations.len();
        let group = group.to_lowercase().replace(' ', "_");
        let (reads, can_miss) = (described.verb == "get", described.can_miss);
        self.operations.push(Operation { id: described.id(), group, reads, can_miss });
        self.by_route.entry(described.route()).or_default().push((described.verb, number));
    }

    /// A route that says that the end of a path is missing goes by the name of the one that takes it.
    fn add_blank_ends(&mut self) {
        let blank_end =
            |(route, methods): (&String, &Vec<_>)| Some((route.split_once("{*")?.0.to_owned(), methods.clone()));
        let blank_ends: Vec<_> = self.by_route.iter().filter_map(blank_end).collect();
        for (route, methods) in blank_ends {
            self.by_route.entry(route).or_default().extend(methods);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: Method, route: &str, id: &str, group: &str) {
        let operation = find(&method, Some(route));
        assert_eq!((operation.id.as_str(), operation.group.as_str()), (id, group));
    }

    #[test]
    fn a_route_is_called_as_its_description_is() {
        let id = "get_namespace_retrieve_cache_id";
        check(Method::GET, "/{namespace}/retrieve/{cache_id}", id, "retrieve");
        check(Method::HEAD, "/{namespace}/retrieve/{cache_id}", id, "retrieve");
        let id = "post_namespace_strategy_store_string_cache_key";
        check(Method::POST, "/{namespace}/{strategy}/store/string/{*cache_key}", id, "store");
        check(Method::POST, "/{namespace}/{strategy}/store/string/", id, "store");
    }

    #[test]
    fn what_is_not_served_is_called_none() {
        assert_eq!(find(&Method::GET, None).id, "none");
        check(Method::PUT, "/info/health", "none", "none");
    }
}
