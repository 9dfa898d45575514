//! The answers that many operations share: errors, each described once.

use http::StatusCode;
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::openapi::{Denied, ErrorAnswer};

const SHARED: [(StatusCode, &str, &str); 6] = [
    (StatusCode::BAD_REQUEST, "Refused", "A parameter or the body is refused; `message` says why"),
    (StatusCode::UNAUTHORIZED, "Denied", "The API key is missing or wrong"),
    (StatusCode::FORBIDDEN, "ForeignPage", "A page of another origin calls a server without a key"),
    (StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", "The body is above the limit, as it is or inflated"),
    (StatusCode::INTERNAL_SERVER_ERROR, "Failed", "The service failed; `request_id` finds the reason in its log"),
    (StatusCode::SERVICE_UNAVAILABLE, "Unavailable", "The storage did not answer: try again after `Retry-After`"),
];

/// Adds the shared answers and the types in them.
pub fn add_to(components: ComponentsBuilder) -> ComponentsBuilder {
    let mut schemas = vec![(ErrorAnswer::name().into_owned(), ErrorAnswer::schema())];
    ErrorAnswer::schemas(&mut schemas);
    schemas.push((Denied::name().into_owned(), Denied::schema()));
    let components = components.schemas_from_iter(schemas);
    SHARED.iter().fold(components, |components, (status, name, when)| components.response(*name, shared(*status, when)))
}

/// Refers to a shared answer. A status that has none is described where it occurs.
pub fn reference(status: StatusCode) -> RefOr<Response> {
    let name = SHARED.iter().find(|(of, ..)| *of == status).map_or("Failed", |(_, name, _)| name);
    Ref::from_response_name(name).into()
}

/// What errors look like.
pub fn problem() -> RefOr<Schema> {
    Ref::from_schema_name(ErrorAnswer::name()).into()
}

fn shared(status: StatusCode, when: &str) -> Response {
    let schema = match status {
        StatusCode::UNAUTHORIZED => Ref::from_schema_name(Denied::name()).into(),
        _ => problem(),
    };
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(when).content("application/json", content).build()
}
