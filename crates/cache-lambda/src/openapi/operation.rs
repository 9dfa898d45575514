//! One operation: a method on a path, what it takes and what it answers.
//!
//! What follows from the path (its parameters), from taking a body (413) or from the layers around all routes (401, 500, 503)
//! is added by itself.
//!
//! Each start of the service goes through all operations for their names, and few of them are ever asked for the whole
//! description. So the types are kept as functions, which only the description calls.

use http::StatusCode;
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, PathItem};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, ResponseBuilder, Schema, SecurityRequirement};

use super::{SCHEMES, links, parameters, responses};
use crate::large::REDIRECTS;
use crate::media_type::{BYTES, JSON, TEXT};

/// What a described path ends in, and the free end of the route that serves it.
const FREE_ENDS: [(&str, &str); 8] = [
    ("{cache_key}/{file_id}", "{*key_and_file}"),
    ("{data_key}/{data_file_id}", "{*name}"),
    ("{data_file_id}", "{*name}"),
    ("list/{data_key}", "list/{*data_key}"),
    ("all/{data_key}", "all/{*data_key}"),
    ("{cache_key}", "{*cache_key}"),
    ("{file_path}", "{*file_path}"),
    ("{path}", "{*path}"),
];

/// Schemas with their names.
type Named = Vec<(String, RefOr<Schema>)>;

/// Makes a schema.
type Make = fn() -> RefOr<Schema>;

