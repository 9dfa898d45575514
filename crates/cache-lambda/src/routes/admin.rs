//! Admin: the storage as files and folders. Each generation of clients has a form of its own for some of these routes.
//!
//! Without `?raw=true` a view is read as the content that it leads to, and what stands for something deleted is not there.

use std::borrow::Cow;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use bytes::Bytes;
use cache_core::cache::{File, FileDeleted, ListFiles, NamePage};
use cache_core::json::{Document, JsonValue};
use cache_core::storage::{InvalidObjectKey, ObjectKey};
use cache_core::strategy::ContentKind;
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::Parameter;

use crate::app::AppState;
use crate::config::StorageChoice;
use crate::extract::Params;
use crate::openapi::operation::{self, BYTES, Operation, TEXT};
use crate::openapi::parameters;
use crate::problem::Problem;
use crate::session::Session;
use crate::shapes::namespace::{List, Page};

/// What stands for a bucket where there is none.
const NO_BUCKET: &str = "NA";

/// The routes of this group. A path may be empty, and that of a folder may end with a slash.
pub fn routes() -> Router<AppState> {
    let below_storage = Router::new()
        .route("/bucket-name", get(bucket_name))
        .route("/file/exists/", get(exists))
        .route("/file/exists/{*path}", get(exists))
        .route("/file/bytes/", get(bytes))
        .route("/file/bytes/{*path}", get(bytes))
        .route("/file/content/", get(content))
        .route("/file/content/{*path}", get(content))
        .route("/file/json/", get(json))
        .route("/file/json/{*path}", get(json))
        .route("/file/html/", get(html))
        .route("/file/html/{*path}", get(html))
        .route("/files/in/", get(files_in))
        .route("/files/in/{*path}", get(files_in))
        .route("/files/all/", get(all_files))
        .route("/files/all/{*path}", get(all_files))
        .route("/files/parent-path", get(files_of_parent))
        .route("/folders", get(folders_of_parent))
        .route("/folders/", get(folders))
        .route("/folders/{*path}", get(folders))
        .route("/file/delete/", delete(delete_file))
        .route("/file/delete/{*path}", delete(delete_file))
        .route("/{*path}", delete(delete_any));
    Router::new().nest("/admin/storage", below_storage)
}

/// What the routes of this group take and answer.
pub fn described() -> Vec<Operation> {
    [files_described(), lists_described(), deletes_described()].concat()
}

fn raw() -> Parameter {
    parameters::flag("raw", "The files as they are: pointers are not followed, traces of deleted things are shown")
}

fn files_described() -> Vec<Operation> {
    let read = |path, summary| operation::get(path, summary).with(raw()).if_it_fits().or_missing();
    vec![
        operation::get("/admin/storage/bucket-name", "The bucket, or `NA`").answers::<BucketName>(),
        operation::get("/admin/storage/file/exists/{path}", "Whether a file is there").with(raw()).answers::<Exists>(),
        read("/admin/storage/file/bytes/{path}", "A file as bytes").answers_as(BYTES),
        read("/admin/storage/file/content/{path}", "A file as what it is")
            .answers_as(TEXT)
            .answers_any_json()
            .answers_as(BYTES),
        read("/admin/storage/file/json/{path}", "A file as JSON").answers_any_json(),
        read("/admin/storage/file/html/{path}", "The field `html` of a JSON file, in a sandbox")
            .answers_as("text/html"),
    ]
}

fn lists_described() -> Vec<Operation> {
    let list = |path, summary: &'static str| {
        operation::get(path, summary)
            .with(parameters::flag("recursive", "Folders within as well"))
            .with(parameters::flag("return_full_path", "Paths from the root of the storage"))
            .with(raw())
            .in_pages()
            .knows::<String>()
    };
    let names = |path, summary| list(path, summary).answers_unnamed::<List<String>>();
    let all = |path, summary| list(path, summary).answers::<AllFiles>().answers_unnamed::<Page<String>>();
    vec![
        names("/admin/storage/files/in/", "The files in the storage itself"),
        names("/admin/storage/files/in/{path}", "The files in a folder"),
        names("/admin/storage/files/parent-path", "The files in a folder, for older clients")
            .with(parameters::folder()),
        all("/admin/storage/files/all/", "All files"),
        all("/admin/storage/files/all/{path}", "All files in a folder and below"),
        names("/admin/storage/folders", "The folders in a folder, for older clients").with(parameters::folder()),
        names("/admin/storage/folders/", "The folders in the storage itself"),
        names("/admin/storage/folders/{path}", "The folders in a folder"),
    ]
}

