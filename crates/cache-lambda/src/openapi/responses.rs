//! Shared error responses.

use http::StatusCode;
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use cache_api::errors::{Denied, ErrorAnswer};

const SHARED: [(StatusCode, &str, &str); 7] = [
    (StatusCode::BAD_REQUEST, "Refused", "A parameter or the body is refused; `message` says why"),
    (StatusCode::UNAUTHORIZED, "Denied", "The API key is missing or wrong"),
    (
        StatusCode::FORBIDDEN,
        "Forbidden",
        "The API key has no permission for this, or the service does not allow it; `message` says why",
    ),
    (StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", "The body is above the limit, as it is or inflated"),
    (
        StatusCode::TOO_MANY_REQUESTS,
        "Limited",
        "The API key is used more than it may be: try again after `Retry-After`",
    ),
    (StatusCode::INTERNAL_SERVER_ERROR, "Failed", "The service failed; `request_id` finds the reason in its log"),
    (StatusCode::SERVICE_UNAVAILABLE, "Unavailable", "The storage did not answer: try again after `Retry-After`"),
];

/// Adds the shared responses and their schemas.
pub fn add_to(components: ComponentsBuilder) -> ComponentsBuilder {
    let mut schemas = vec![(ErrorAnswer::name().into_owned(), ErrorAnswer::schema())];
    ErrorAnswer::schemas(&mut schemas);
    schemas.push((Denied::name().into_owned(), Denied::schema()));
    let components = components.schemas_from_iter(schemas);
    SHARED.iter().fold(components, |components, (status, name, when)| components.response(*name, shared(*status, when)))
}

/// A reference to a shared response. Other statuses are described where they occur.
pub fn reference(status: StatusCode) -> RefOr<Response> {
    let name = SHARED.iter().find(|(of, ..)| *of == status).map_or("Failed", |(_, name, _)| name);
    Ref::from_response_name(name).into()
}

/// The schema of error bodies.
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
