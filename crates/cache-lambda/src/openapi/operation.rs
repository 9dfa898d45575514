//! One operation of the OpenAPI document: a method on a path, its parameters, body and responses.
//!
//! Path parameters, the 413 of requests with a body, and the errors of the middleware (401, 403, 429, 500, 503) are added
//! automatically.
//!
//! Every start builds all operations, but most processes never serve `/openapi.json`. So schemas are kept as functions,
//! which only the document calls.

use http::StatusCode;
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, PathItem};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, ResponseBuilder, Schema, SecurityRequirement};

use super::{SCHEMES, links, parameters, responses};
use crate::access::table::Access;
use crate::media_type::{BYTES, JSON, TEXT};
use crate::redirect::REDIRECT_VALUES;
use crate::telemetry::operation::OperationLabels;

/// Schemas with their names.
type NamedSchemas = Vec<(String, RefOr<Schema>)>;

/// Makes a schema.
type SchemaFn = fn() -> RefOr<Schema>;

/// A method on a path.
#[derive(Clone)]
pub struct Operation {
    /// The path, in which each parameter is a segment.
    pub path: String,
    /// The group in which it is shown.
    pub group: &'static str,
    method: HttpMethod,
    /// Each adds the named schemas of a type.
    schemas: Vec<fn(&mut NamedSchemas)>,
    summary: String,
    /// Those that are not in the path.
    parameters: Vec<Parameter>,
    body: Vec<(&'static str, SchemaFn)>,
    /// Those with status 200.
    responses: Vec<(&'static str, SchemaFn)>,
    others: Vec<(StatusCode, &'static str)>,
    entry_links: bool,
    can_be_missing: bool,
}

impl Operation {
    /// A method on a path, in which each parameter is a segment.
    pub fn new(method: HttpMethod, path: String) -> Self {
        Self {
            path,
            method,
            group: "",
            summary: String::new(),
            schemas: Vec::new(),
            parameters: Vec::new(),
            body: Vec::new(),
            responses: Vec::new(),
            others: Vec::new(),
            entry_links: false,
            can_be_missing: false,
        }
    }

    /// A short description.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = summary.into();
        self
    }

    /// The response has the id and the hash of an entry, which link to other operations.
    pub fn entry_links(mut self) -> Self {
        self.entry_links = true;
        self
    }

    /// A query or header parameter.
    pub fn parameter(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// A repeat with the same `Idempotency-Key` changes nothing: [`crate::store_options::Repeatable`].
    pub fn repeatable(self) -> Self {
        self.parameter(parameters::idempotency_key())
    }

    /// The options of a store: [`crate::store_options::StoreOptions`].
    pub fn store_options(self) -> Self {
        self.repeatable().parameter(parameters::ttl_seconds()).parameter(parameters::if_none_match_any())
    }

    /// Pagination: `limit` and `cursor`.
    pub fn paginated(self) -> Self {
        self.parameter(parameters::limit()).parameter(parameters::cursor())
    }

    /// A text as the body, raw or as a JSON string. `min_length` is 0 where it may be empty.
    pub fn text_body(self, min_length: usize) -> Self {
        self.body_of(TEXT, filled).body_of(JSON, if min_length == 0 { text } else { filled })
    }

    /// Bytes as the body, raw or as a JSON string. `min_length` is 0 where it may be empty.
    pub fn bytes_body(self, media: &'static str, min_length: usize) -> Self {
        self.body_of(media, filled).body_of(JSON, if min_length == 0 { text } else { filled })
    }

    /// Raw bytes as the body.
    pub fn raw_body(self, media: &'static str) -> Self {
        self.body_of(media, filled)
    }

    /// Any JSON object as the body.
    pub fn object_body(self) -> Self {
        self.body_of(JSON, || ObjectBuilder::new().schema_type(Type::Object).into())
    }

    /// JSON of this type as the body.
    pub fn json_body<T: ToSchema>(self) -> Self {
        self.register::<T>().body_of(JSON, reference::<T>)
    }

    fn body_of(mut self, media: &'static str, schema: SchemaFn) -> Self {
        self.body.push((media, schema));
        self
    }

    /// 200 with JSON of this type. Called again, it is one of the types.
    pub fn response<T: ToSchema>(self) -> Self {
        self.register::<T>().response_of(JSON, reference::<T>)
    }

    /// 200 with a JSON list of this type.
    pub fn list_response<T: ToSchema>(self) -> Self {
        self.register::<T>().response_of(JSON, || ArrayBuilder::new().items(reference::<T>()).into())
    }

    /// 200 with JSON of a type whose schema is inline: a generic or a foreign one.
    pub fn inline_response<T: ToSchema>(mut self) -> Self {
        self.schemas.push(T::schemas);
        self.response_of(JSON, T::schema)
    }

    /// Registers a schema that another one refers to by name, such as the parameter of a list.
    pub fn register<T: ToSchema>(mut self) -> Self {
        self.schemas.push(|named| {
            T::schemas(named);
            named.push((T::name().into_owned(), T::schema()));
        });
        self
    }

    /// 200 with any JSON.
    pub fn any_json_response(self) -> Self {
        self.response_of(JSON, any)
    }

    /// 200 with text or bytes.
    pub fn raw_response(self, media: &'static str) -> Self {
        self.response_of(media, text)
    }

    fn response_of(mut self, media: &'static str, schema: SchemaFn) -> Self {
        self.responses.push((media, schema));
        self
    }

    /// 404 when the named entry does not exist. Metrics count it as a miss.
    pub fn not_found(mut self) -> Self {
        self.can_be_missing = true;
        self.status(StatusCode::NOT_FOUND, "What is named is not there")
    }

    /// Another status.
    pub fn status(mut self, status: StatusCode, when: &'static str) -> Self {
        self.others.push((status, when));
        self
    }

    /// 304 if the caller has the content already, 412 if it is another one than the caller expects.
    pub fn not_modified(self) -> Self {
        self.parameter(parameters::if_none_match())
            .status(StatusCode::NOT_MODIFIED, "The caller's copy is still right")
            .status(StatusCode::PRECONDITION_FAILED, "The content is not the one that `If-Match` names")
    }

    /// 206 for range requests, whose parts `If-Match` keeps together.
    pub fn partial_content(self) -> Self {
        self.parameter(parameters::range())
            .parameter(parameters::if_match())
            .status(StatusCode::PARTIAL_CONTENT, "The part that was asked for")
            .status(StatusCode::RANGE_NOT_SATISFIABLE, "The part begins after the end")
    }

    /// 307 to the storage when the content is large.
    pub fn redirect(self) -> Self {
        self.parameter(parameters::word(
            "redirect",
            &REDIRECT_VALUES,
            "Whether a large content may be answered by a redirect",
        ))
        .status(
            StatusCode::TEMPORARY_REDIRECT,
            "The content is large: `Location` is where to read it, for some minutes",
        )
        .payload_too_large()
    }

    /// 413 when the content is too large for a response.
    pub fn payload_too_large(self) -> Self {
        self.status(StatusCode::PAYLOAD_TOO_LARGE, "The content is too large for this; `message` says what to do")
    }

    /// What it needs of its caller.
    pub fn access(&self) -> Access {
        Access::of(self.verb(), &self.path)
    }

    /// Whether callers have to send an API key.
    pub fn needs_key(&self) -> bool {
        !matches!(self.access(), Access::Public | Access::SignedUrl)
    }

    /// The named schemas of its types.
    pub fn schemas(&self) -> Vec<(String, RefOr<Schema>)> {
        let mut named = NamedSchemas::new();
        self.schemas.iter().for_each(|add| add(&mut named));
        named
    }

    /// The operation as OpenAPI.
    pub fn item(&self) -> PathItem {
        let mut operation = OperationBuilder::new()
            .tag(self.group)
            .summary(Some(self.summary.as_str()))
            .operation_id(Some(self.id()))
            .securities(self.needs_key().then(|| SCHEMES.map(|scheme| SecurityRequirement::new(scheme, [""; 0]))));
        for (status, response) in self.all_responses() {
            operation = operation.response(status.as_str(), response);
        }
        for parameter in parameters::of_path(&self.path).into_iter().chain(self.parameters.clone()) {
            operation = operation.parameter(parameter);
        }
        if !self.body.is_empty() {
            let body = RequestBodyBuilder::new().required(Some(Required::True));
            let add = |body: RequestBodyBuilder, (media, schema): (_, SchemaFn)| body.content(media, content(schema()));
            operation = operation.request_body(Some(self.body.iter().copied().fold(body, add).build()));
        }
        PathItem::new(self.method.clone(), operation)
    }

    /// The method, in lowercase.
    pub fn verb(&self) -> &'static str {
        match self.method {
            HttpMethod::Get => "get",
            HttpMethod::Post => "post",
            HttpMethod::Put => "put",
            HttpMethod::Delete => "delete",
            HttpMethod::Options => "options",
            HttpMethod::Head => "head",
            HttpMethod::Patch => "patch",
            HttpMethod::Trace => "trace",
        }
    }

    /// What logs and metrics call it.
    pub fn labels(&self) -> OperationLabels {
        OperationLabels {
            id: self.id(),
            group: self.group.to_owned(),
            is_read: self.verb() == "get",
            can_be_missing: self.can_be_missing,
            access: self.access(),
        }
    }

    /// Unique, and stable as long as method and path are: `get_namespace_stats`.
    pub fn id(&self) -> String {
        let words = self.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let end = if self.path.ends_with('/') { &["root"][..] } else { &[] };
        [&[self.verb()], &words.collect::<Vec<_>>()[..], end].concat().join("_")
    }

    fn all_responses(&self) -> Vec<(StatusCode, RefOr<utoipa::openapi::Response>)> {
        let mut responses = vec![(StatusCode::OK, self.success().into())];
        if !self.body.is_empty() || !self.parameters.is_empty() || self.path.contains('{') {
            responses.push((StatusCode::BAD_REQUEST, responses::reference(StatusCode::BAD_REQUEST)));
        }
        if !self.body.is_empty() {
            responses.push((StatusCode::PAYLOAD_TOO_LARGE, responses::reference(StatusCode::PAYLOAD_TOO_LARGE)));
        }
        if self.needs_key() {
            for status in [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS] {
                responses.push((status, responses::reference(status)));
            }
        }
        for status in [StatusCode::FORBIDDEN, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE] {
            responses.push((status, responses::reference(status)));
        }
        responses.extend(self.others.iter().map(|(status, when)| (*status, self.other(*status, when))));
        responses
    }

    fn success(&self) -> utoipa::openapi::Response {
        let mut response = ResponseBuilder::new().description("Done");
        let mut media: Vec<&str> = self.responses.iter().map(|(media, _)| *media).collect();
        media.dedup();
        for media in media {
            let schemas: Vec<_> =
                self.responses.iter().filter(|(of, _)| *of == media).map(|(_, make)| make()).collect();
            response = response.content(media, content(one_of(schemas)));
        }
        if self.entry_links {
            response = links::to_entry().into_iter().fold(response, |response, (id, link)| response.link(id, link));
        }
        response.build()
    }

    fn other(&self, status: StatusCode, when: &'static str) -> RefOr<utoipa::openapi::Response> {
        let response = ResponseBuilder::new().description(when);
        match status {
            StatusCode::NOT_MODIFIED => response.into(),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => response.into(),
            StatusCode::PARTIAL_CONTENT => response.content(BYTES, content(text())).into(),
            _ => response.content(JSON, content(responses::problem())).into(),
        }
    }
}

fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

fn one_of(mut schemas: Vec<RefOr<Schema>>) -> RefOr<Schema> {
    match schemas.len() {
        1 => schemas.remove(0),
        _ => schemas.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item).into(),
    }
}

fn content(schema: RefOr<Schema>) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

fn text() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// A text that is not empty.
fn filled() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).into()
}

fn any() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
}