/// A method on a path.
#[derive(Clone)]
pub struct Operation {
    /// The path, with a parameter for each name that it ends in.
    pub path: &'static str,
    /// The method, in lowercase.
    pub verb: &'static str,
    method: HttpMethod,
    /// Each adds what a type is called.
    schemas: Vec<fn(&mut Named)>,
    summary: &'static str,
    /// Those that are not in the path.
    parameters: Vec<Parameter>,
    body: Vec<(&'static str, Make)>,
    answers: Vec<(&'static str, Make)>,
    others: Vec<(StatusCode, &'static str)>,
    needs_key: bool,
    leads_to_entry: bool,
    /// Whether 404 tells that what is named is not there.
    pub can_miss: bool,
}

/// A GET.
pub fn get(path: &'static str, summary: &'static str) -> Operation {
    Operation::new(HttpMethod::Get, "get", path, summary)
}

/// A POST.
pub fn post(path: &'static str, summary: &'static str) -> Operation {
    Operation::new(HttpMethod::Post, "post", path, summary)
}

/// A PUT.
pub fn put(path: &'static str, summary: &'static str) -> Operation {
    Operation::new(HttpMethod::Put, "put", path, summary)
}

/// A DELETE.
pub fn delete(path: &'static str, summary: &'static str) -> Operation {
    Operation::new(HttpMethod::Delete, "delete", path, summary)
}

impl Operation {
    fn new(method: HttpMethod, verb: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self {
            path,
            verb,
            method,
            summary,
            schemas: Vec::new(),
            parameters: Vec::new(),
            body: Vec::new(),
            answers: Vec::new(),
            others: Vec::new(),
            needs_key: true,
            leads_to_entry: false,
            can_miss: false,
        }
    }

    /// Answers with the id and the hash of an entry, which lead on to other operations.
    pub fn leads_to_entry(mut self) -> Self {
        self.leads_to_entry = true;
        self
    }

    /// Takes a parameter that is not in the path.
    pub fn with(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Takes a page of a list: `limit` and `cursor`.
    pub fn in_pages(self) -> Self {
        self.with(parameters::limit()).with(parameters::cursor())
    }

    /// Takes a text, raw or as a JSON string. `min_length` is 0 where it may be empty.
    pub fn takes_text(self, min_length: usize) -> Self {
        self.takes(TEXT, filled).takes(JSON, if min_length == 0 { text } else { filled })
    }

    /// Takes bytes, raw or as a JSON string. `min_length` is 0 where there may be none.
    pub fn takes_bytes(self, media: &'static str, min_length: usize) -> Self {
        self.takes(media, filled).takes(JSON, if min_length == 0 { text } else { filled })
    }

    /// Takes bytes as they are.
    pub fn takes_raw(self, media: &'static str) -> Self {
        self.takes(media, filled)
    }

    /// Takes a JSON object of any fields.
    pub fn takes_object(self) -> Self {
        self.takes(JSON, || ObjectBuilder::new().schema_type(Type::Object).into())
    }

    /// Takes JSON of a type.
    pub fn takes_json<T: ToSchema>(self) -> Self {
        self.knows::<T>().takes(JSON, reference::<T>)
    }

    fn takes(mut self, media: &'static str, schema: Make) -> Self {
        self.body.push((media, schema));
        self
    }

    /// Answers 200 with JSON of a type; called again, with one of those types.
    pub fn answers<T: ToSchema>(self) -> Self {
        self.knows::<T>().answers_with(JSON, reference::<T>)
    }

    /// Answers 200 with a JSON list of a type.
    pub fn answers_list<T: ToSchema>(self) -> Self {
        self.knows::<T>().answers_with(JSON, || ArrayBuilder::new().items(reference::<T>()).into())
    }

    /// Answers 200 with JSON of a type that has no name among the others, since it has a parameter or is none of ours.
    pub fn answers_unnamed<T: ToSchema>(mut self) -> Self {
        self.schemas.push(T::schemas);
        self.answers_with(JSON, T::schema)
    }

    /// Describes a type that another one refers to by its name, such as the parameter of a list.
    pub fn knows<T: ToSchema>(mut self) -> Self {
        self.schemas.push(|named| {
            T::schemas(named);
            named.push((T::name().into_owned(), T::schema()));
        });
        self
    }

    /// Answers 200 with JSON of any type.
    pub fn answers_any_json(self) -> Self {
        self.answers_with(JSON, any)
    }

    /// Answers 200 with text or bytes.
    pub fn answers_as(self, media: &'static str) -> Self {
        self.answers_with(media, text)
    }

    fn answers_with(mut self, media: &'static str, schema: Make) -> Self {
        self.answers.push((media, schema));
        self
    }

    /// Answers 404 when what is named is not there.
    pub fn or_missing(mut self) -> Self {
        self.can_miss = true;
        self.or(StatusCode::NOT_FOUND, "What is named is not there")
    }

    /// Answers an error.
    pub fn or(mut self, status: StatusCode, when: &'static str) -> Self {
        self.others.push((status, when));
        self
    }

    /// Answers 304 to whoever has the content already.
    pub fn unless_known(self) -> Self {
        self.with(parameters::if_none_match()).or(StatusCode::NOT_MODIFIED, "The caller's copy is still right")
    }

    /// Answers a part of the content to whoever asks for one.
    pub fn or_a_part(self) -> Self {
        self.with(parameters::range())
            .or(StatusCode::PARTIAL_CONTENT, "The part that was asked for")
            .or(StatusCode::RANGE_NOT_SATISFIABLE, "The part begins after the end")
    }

    /// Sends the caller to the storage when the content is large.
    pub fn or_redirect(self) -> Self {
        self.with(parameters::word("redirect", &REDIRECTS, "Whether a large content may be answered by a redirect"))
            .or(
                StatusCode::TEMPORARY_REDIRECT,
                "The content is large: `Location` is where to read it, for some minutes",
            )
            .if_it_fits()
    }

    /// Answers an error when the content is too large.
    pub fn if_it_fits(self) -> Self {
        self.or(StatusCode::PAYLOAD_TOO_LARGE, "The content is too large for this; `message` says what to do")
    }

    /// Is answered to callers without a key.
    pub fn public(mut self) -> Self {
        self.needs_key = false;
        self
    }

    /// What its types are called.
    pub fn schemas(&self) -> Vec<(String, RefOr<Schema>)> {
        let mut named = Named::new();
        self.schemas.iter().for_each(|add| add(&mut named));
        named
    }

    /// The operation as OpenAPI.
    pub fn item(self, group: &str) -> PathItem {
        let mut operation = OperationBuilder::new()
            .tag(group)
            .summary(Some(self.summary))
            .operation_id(Some(self.id()))
            .securities(self.needs_key.then(|| SCHEMES.map(|scheme| SecurityRequirement::new(scheme, [""; 0]))));
        for (status, response) in self.responses() {
            operation = operation.response(status.as_str(), response);
        }
        for parameter in parameters::of_path(self.path).into_iter().chain(self.parameters) {
            operation = operation.parameter(parameter);
        }
        if !self.body.is_empty() {
            let body = RequestBodyBuilder::new().required(Some(Required::True));
            let add = |body: RequestBodyBuilder, (media, schema): (_, Make)| body.content(media, content(schema()));
            operation = operation.request_body(Some(self.body.into_iter().fold(body, add).build()));
        }
        PathItem::new(self.method, operation)
    }

    /// The path as the router knows it.
    pub fn route(&self) -> String {
        let end = FREE_ENDS.iter().find_map(|(end, route)| Some((self.path.strip_suffix(end)?, route)));
        end.map_or_else(|| self.path.to_owned(), |(start, route)| format!("{start}{route}"))
    }

    /// Unique, and stable as long as method and path are: `get_namespace_stats`.
    pub fn id(&self) -> String {
        let words = self.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let end = if self.path.ends_with('/') { &["root"][..] } else { &[] };
        [&[self.verb], &words.collect::<Vec<_>>()[..], end].concat().join("_")
    }

    fn responses(&self) -> Vec<(StatusCode, RefOr<utoipa::openapi::Response>)> {
        let mut responses = vec![(StatusCode::OK, self.success().into())];
        if !self.body.is_empty() || !self.parameters.is_empty() || self.path.contains('{') {
            responses.push((StatusCode::BAD_REQUEST, responses::reference(StatusCode::BAD_REQUEST)));
        }
        if !self.body.is_empty() {
            responses.push((StatusCode::PAYLOAD_TOO_LARGE, responses::reference(StatusCode::PAYLOAD_TOO_LARGE)));
        }
        if self.needs_key {
            responses.push((StatusCode::UNAUTHORIZED, responses::reference(StatusCode::UNAUTHORIZED)));
        }
        for status in [StatusCode::FORBIDDEN, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE] {
            responses.push((status, responses::reference(status)));
        }
        responses.extend(self.others.iter().map(|(status, when)| (*status, self.other(*status, when))));
        responses
    }

    fn success(&self) -> utoipa::openapi::Response {
        let mut response = ResponseBuilder::new().description("Done");
        let mut media: Vec<&str> = self.answers.iter().map(|(media, _)| *media).collect();
        media.dedup();
        for media in media {
            let schemas: Vec<_> = self.answers.iter().filter(|(of, _)| *of == media).map(|(_, make)| make()).collect();
            response = response.content(media, content(one_of(schemas)));
        }
        if self.leads_to_entry {
            response = links::to_entry().into_iter().fold(response, |response, (id, link)| response.link(id, link));
        }
        response.build()
    }

    fn other(&self, status: StatusCode, when: &'static str) -> RefOr<utoipa::openapi::Response> {
        let response = ResponseBuilder::new().description(when);
        match status {
            StatusCode::NOT_MODIFIED => response.into(),
            StatusCode::TEMPORARY_REDIRECT => response.into(),
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
