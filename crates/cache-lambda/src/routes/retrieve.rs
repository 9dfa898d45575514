//! Retrieve: an entry by id, by hash or by key, in the form that the caller wants.

use std::convert::Infallible;

use axum::body::HttpBody;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use cache_core::cache::{Entry, Retrieved as Found, Selector};
use cache_core::content::GZIP;
use cache_core::ids::Namespace;
use cache_core::record::Record;
use cache_core::representation::{Generic, JsonForm, LookupKind as By, Stored, TextForm};
use cache_core::storage::AnswerHeaders;
use cache_core::strategy::ContentKind;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::value::RawValue;

use crate::app::AppState;
use crate::conditional::{Conditions, Lifetime, Tag};
use crate::extract::Params;
use crate::large::{self, Form, LARGEST_ANSWER_BYTES, Ways};
use crate::openapi::operation::{self, BYTES, Operation, TEXT, TEXT_UTF_8};
use crate::openapi::parameters;
use crate::problem::Problem;
use crate::session::Session;
use crate::shapes::{
    AllReferences, Base64, BinaryReference, FileMetadata, HashCacheId, HashReferences, Metadata, References, Retrieved,
    StorageConfig,
};

/// What `as` may ask for.
const FORMS: [&str; 4] = ["string", "json", "binary", "metadata"];

/// The routes of this group. Where an id is expected, `{cache_hash}-v{n}` will do.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/{namespace}/retrieve/{cache_id}", get(by_id))
        .route("/{namespace}/retrieve/{cache_id}/string", get(string_by_id))
        .route("/{namespace}/retrieve/{cache_id}/json", get(json_by_id))
        .route("/{namespace}/retrieve/{cache_id}/binary", get(binary_by_id))
        .route("/{namespace}/retrieve/{cache_id}/config", get(config))
        .route("/{namespace}/retrieve/{cache_id}/metadata", get(file_metadata))
        .route("/{namespace}/retrieve/{cache_id}/refs", get(references))
        .route("/{namespace}/retrieve/{cache_id}/refs/all", get(all_references))
        .route("/{namespace}/retrieve/hash/{cache_hash}", get(by_hash))
        .route("/{namespace}/retrieve/hash/{cache_hash}/string", get(string_by_hash))
        .route("/{namespace}/retrieve/hash/{cache_hash}/json", get(json_by_hash))
        .route("/{namespace}/retrieve/hash/{cache_hash}/binary", get(binary_by_hash))
        .route("/{namespace}/retrieve/hash/{cache_hash}/metadata", get(metadata_by_hash))
        .route("/{namespace}/retrieve/hash/{cache_hash}/refs-hash", get(hash_references))
        .route("/{namespace}/retrieve/hash/{cache_hash}/cache-id", get(id_of_hash))
        .route("/{namespace}/retrieve/key/{strategy}/{*key_and_file}", get(by_key))
}

/// What the routes of this group take and answer.
pub fn described() -> Vec<Operation> {
    let by_key = operation::get(
        "/{namespace}/retrieve/key/{strategy}/{cache_key}/{file_id}",
        "The newest content under a key, in any form",
    );
    by_id_described()
        .into_iter()
        .chain(by_hash_described())
        .chain([content(by_key)
            .with(parameters::version())
            .with(parameters::word("as", &FORMS, "The form; without it, the one that suits the content"))
            .answers_any_json()
            .answers_as(TEXT)
            .answers_as(BYTES)
            .or(StatusCode::UNSUPPORTED_MEDIA_TYPE, "A text that is not JSON, asked for as JSON")
            .or_a_part()])
        .collect()
}