fn deletes_described() -> Vec<Operation> {
    let delete = |path, summary| {
        operation::delete(path, summary)
            .with(parameters::flag("force", "The file alone, whatever needs it"))
            .or(StatusCode::CONFLICT, "Something needs this file")
    };
    vec![
        delete("/admin/storage/file/delete/{path}", "Deletes what a file stands for").answers::<Deleted>(),
        delete("/admin/storage/{path}", "The same, for older clients").answers_unnamed::<bool>(),
    ]
}

#[derive(Debug, Serialize, ToSchema)]
struct BucketName {
    #[serde(rename = "bucket-name")]
    bucket_name: String,
}

async fn bucket_name(State(state): State<AppState>) -> Json<BucketName> {
    let bucket_name = match &state.config.storage {
        StorageChoice::S3 { bucket } => bucket.clone(),
        StorageChoice::LocalDisk { .. } | StorageChoice::Memory => NO_BUCKET.to_owned(),
    };
    Json(BucketName { bucket_name })
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileExists)]
struct Exists {
    exists: bool,
    path: String,
}

async fn exists(session: Session, params: Params) -> Result<Json<Exists>, Problem> {
    let raw = params.flag("raw", false)?;
    let exists = match file_path(&params)? {
        Some(path) => session.file_exists(&path, raw).await?,
        None => false,
    };
    Ok(Json(Exists { exists, path: params.path("path").to_owned() }))
}

async fn bytes(session: Session, params: Params) -> Result<Response, Problem> {
    Ok(typed("application/octet-stream", read(&session, &params).await?.bytes))
}

async fn content(session: Session, params: Params) -> Result<Response, Problem> {
    let file = read(&session, &params).await?;
    Ok(typed(content_type(params.path("path"), file.kind), file.bytes))
}

async fn json(session: Session, params: Params) -> Result<Response, Problem> {
    Ok(typed("application/json", read_json(&session, &params).await?.into_text()))
}

