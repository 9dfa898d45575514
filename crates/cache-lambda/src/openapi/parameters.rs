//! The parameters, each described once.

use cache_api::kinds::Strategy;
use cache_api::names::{CacheHash, CacheId, CacheKey, DataKey, FileId, KeyId, Namespace};
use cache_core::cache::{MAX_TTL, MIN_TTL};
use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Required, Schema};

use crate::pagination::{DEFAULT_LIMIT, MAX_LIMIT};

/// A cache id, or a hash with a version.
const ENTRY_PATTERN: &str =
    "^([0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|[a-f0-9]{10,96}-v0*[1-9][0-9]{0,17})$";
/// The longest path of a file in the storage, in bytes.
const MAX_FILE_PATH: usize = 1024;

/// The parameters that a path names.
pub fn of_path(path: &str) -> Vec<Parameter> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| in_path(name, path)).collect()
}

fn in_path(name: &str, path: &str) -> Parameter {
    let (schema, description): (RefOr<Schema>, _) = match name {
        "namespace" => (named::<Namespace>(), "An isolated namespace"),
        "strategy" => (named::<Strategy>(), "How the entry can be found in addition to id and hash"),
        // Where an entry is read, a hash with a version stands for its id.
        "cache_id" if path.contains("/retrieve/{") || (path.contains("/zip/") && !path.contains("/batch/")) => {
            (text(ENTRY_PATTERN), "The entry: its id, or `{cache_hash}-v{n}` for a version under a hash")
        }
        "cache_id" => (named::<CacheId>(), "The entry"),
        "upload_id" => (named::<CacheId>(), "The upload"),
        "cache_hash" => (named::<CacheHash>(), "The hash of the content"),
        "cache_key" => (named::<CacheKey>(), "The key; it may have several segments"),
        "data_key" => (named::<DataKey>(), "The folder of child data; it may have several segments"),
        "file_id" | "data_file_id" => (named::<FileId>(), "The name of the file"),
        "key_id" => (named::<KeyId>(), "The API key"),
        "build" => (text("^[0-9a-f]{16}$"), "The hash of the files of this build"),
        "data_type" => (words(&["json", "string", "binary", "type-safe"]), "The type of the child"),
        "file_path" => (named::<CacheKey>(), "The path of the member within the archive"),
        _ => (file_path(), "The path of a file or folder in the storage"),
    };
    parameter(name, ParameterIn::Path, description).required(Required::True).schema(Some(schema)).build()
}

/// The name under a key; without it the entry's id is its name.
pub fn file_id() -> Parameter {
    in_query(
        "file_id",
        or_blank(named::<FileId>()),
        "The name under the key, which makes versions of what is stored under it",
    )
}