fn by_id_described() -> Vec<Operation> {
    let read = |path, summary| content(operation::get(path, summary)).with(parameters::revision());
    let about = |path, summary| operation::get(path, summary).or_missing();
    vec![
        read("/{namespace}/retrieve/{cache_id}", "The content, or where to read it when it is binary")
            .answers::<Retrieved<'_>>()
            .answers::<BinaryReference>(),
        read("/{namespace}/retrieve/{cache_id}/string", "The content as text; bytes in base64").answers_as(TEXT),
        as_json(read("/{namespace}/retrieve/{cache_id}/json", "The content as JSON; bytes in base64 within JSON")),
        read("/{namespace}/retrieve/{cache_id}/binary", "The content as bytes").answers_as(BYTES).or_a_part(),
        about("/{namespace}/retrieve/{cache_id}/config", "How the entry is kept").answers::<StorageConfig>(),
        about("/{namespace}/retrieve/{cache_id}/metadata", "What is known about the content")
            .with(parameters::revision())
            .answers::<FileMetadata>(),
        about("/{namespace}/retrieve/{cache_id}/refs", "What the entry consists of").answers::<References>(),
        about("/{namespace}/retrieve/{cache_id}/refs/all", "The same, with its record and hash index")
            .answers::<AllReferences>(),
    ]
}

fn by_hash_described() -> Vec<Operation> {
    let read = |path, summary| content(operation::get(path, summary)).with(parameters::version());
    let about = |path, summary| operation::get(path, summary).or_missing();
    vec![
        read("/{namespace}/retrieve/hash/{cache_hash}", "The newest content, or where to read it when it is binary")
            .answers::<Retrieved<'_>>()
            .answers::<BinaryReference>(),
        read("/{namespace}/retrieve/hash/{cache_hash}/string", "The newest content as text").answers_as(TEXT),
        as_json(read("/{namespace}/retrieve/hash/{cache_hash}/json", "The newest content as JSON")),
        read("/{namespace}/retrieve/hash/{cache_hash}/binary", "The newest content as bytes")
            .answers_as(BYTES)
            .or_a_part(),
        about("/{namespace}/retrieve/hash/{cache_hash}/metadata", "What accompanies the newest content")
            .with(parameters::version())
            .answers::<Metadata>(),
        about("/{namespace}/retrieve/hash/{cache_hash}/refs-hash", "The entries with this hash")
            .answers::<HashReferences>(),
        about("/{namespace}/retrieve/hash/{cache_hash}/cache-id", "The newest entry with this hash")
            .answers::<HashCacheId>(),
    ]
}

fn content(operation: Operation) -> Operation {
    operation.unless_known().or_redirect().or_missing()
}