/// Shows the field `html` of a JSON file. What was stored is not ours: it may run no script and call nobody.
async fn html(session: Session, params: Params) -> Result<Response, Problem> {
    let document = read_json(&session, &params).await?;
    let page = document.root().member("html").and_then(JsonValue::as_string).map_or(String::new(), Cow::into_owned);
    let policy = [(header::CONTENT_SECURITY_POLICY, "sandbox"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((policy, typed("text/html; charset=utf-8", page.into())).into_response())
}

async fn files_in(session: Session, params: Params) -> Result<Json<List<String>>, Problem> {
    files(&session, &params, params.path("path")).await
}

async fn files_of_parent(session: Session, params: Params) -> Result<Json<List<String>>, Problem> {
    files(&session, &params, params.query("path").unwrap_or_default()).await
}

async fn files(session: &Session, params: &Params, folder: &str) -> Result<Json<List<String>>, Problem> {
    let asked = Asked::of(params, folder)?;
    let found = session.files(&asked.list).await?;
    let shown = if asked.full_paths || asked.list.recursive { found } else { below(folder, found) };
    Ok(Json(asked.answer(shown)))
}

#[derive(Debug, Serialize, ToSchema)]
struct AllFiles {
    timestamp: u64,
    file_count: usize,
    files: Vec<String>,
}

async fn all_files(State(state): State<AppState>, session: Session, params: Params) -> Result<Response, Problem> {
    let mut asked = Asked::of(&params, params.path("path"))?;
    asked.list.recursive = true;
    let found = session.files(&asked.list).await?;
    if asked.paged {
        return Ok(Json(asked.answer(found)).into_response());
    }
    let timestamp = state.surroundings.now_ms();
    Ok(Json(AllFiles { timestamp, file_count: found.items.len(), files: found.items }).into_response())
}

async fn folders(session: Session, params: Params) -> Result<Json<List<String>>, Problem> {
    folders_below(&session, &params, params.path("path")).await
}

async fn folders_of_parent(session: Session, params: Params) -> Result<Json<List<String>>, Problem> {
    folders_below(&session, &params, params.query("path").unwrap_or_default()).await
}

async fn folders_below(session: &Session, params: &Params, folder: &str) -> Result<Json<List<String>>, Problem> {
    let asked = Asked::of(params, folder)?;
    let mut found = session.folders(&asked.list).await?;
    for name in &mut found.items {
        name.truncate(name.trim_end_matches('/').len());
    }
    let shown = if asked.full_paths { found } else { below(folder, found) };
    Ok(Json(asked.answer(shown)))
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileDeleted)]
struct Deleted {
    path: String,
    deleted: bool,
}

async fn delete_file(session: Session, params: Params) -> Result<Json<Deleted>, Problem> {
    let deleted = delete_at(session, &params).await?;
    Ok(Json(Deleted { path: params.path("path").to_owned(), deleted }))
}

async fn delete_any(session: Session, params: Params) -> Result<Json<bool>, Problem> {
    delete_at(session, &params).await.map(Json)
}

async fn delete_at(session: Session, params: &Params) -> Result<bool, Problem> {
    let force = params.flag("force", false)?;
    let Some(path) = file_path(params)? else { return Ok(false) };
    let key = path.clone();
    match session.to_the_end(async move |cache| cache.delete_file(&key, force).await).await? {
        FileDeleted::Deleted => Ok(true),
        FileDeleted::NotThere => Ok(false),
        FileDeleted::Needed(reason) => Err(Problem::file_needed(path.as_str(), reason)),
    }
}

async fn read(session: &Session, params: &Params) -> Result<File, Problem> {
    let raw = params.flag("raw", false)?;
    let file = match file_path(params)? {
        Some(path) => session.file(&path, raw).await?,
        None => None,
    };
    file.ok_or_else(|| Problem::no_file(params.path("path")))
}

async fn read_json(session: &Session, params: &Params) -> Result<Document, Problem> {
    let file = read(session, params).await?;
    Document::parse(&file.bytes).map_err(|_| Problem::file_not_json(params.path("path")))
}

/// The file that a path names; `None` for an empty path, where no file can be.
fn file_path(params: &Params) -> Result<Option<ObjectKey>, Problem> {
    let raw = params.path("path");
    if raw.is_empty() { Ok(None) } else { parse(raw).map(Some) }
}

fn parse(raw: &str) -> Result<ObjectKey, Problem> {
    raw.parse().map_err(|error: InvalidObjectKey| Problem::parameter("path", raw, format!("is refused: {error}")))
}

fn typed(content_type: &'static str, bytes: Bytes) -> Response {
    ([(header::CONTENT_TYPE, content_type)], bytes).into_response()
}

/// The type of an entry's content, or else what the file's name says.
fn content_type(path: &str, kind: Option<ContentKind>) -> &'static str {
    match (kind, path.rsplit_once('.').map(|(_, extension)| extension)) {
        (Some(ContentKind::String), _) | (None, Some("txt")) => "text/plain; charset=utf-8",
        (Some(ContentKind::Json), _) | (None, Some("json")) => "application/json",
        (Some(ContentKind::Binary | ContentKind::Zip), _) | (None, _) => "application/octet-stream",
    }
}

/// What a listing was asked for.
struct Asked<'a> {
    list: ListFiles<'a>,
    full_paths: bool,
    paged: bool,
}