/// The field that is hashed.
pub fn json_field_path() -> Parameter {
    let path = text(r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$");
    in_query(
        "json_field_path",
        or_blank(path),
        "Hash the value of this field, such as `user.id`, instead of the content",
    )
}

/// The version.
pub fn version() -> Parameter {
    in_query("version", whole_number(1, u64::MAX), "This version instead of the newest")
}

/// The revision.
pub fn revision() -> Parameter {
    in_query("revision", whole_number(0, u64::MAX), "The content after so many updates; 0 for the original")
}

/// How many items a page shows.
pub fn limit() -> Parameter {
    let number = whole_number(1, MAX_LIMIT);
    in_query(
        "limit",
        number,
        &format!("At most so many items; {DEFAULT_LIMIT} when only another parameter asks for a page"),
    )
}

/// Where a page begins.
pub fn cursor() -> Parameter {
    in_query("cursor", text(""), "The `next_cursor` of the page before")
}

/// A yes or no.
pub fn flag(name: &str, description: &str) -> Parameter {
    in_query(name, ObjectBuilder::new().schema_type(Type::Boolean).into(), description)
}

/// A text.
pub fn word(name: &str, allowed: &[&str], description: &str) -> Parameter {
    in_query(name, words(allowed), description)
}

/// A number from 1.
pub fn number(name: &str, description: &str) -> Parameter {
    in_query(name, whole_number(1, u64::MAX), description)
}

/// A moment.
pub fn time(name: &str, description: &str) -> Parameter {
    let pattern = r"^([0-9]{1,18}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2}))$";
    in_query(name, or_blank(text(pattern)), &format!("{description}: milliseconds since 1970 (UTC), or RFC 3339"))
}

/// A folder in the storage.
pub fn folder() -> Parameter {
    in_query("path", or_blank(file_path()), "The folder; the whole storage without it")
}

/// `If-None-Match`.
pub fn if_none_match() -> Parameter {
    parameter("If-None-Match", ParameterIn::Header, "The ETag of the caller's copy").schema(Some(text(""))).build()
}

/// `If-Match`.
pub fn if_match() -> Parameter {
    let about = "The ETag of the content of which another part is read";
    parameter("If-Match", ParameterIn::Header, about).schema(Some(text(""))).build()
}

/// `Idempotency-Key`.
pub fn idempotency_key() -> Parameter {
    let about = "The same for all repeats of one request within an hour, which then have the effect of one; up to 255 visible \
                 ASCII characters";
    parameter("Idempotency-Key", ParameterIn::Header, about).schema(Some(text("^[!-~]{1,255}$"))).build()
}

/// `If-None-Match` of a store.
pub fn if_none_match_any() -> Parameter {
    let about = "`*`: store only if nothing is under the key and file id";
    parameter("If-None-Match", ParameterIn::Header, about).schema(Some(words(&["*"]))).build()
}

/// The time to live of one entry.
pub fn ttl_seconds() -> Parameter {
    let about = "How long the entry lives, if that is sooner than what the settings of its namespace say";
    in_query("ttl_seconds", whole_number(MIN_TTL.as_secs(), MAX_TTL.as_secs()), about)
}

/// `Range`.
pub fn range() -> Parameter {
    parameter("Range", ParameterIn::Header, "One range, such as `bytes=0-499`; anything else is ignored")
        .schema(Some(text("")))
        .build()
}

/// The encoding of a binary body.
pub fn content_encoding() -> Parameter {
    let about = "`gzip`: the body is inflated, hashed and found by what it holds; anything else is kept as a label";
    parameter("Content-Encoding", ParameterIn::Header, about).schema(Some(text(""))).build()
}

/// The digest of an uploaded content.
pub fn sha256() -> Parameter {
    in_query("sha256", text("^[0-9a-f]{64}$"), "SHA-256 of the content")
}

/// The signature of an upload URL.
pub fn signature() -> Parameter {
    in_query("signature", text("^[0-9a-f]{64}$"), "The signature of the URL; only the server can make it")
}

/// The same parameter, required.
pub fn required(mut parameter: Parameter) -> Parameter {
    parameter.required = Required::True;
    parameter
}

fn in_query(name: &str, schema: RefOr<Schema>, description: &str) -> Parameter {
    parameter(name, ParameterIn::Query, description).schema(Some(schema)).build()
}

fn parameter(name: &str, place: ParameterIn, description: &str) -> ParameterBuilder {
    ParameterBuilder::new().name(name).parameter_in(place).required(Required::False).description(Some(description))
}

/// A reference to a schema that some response registers.
fn named<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

/// This, or a blank text, which counts as not given.
fn or_blank(schema: RefOr<Schema>) -> RefOr<Schema> {
    let blank = ObjectBuilder::new().schema_type(Type::String).max_length(Some(0));
    OneOfBuilder::new().item(schema).item(blank).into()
}

fn text(pattern: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String);
    if pattern.is_empty() { text.into() } else { text.pattern(Some(pattern)).into() }
}

fn words(allowed: &[&str]) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(allowed.to_vec())).into()
}

fn whole_number(least: u64, most: u64) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most)).into()
}

/// A key of the storage: no empty, `.` or `..` segment, no backslash, no control character.
fn file_path() -> RefOr<Schema> {
    let pattern = r"^(?!(.*/)?\.{0,2}(/|$))[^\\\x00-\x1f\x7f-\x9f]+$";
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).max_length(Some(MAX_FILE_PATH)).into()
}