fn as_json(operation: Operation) -> Operation {
    operation.answers_any_json().or(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content is a text that is not JSON")
}

async fn by_id(reader: Reader, params: Params) -> Result<Response, Problem> {
    reader.look_up_revision(&params)?.generic().await
}

async fn string_by_id(reader: Reader, params: Params) -> Result<Response, Problem> {
    reader.look_up_revision(&params)?.string(By::Id).await
}

async fn json_by_id(reader: Reader, params: Params) -> Result<Response, Problem> {
    reader.look_up_revision(&params)?.json(By::Id).await
}

async fn binary_by_id(reader: Reader, params: Params) -> Result<Response, Problem> {
    reader.look_up_revision(&params)?.binary().await
}

async fn config(session: Session, params: Params) -> Result<Json<StorageConfig>, Problem> {
    Ok(Json((&record(&session, &params).await?).into()))
}

async fn file_metadata(session: Session, params: Params) -> Result<Json<FileMetadata>, Problem> {
    let Some(number) = params.revision()? else { return Ok(Json((&record(&session, &params).await?).into())) };
    let (namespace, selector) = (params.namespace()?, params.entry()?);
    // Of the content only its place is needed.
    let found = session.retrieve_revision(&namespace, &selector, number, 0).await?;
    let found = found.ok_or_else(|| Problem::no_entry(&namespace, &selector))?;
    Ok(Json(found.record().into()))
}

async fn references(session: Session, params: Params) -> Result<Json<References>, Problem> {
    Ok(Json((&record(&session, &params).await?).into()))
}

async fn all_references(session: Session, params: Params) -> Result<Json<AllReferences>, Problem> {
    let (namespace, selector) = (params.namespace()?, params.entry()?);
    let details = session.details(&namespace, &selector).await?;
    let details = details.ok_or_else(|| Problem::no_entry(&namespace, &selector))?;
    details.try_into().map(Json).map_err(|error: serde_json::Error| Problem::internal(error.to_string()))
}

async fn by_hash(reader: Reader, params: Params) -> Result<Response, Problem> {
    reader.look_up(&params, hash(&params)?)?.generic().await
}

async fn string_by_hash(reader: Reader, params: Params) -> Result<Response, Problem> {
    reader.look_up(&params, hash(&params)?)?.string(By::Hash).await
}

async fn json_by_hash(reader: Reader, params: Params) -> Result<Response, Problem> {
    reader.look_up(&params, hash(&params)?)?.json(By::Hash).await
}

async fn binary_by_hash(reader: Reader, params: Params) -> Result<Response, Problem> {
    reader.look_up(&params, hash(&params)?)?.binary().await
}

async fn metadata_by_hash(reader: Reader, params: Params) -> Result<Response, Problem> {
    reader.look_up(&params, hash(&params)?)?.metadata().await
}

async fn hash_references(session: Session, params: Params) -> Result<Json<HashReferences>, Problem> {
    let (namespace, hash) = (params.namespace()?, params.cache_hash()?);
    let index = session.hash_index(&namespace, &hash).await?;
    let references = index.and_then(|index| HashReferences::of(hash.clone(), &index));
    references.map(Json).ok_or_else(|| Problem::no_entry_text(&namespace, &Selector::Hash(hash, None)))
}

async fn id_of_hash(session: Session, params: Params) -> Result<Json<HashCacheId>, Problem> {
    let (namespace, hash) = (params.namespace()?, params.cache_hash()?);
    let index = session.hash_index(&namespace, &hash).await?;
    match index.and_then(|index| index.newest()) {
        Some(newest) => Ok(Json(HashCacheId { namespace, cache_hash: hash, cache_id: newest.cache_id })),
        None => Err(Problem::no_entry_text(&namespace, &Selector::Hash(hash, None))),
    }
}

async fn by_key(reader: Reader, params: Params) -> Result<Response, Problem> {
    let lookup = reader.look_up(&params, Selector::Key(params.key_name()?, params.version()?))?;
    match params.query("as") {
        None | Some("") => lookup.generic().await,
        Some("string") => lookup.string(By::Id).await,
        Some("json") => lookup.json(By::Id).await,
        Some("binary") => lookup.binary().await,
        Some("metadata") => lookup.metadata().await,
        Some(other) => Err(Problem::not_one_of("query", "as", other, &FORMS)),
    }
}

/// The newest entry with the hash in the path, or the version in the query.
fn hash(params: &Params) -> Result<Selector, Problem> {
    Ok(Selector::Hash(params.cache_hash()?, params.version()?))
}

async fn record(session: &Session, params: &Params) -> Result<Record, Problem> {
    let (namespace, selector) = (params.namespace()?, params.entry()?);
    let record = session.record(&namespace, &selector).await?;
    record.ok_or_else(|| Problem::no_entry(&namespace, &selector))
}

/// Reads entries with their content.
struct Reader {
    session: Session,
    conditions: Conditions,
    max_inflated: u64,
    ways: Ways,
}

impl FromRequestParts<AppState> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let session = Session::from_request_parts(parts, state).await?;
        let conditions = Conditions::from_request_parts(parts, state).await?;
        let ways = Ways::of(state, &parts.method);
        Ok(Self { session, conditions, max_inflated: state.config.max_body_bytes, ways })
    }
}

impl Reader {
    fn look_up(self, params: &Params, selector: Selector) -> Result<Lookup, Problem> {
        let ways = self.ways.asked(params)?;
        Ok(Lookup { reader: Self { ways, ..self }, namespace: params.namespace()?, selector, revision: None })
    }

    /// The entry in the path, at the revision in the query if there is one.
    fn look_up_revision(self, params: &Params) -> Result<Lookup, Problem> {
        let lookup = self.look_up(params, params.entry()?)?;
        Ok(Lookup { revision: params.revision()?, ..lookup })
    }
}