impl<'a> Asked<'a> {
    fn of(params: &'a Params, folder: &'a str) -> Result<Self, Problem> {
        let folder = folder.strip_suffix('/').unwrap_or(folder);
        if !folder.is_empty() {
            parse(folder)?;
        }
        let paging = params.paging()?;
        let list = ListFiles {
            folder,
            recursive: params.flag("recursive", false)?,
            limit: paging.map(|paging| paging.limit),
            cursor: paging.and_then(|paging| paging.cursor),
            raw: params.flag("raw", false)?,
        };
        Ok(Self { list, full_paths: params.flag("return_full_path", false)?, paged: paging.is_some() })
    }

    fn answer(&self, found: NamePage<String>) -> List<String> {
        if self.paged { List::Page(found.into()) } else { List::Whole(found.items) }
    }
}

/// Paths as they are seen from a folder.
fn below(folder: &str, mut found: NamePage<String>) -> NamePage<String> {
    let folder = folder.trim_end_matches('/');
    let prefix = if folder.is_empty() { 0 } else { folder.len() + 1 };
    for path in &mut found.items {
        path.drain(..prefix.min(path.len()));
    }
    found
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::{Value, json};

    use crate::testing::{Answer, App, Call};

    /// What a call below `/admin/storage/` is answered with after the stores of [`filled`].
    async fn check(method: Method, path: &str, status: u16, expected: &str) {
        let answer = send(&filled().await, method, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(expected), "{path}: {}", answer.text());
    }

    async fn send(app: &App, method: Method, path: &str) -> Answer {
        app.send(Call::new(method, &format!("/admin/storage/{path}"))).await
    }

    /// A document under a key, and a text.
    async fn filled() -> App {
        let app = App::new();
        let page = "{ \"html\": \"<h1>hi</h1>\" }";
        app.json(Call::post("/ns/key_based/store/json/k1/k2?file_id=f", page)).await;
        app.json(Call::post("/ns/key_based/store/string/k1?file_id=t", "text")).await;
        app
    }

    /// An entry with these paths, the first of which is its view.
    async fn stored(app: &App, strategy: &str, content: &'static str) -> (String, String) {
        let stored = app.json(Call::post(&format!("/ns/{strategy}/store/string/a/b?file_id=f"), content)).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&stored["cache_id"]), text(&stored["paths"]["data"][0]))
    }

    const PAGE: &str = "ns/data/key-based/k1/k2/f.json";

    #[tokio::test]
    async fn a_file_is_read_as_bytes_as_content_and_as_json() {
        let compact = "{\"html\":\"<h1>hi</h1>\"}";
        for form in ["bytes", "content", "json"] {
            check(Method::GET, &format!("file/{form}/{PAGE}"), 200, compact).await;
        }
        check(Method::GET, &format!("file/exists/{PAGE}"), 200, "{\"exists\":true,\"path\":\"ns/data/").await;
        check(Method::GET, "file/exists/caf%C3%A9", 200, "{\"exists\":false,\"path\":\"café\"}").await;
        check(Method::GET, "file/json/ns/data/key-based/k1/t.txt", 400, "is not JSON: read it with").await;
        check(Method::GET, "bucket-name", 200, "{\"bucket-name\":\"NA\"}").await;
    }

    #[tokio::test]
    async fn a_missing_file_is_404_with_its_path() {
        let expected = "{\n    \"error_type\": \"FILE_NOT_FOUND\",\n    \"resource\": \"file\",";
        for form in ["bytes", "content", "json", "html"] {
            check(Method::GET, &format!("file/{form}/ns/nope.json"), 404, expected).await;
            check(Method::GET, &format!("file/{form}/"), 404, "\"path\": \"\"").await;
        }
    }

    #[tokio::test]
    async fn stored_html_is_served_in_a_sandbox() {
        let answer = send(&filled().await, Method::GET, &format!("file/html/{PAGE}")).await;
        assert_eq!(
            (answer.text().as_str(), answer.header("content-type")),
            ("<h1>hi</h1>", Some("text/html; charset=utf-8"))
        );
        assert_eq!(answer.header("content-security-policy"), Some("sandbox"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }

    #[tokio::test]
    async fn content_has_the_type_of_its_entry() {
        let app = filled().await;
        let read = async |path: &str| {
            let answer = send(&app, Method::GET, &format!("file/content/{path}")).await;
            (answer.text(), answer.header("content-type").unwrap().to_owned())
        };
        let text = ("text".to_owned(), "text/plain; charset=utf-8".to_owned());
        assert_eq!(read("ns/data/key-based/k1/t.txt").await, text);
        let stored = app.json(Call::post("/ns/temporal/store/string", "text")).await;
        let dated = stored["paths"]["data"][0].as_str().unwrap();
        assert_eq!(read(dated).await, text);
        let (pointer, content_type) = read(&format!("{dated}?raw=true")).await;
        assert_eq!(content_type, "application/json");
        assert!(pointer.contains("\"points_to\":\"ns/blobs/"), "{pointer}");
    }

    #[tokio::test]
    async fn a_view_leads_to_what_the_entry_holds_now() {
        let app = App::new();
        let (id, latest) = stored(&app, "temporal_latest", "one").await;
        app.json(Call::post(&format!("/ns/update/{id}/string"), "two")).await;
        assert_eq!(send(&app, Method::GET, &format!("file/bytes/{latest}")).await.text(), "two");
    }

    #[tokio::test]
    async fn files_and_folders_are_listed_by_name_or_path() {
        let list = async |path: &str| send(&filled().await, Method::GET, path).await.json();
        for folder in ["k1/k2", "k1/k2/"] {
            assert_eq!(list(&format!("files/in/ns/data/key-based/{folder}")).await, json!(["f.json"]));
        }
        assert_eq!(list("files/in/ns/data/key-based/k1").await, json!(["t.txt"]));
        assert_eq!(list("files/in/ns/data/key-based/k1/k2?return_full_path=true").await, json!([PAGE]));
        let both = json!([PAGE, "ns/data/key-based/k1/t.txt"]);
        assert_eq!(list("files/in/ns/data?recursive=true").await, both);
        assert_eq!(list("files/parent-path?path=ns/data/key-based/k1/k2").await, json!(["f.json"]));
        let all = list("files/all/ns/data").await;
        assert_eq!((&all["file_count"], &all["files"]), (&json!(2), &both));
        assert_eq!(list("files/all/none").await["file_count"], 0);
        assert_eq!(list("folders/").await, json!(["ns"]));
        assert_eq!(list("folders").await, json!(["ns"]));
        assert_eq!(list("folders/ns").await, json!(["blobs", "data", "refs"]));
        assert_eq!(list("folders?path=ns/data&return_full_path=True").await, json!(["ns/data/key-based"]));
        let deep = json!(["key-based", "key-based/k1", "key-based/k1/k2"]);
        assert_eq!(list("folders/ns/data?recursive=true").await, deep);
        assert_eq!(list("folders/none").await, json!([]));
    }

    #[tokio::test]
    async fn a_listing_can_be_paged() {
        let app = filled().await;
        for (list, whole) in [
            ("files/all/ns", "files"),
            ("files/in/ns?recursive=1", ""),
            ("folders/ns?recursive=1", ""),
            ("folders/ns", ""),
        ] {
            let all = send(&app, Method::GET, list).await.json();
            let all = if whole.is_empty() { all } else { all[whole].clone() };
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let mark = if list.contains('?') { '&' } else { '?' };
                let page = send(&app, Method::GET, &format!("{list}{mark}limit=1&cursor={cursor}")).await.json();
                seen.extend(page["items"].as_array().unwrap().iter().cloned());
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            }
            assert_eq!(Value::Array(seen), all, "{list}");
        }
        check(Method::GET, "files/all/ns?cursor=other/x", 400, "pass the next_cursor of the page before").await;
    }

    #[tokio::test]
    async fn a_path_cannot_leave_the_storage() {
        for path in ["../etc/passwd", "a/../b", "a//b", "/a", "a%5Cb", "a/"] {
            for call in ["file/exists", "file/bytes", "file/content", "file/json", "file/html"] {
                check(Method::GET, &format!("{call}/{path}"), 400, "path is refused").await;
            }
            check(Method::DELETE, &format!("file/delete/{path}"), 400, "path is refused").await;
        }
        check(Method::GET, "files/all/../x", 400, "path is refused").await;
        check(Method::GET, "folders?path=../x", 400, "path is refused").await;
    }

    #[tokio::test]
    async fn deleting_a_view_or_a_record_deletes_the_entry() {
        for strategy in ["key_based", "temporal", "temporal_latest"] {
            let app = App::new();
            let (id, view) = stored(&app, strategy, "x").await;
            let answer = send(&app, Method::DELETE, &format!("file/delete/{view}")).await;
            assert_eq!(answer.json(), json!({"path": view, "deleted": true}), "{strategy}");
            assert_eq!(app.get(&format!("/ns/exists/id/{id}")).await.json()["exists"], false);
            assert_eq!(app.get("/admin/storage/files/all/ns").await.json()["file_count"], 0, "{strategy}");
            assert_eq!(send(&app, Method::DELETE, &view).await.json(), json!(false));
        }
        let app = App::new();
        let (id, _) = stored(&app, "direct", "x").await;
        let record = format!("ns/refs/by-id/{}/{}/{id}.json", &id[..2], &id[2..4]);
        assert_eq!(send(&app, Method::DELETE, &record).await.json(), json!(true));
        assert_eq!(send(&app, Method::GET, &format!("file/exists/{record}")).await.json()["exists"], false);
        assert_eq!(send(&app, Method::GET, &format!("file/exists/{record}?raw=1")).await.json()["exists"], true);
        assert_eq!(app.get(&format!("/ns/retrieve/{id}/string")).await.status, 404);
    }

    #[tokio::test]
    async fn a_readable_copy_without_a_file_id_deletes_its_entry() {
        let app = App::new();
        for path in ["key_based/store/string", "key_based/store/string/a/b"] {
            let stored = app.json(Call::post(&format!("/ns/{path}"), "x")).await;
            let copy = stored["paths"]["data"][0].as_str().unwrap();
            assert_eq!(send(&app, Method::DELETE, &format!("file/delete/{copy}")).await.json()["deleted"], true);
        }
        assert_eq!(app.get("/ns/file-ids").await.json(), json!([]));
    }

    #[tokio::test]
    async fn contents_and_indexes_stay_unless_forced() {
        for path in ["ns/blobs/98/2d/982d9e3eb996f559", "ns/refs/by-hash/98/2d/982d9e3eb996f559.json"] {
            let app = App::new();
            app.json(Call::post("/ns/direct/store/string", "text")).await;
            let answer = send(&app, Method::DELETE, &format!("file/delete/{path}")).await;
            assert_eq!(answer.status, 409, "{}", answer.text());
            assert!(answer.text().contains("delete the entries"), "{}", answer.text());
            assert_eq!(send(&app, Method::DELETE, &format!("{path}?force=true")).await.json(), json!(true));
            assert_eq!(send(&app, Method::DELETE, &format!("file/delete/{path}")).await.json()["deleted"], false);
        }
    }

    #[tokio::test]
    async fn a_child_is_deleted_by_its_path() {
        let app = App::new();
        let (id, _) = stored(&app, "direct", "x").await;
        let child = app.json(Call::post(&format!("/ns/cache/{id}/data/store/string/k/c"), "child")).await;
        let path = child["data_files_created"][0].as_str().unwrap();
        assert_eq!(send(&app, Method::GET, &format!("file/content/{path}")).await.text(), "child");
        assert_eq!(send(&app, Method::DELETE, &format!("file/delete/{path}")).await.json()["deleted"], true);
        assert_eq!(app.get(&format!("/ns/cache/{id}/data/list")).await.json()["file_count"], 0);
        assert_eq!(app.get(&format!("/ns/exists/id/{id}")).await.json()["exists"], true);
    }
}