/// One entry, of which it is not known yet whether it is there.
struct Lookup {
    reader: Reader,
    namespace: Namespace,
    selector: Selector,
    revision: Option<u64>,
}

impl Lookup {
    /// The form that suits the kind of content.
    async fn generic(self) -> Result<Response, Problem> {
        let found = self.retrieve(self.reader.ways.most()).await?;
        let found = found.ok_or_else(|| Problem::no_entry(&self.namespace, &self.selector))?;
        let entry = self.whole(found)?;
        let number = entry.record.revision.as_ref().map_or(0, |revision| revision.number).to_string();
        let url = self.binary_url(&entry.record);
        let tag = tag(&entry.record, &["generic", &entry.record.cache_id.to_string(), &number, &url]);
        self.answer(&entry.record, &tag, || match self.stored(&entry).generic()? {
            Generic::Data { data_type, json_text } => {
                let data: &RawValue = serde_json::from_slice(&json_text).map_err(|error| {
                    Problem::internal(format!("{}: the JSON form is not JSON: {error}", entry.record.cache_id))
                })?;
                Ok(Json(Retrieved { data, metadata: (&entry.record).into(), data_type }).into_response())
            }
            Generic::Binary { size } => Ok(Json(BinaryReference::new(&entry.record, size, url)).into_response()),
        })
    }

    async fn string(self, by: By) -> Result<Response, Problem> {
        let tag = |record: &Record| tag(record, &["string", by_name(by)]);
        let entry = match self.read(Form::String, tag).await? {
            Read::Whole(entry) => *entry,
            Read::Elsewhere(response) => return Ok(response),
        };
        self.answer(&entry.record, &tag(&entry.record), || {
            Ok(text(match self.stored(&entry).as_string(by)? {
                TextForm::Text(text) => text,
                TextForm::Base64(bytes) => BASE64_STANDARD.encode(bytes).into(),
            }))
        })
    }

    async fn json(self, by: By) -> Result<Response, Problem> {
        let tag = |record: &Record| tag(record, &["json"]);
        let entry = match self.read(Form::Json, tag).await? {
            Read::Whole(entry) => *entry,
            Read::Elsewhere(response) => return Ok(response),
        };
        let form = self.stored(&entry).as_json(by).map_err(Problem::json_form)?;
        self.answer(&entry.record, &tag(&entry.record), || match form {
            JsonForm::Value(json_text) => Ok(([(header::CONTENT_TYPE, "application/json")], json_text).into_response()),
            JsonForm::Base64(bytes) => Ok(Json(Base64::new(BASE64_STANDARD.encode(bytes))).into_response()),
        })
    }

    /// The bytes, or a part of them. What was sent compressed is sent so to whoever takes that.
    async fn binary(self) -> Result<Response, Problem> {
        let conditions = &self.reader.conditions;
        let is_packed = |record: &Record| is_gzip(record) && conditions.accepts_gzip && !conditions.wants_part();
        let tag = |record: &Record| tag(record, &["binary", if is_packed(record) { GZIP } else { "" }]);
        let entry = match self.read(Form::Binary, tag).await? {
            Read::Whole(entry) => *entry,
            Read::Elsewhere(response) => return Ok(response),
        };
        let (stored, tag) = (self.stored(&entry), tag(&entry.record));
        let response = self.answer(&entry.record, &tag, || {
            Ok(match is_packed(&entry.record) {
                true => ([(header::CONTENT_ENCODING, GZIP)], bytes(stored.bytes.clone())).into_response(),
                false => typed_as_bytes(conditions.part(&tag, stored.as_binary()?)),
            })
        })?;
        Ok(varying(response, &entry.record))
    }

    async fn metadata(self) -> Result<Response, Problem> {
        let record = self.reader.session.record(&self.namespace, &self.selector).await?;
        let record = record.ok_or_else(|| Problem::no_entry_text(&self.namespace, &self.selector))?;
        Ok(Json(Metadata::from(&record)).into_response())
    }

    /// The content, or the answer that leads to where it is too large to pass through.
    async fn read(&self, form: Form, tag: impl Fn(&Record) -> Tag) -> Result<Read, Problem> {
        let (ways, conditions) = (self.reader.ways, &self.reader.conditions);
        let missing = || Problem::no_entry_text(&self.namespace, &self.selector);
        let found = self.retrieve(ways.first_look()).await?.ok_or_else(missing)?;
        let record = match found {
            Found::Whole(entry) => return Ok(Read::Whole(Box::new(entry))),
            Found::TooLarge(record) => record,
        };
        if let Some(answer) = large::as_stored(&record, form, conditions).filter(|_| ways.redirects()) {
            return self.elsewhere(&record, &tag(&record), &answer).await.map(Read::Elsewhere);
        }
        if ways.most() <= ways.first_look() {
            return Err(ways.too_large(&record));
        }
        let found = self.retrieve(ways.most()).await?.ok_or_else(missing)?;
        self.whole(found).map(|entry| Read::Whole(Box::new(entry)))
    }

    /// Leads to the storage, unless the caller has the content already.
    async fn elsewhere(&self, record: &Record, tag: &Tag, answer: &AnswerHeaders) -> Result<Response, Problem> {
        let url = match self.reader.ways.head_only {
            true => None,
            false => self.reader.session.presigned_get(record, answer).await?,
        };
        let response = self.reader.conditions.answer(tag, self.lifetime(), || match url {
            Some(url) => large::redirect(&url),
            None => Ok(large::head(record, answer)),
        })?;
        Ok(varying(response, record))
    }

    async fn retrieve(&self, most: u64) -> Result<Option<Found>, Problem> {
        let session = &self.reader.session;
        Ok(match self.revision {
            Some(number) => session.retrieve_revision(&self.namespace, &self.selector, number, most).await?,
            None => session.retrieve_within(&self.namespace, &self.selector, most).await?,
        })
    }

    fn whole(&self, found: Found) -> Result<Entry, Problem> {
        match found {
            Found::Whole(entry) => Ok(entry),
            Found::TooLarge(record) => Err(self.reader.ways.too_large(&record)),
        }
    }

    /// The answer, unless the caller has it already, or it turns out larger than what fits.
    fn answer(
        &self,
        record: &Record,
        tag: &Tag,
        make: impl FnOnce() -> Result<Response, Problem>,
    ) -> Result<Response, Problem> {
        let ways = self.reader.ways;
        let response = self.reader.conditions.answer(tag, self.lifetime(), make)?;
        match ways.in_lambda && response.body().size_hint().lower() > LARGEST_ANSWER_BYTES {
            true => Err(ways.too_large(record)),
            false => Ok(response),
        }
    }

    /// What a revision holds never changes, all else may.
    fn lifetime(&self) -> Lifetime {
        if self.revision.is_some() { Lifetime::ForEver } else { Lifetime::AskEachTime }
    }

    fn stored<'a>(&self, entry: &'a Entry) -> Stored<'a> {
        Stored {
            kind: entry.record.kind,
            content_encoding: entry.record.current().content_encoding,
            bytes: &entry.content,
            max_inflated: self.reader.max_inflated,
        }
    }

    /// Where the bytes are. Only a caller who asked for the newest entry with a hash is sent to the newest one.
    fn binary_url(&self, record: &Record) -> String {
        match &self.selector {
            Selector::Hash(hash, None) => format!("/{}/retrieve/hash/{hash}/binary", self.namespace),
            Selector::Id(_) | Selector::Hash(_, Some(_)) | Selector::Key(..) => {
                format!("/{}/retrieve/{}/binary", self.namespace, record.cache_id)
            }
        }
    }
}

/// What reading a content came to.
enum Read {
    Whole(Box<Entry>),
    /// The answer to a caller who is to read it from the storage.
    Elsewhere(Response),
}

fn is_gzip(record: &Record) -> bool {
    record.kind == ContentKind::Binary && record.current().content_encoding == Some(GZIP)
}

/// What was sent compressed is answered differently to whoever takes that.
fn varying(mut response: Response, record: &Record) -> Response {
    if is_gzip(record) {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

/// The tag of one form of an entry's content.
fn tag(record: &Record, form: &[&str]) -> Tag {
    let sha256 = record.current().sha256.to_string();
    let (kind, encoding) = (record.kind.name(), record.current().content_encoding.unwrap_or_default());
    Tag::of(&[&[sha256.as_str(), kind, encoding], form].concat())
}

const fn by_name(by: By) -> &'static str {
    match by {
        By::Id => "id",
        By::Hash => "hash",
    }
}

fn bytes(bytes: Bytes) -> Response {
    typed_as_bytes(bytes.into_response())
}

/// An answer that is not an error is of the type that all bytes have.
fn typed_as_bytes(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

fn text(text: Bytes) -> Response {
    ([(header::CONTENT_TYPE, TEXT_UTF_8)], text).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::{App, Call, gzipped};

    const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";

    /// What is read below `/ns/retrieve/` after one store; `ID` and `HASH` stand for those of the entry.
    async fn check(store: Call, read: &str, status: u16, expected: &str) {
        let app = App::new();
        let stored = app.json(store).await;
        let path = read.replace("ID", text(&stored["cache_id"])).replace("HASH", text(&stored["cache_hash"]));
        let answer = app.get(&format!("/ns/retrieve/{path}")).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(expected), "{path}: {}", answer.text());
    }

    fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }

    fn string() -> Call {
        Call::post("/ns/direct/store/string", "plain é")
    }

    fn document() -> Call {
        Call::post_json("/ns/key_based/store/json/users/u1?file_id=profile", "{ \"b\": 1.50, \"a\": 2 }")
    }

    fn binary() -> Call {
        Call::post("/ns/direct/store/binary", &b"\x00\xff"[..])
    }

    fn gzip(content: &[u8]) -> Call {
        Call::post("/ns/direct/store/binary", gzipped(content)).header("content-encoding", "gzip")
    }

    #[tokio::test]
    async fn a_text_is_read_by_id_and_by_hash_in_every_form() {
        check(string(), "ID", 200, "{\"data\":\"plain é\",\"metadata\":{\"cache_id\":").await;
        check(string(), "hash/HASH", 200, "\"data_type\":\"string\"").await;
        for by in ["ID", "hash/HASH", "HASH-v1"] {
            check(string(), &format!("{by}/string"), 200, "plain é").await;
            check(string(), &format!("{by}/binary"), 200, "plain é").await;
            check(string(), &format!("{by}/json"), 415, "the content is a string, not JSON").await;
        }
    }

    #[tokio::test]
    async fn a_document_keeps_its_numbers_and_the_order_of_its_keys() {
        check(document(), "ID", 200, "{\"data\":{\"b\":1.50,\"a\":2},").await;
        check(document(), "ID/json", 200, "{\"b\":1.50,\"a\":2}").await;
        check(document(), "ID/string", 200, "{\"b\": 1.5, \"a\": 2}").await;
    }

    #[tokio::test]
    async fn bytes_are_named_with_their_size_and_url() {
        check(binary(), "ID", 200, "\"data_type\":\"binary\",\"size\":2,").await;
        check(binary(), "hash/HASH", 200, "\"binary_url\":\"/ns/retrieve/hash/06eb7d6a69ee19e5/binary\"").await;
        check(binary(), "ID/string", 200, "AP8=").await;
        check(binary(), "ID/json", 200, "{\"data_type\":\"binary\",\"encoding\":\"base64\",\"data\":\"AP8=\"}").await;
    }

    #[tokio::test]
    async fn gzip_content_is_read_as_it_was_before_compression() {
        check(gzip(b"{ \"a\": 1 }"), "ID/binary", 200, "{ \"a\": 1 }").await;
        check(gzip(b"{ \"a\": 1 }"), "ID", 200, "{\"data\":{\"a\":1},").await;
        check(gzip(b"not json"), "hash/HASH/string", 200, "not json").await;
        check(gzip(b"not json"), "ID", 200, "\"content_encoding\":\"gzip\"").await;
    }

    #[tokio::test]
    async fn config_metadata_and_references_have_their_known_shapes() {
        check(document(), "ID/config", 200, "\"file_paths\":[\"ns/data/key-based/users/u1\"").await;
        check(document(), "ID/config", 200, "\"file_type\":{\"name\":\"json\",\"content_type\":\"application/json; ")
            .await;
        check(document(), "ID/metadata", 200, "\"json_field_path\":\"\"").await;
        check(string(), "ID/metadata", 200, "\"json_field_path\":null").await;
        check(document(), "ID/refs", 200, "\"content_files\":[\"ns/data/key-based/users/u1/profile.json\"").await;
        check(document(), "ID/refs/all", 200, "\"details\":{\"ns/refs/by-hash/").await;
        check(document(), "hash/HASH/metadata", 200, "\"cache_key\":\"users/u1\",\"file_id\":\"profile\"").await;
        check(string(), "hash/HASH/refs-hash", 200, "\"total_versions\":1").await;
        check(string(), "hash/HASH/cache-id", 200, "{\"namespace\":\"ns\",\"cache_hash\":").await;
    }

    #[tokio::test]
    async fn a_missing_entry_is_404_in_the_long_or_the_short_form() {
        let long = format!("{{\"detail\":{{\"resource_id\":null,\"cache_hash\":null,\"cache_id\":\"{NOBODY}\"");
        for form in ["", "/config", "/metadata", "/refs", "/refs/all"] {
            check(string(), &format!("{NOBODY}{form}"), 404, &long).await;
        }
        for form in ["/string", "/json", "/binary"] {
            check(string(), &format!("{NOBODY}{form}"), 404, "{\"detail\":\"there is no entry with").await;
        }
        check(string(), "hash/0123456789abcdef", 404, "\"cache_hash\":\"0123456789abcdef\",\"cache_id\":null").await;
        for form in ["string", "json", "binary", "metadata", "refs-hash", "cache-id"] {
            check(string(), &format!("hash/0123456789abcdef/{form}"), 404, "{\"detail\":\"there is no entry").await;
        }
    }

    #[tokio::test]
    async fn a_version_is_named_by_query_or_in_place_of_the_id() {
        check(string(), "hash/HASH/string?version=1", 200, "plain").await;
        check(string(), "hash/HASH/string?version=2", 404, "no version 2").await;
        check(string(), "HASH-v2", 404, "\"error_type\":\"NOT_FOUND\"").await;
        check(string(), "hash/HASH?version=0", 400, "\"type\":\"int_parsing\"").await;
    }

    #[tokio::test]
    async fn names_that_are_neither_id_nor_hash_are_400() {
        let loc = "\"type\":\"value_error\",\"loc\":[\"query\",\"cache_id\"]";
        for odd in ["nope", "HASH-v0", "HASH-vx", "2cf24dba5fb08a30b800000c8427f952"] {
            check(string(), odd, 400, loc).await;
        }
        check(string(), "hash/ABC/string", 400, "\"loc\":[\"query\",\"cache_hash\"]").await;
    }

    #[tokio::test]
    async fn a_key_gives_its_newest_or_a_named_version() {
        let app = App::new();
        for content in ["one", "two"] {
            app.json(Call::post("/ns/temporal/store/string/a/b?file_id=f", content)).await;
        }
        let read = async |query: &str| app.get(&format!("/ns/retrieve/key/temporal/a/b/f{query}")).await;
        assert_eq!(read("?as=string").await.text(), "two");
        assert_eq!(read("?as=binary&version=1").await.text(), "one");
        assert_eq!(read("").await.json()["data"], "two");
        assert_eq!(read("?as=metadata").await.json()["cache_key"], "a/b");
        assert_eq!(read("?as=json").await.status, 415);
        assert_eq!(read("?as=html").await.status, 400);
        assert_eq!(read("?version=3").await.json()["detail"]["cache_hash"], json!(null));
    }
}
