//! Lists of the files and folders in the storage.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cache_access::permission::Permission;
use cache_api::admin::AllFiles;
use cache_api::lists::{List, Page};
use cache_core::cache::{ListFiles, NamePage};

use super::{STORAGE, parse, physical};
use crate::access::caller::Caller;
use crate::access::resource::{self, Resource};
use crate::extract::Params;
use crate::openapi::operation::Operation;
use crate::openapi::parameters;
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::response::namespace::page;
use crate::routing::Routes;
use crate::state::AppState;

/// The routes of the lists.
pub fn routes() -> Routes {
    let list = |op: Operation, summary| {
        op.summary(summary)
            .parameter(parameters::flag("recursive", "Folders within as well"))
            .parameter(parameters::flag("return_full_path", "Paths from the root of the storage"))
            .parameter(physical())
            .paginated()
            .register::<String>()
    };
    let names = move |op, summary| list(op, summary).inline_response::<List<String>>();
    let of_parent = move |op, summary| names(op, summary).parameter(parameters::folder());
    let all = move |op, summary| list(op, summary).response::<AllFiles>().inline_response::<Page<String>>();
    Routes::below(STORAGE)
        .get("/files/in/", files_in, |op| names(op, "The files in the storage itself"))
        .get("/files/in/{*path}", files_in, |op| names(op, "The files in a folder"))
        .get("/files/parent-path", files_of_parent, |op| of_parent(op, "The files in a folder, for older clients"))
        .get("/files/all/", all_files, |op| all(op, "All files"))
        .get("/files/all/{*path}", all_files, |op| all(op, "All files in a folder and below"))
        .get("/folders", folders_of_parent, |op| of_parent(op, "The folders in a folder, for older clients"))
        .get("/folders/", folders, |op| names(op, "The folders in the storage itself"))
        .get("/folders/{*path}", folders, |op| names(op, "The folders in a folder"))
}

async fn files_in(cache: RequestCache, caller: Caller, params: Params) -> Result<Json<List<String>>, Problem> {
    files(&cache, &caller, &params, params.path("path")).await
}

async fn files_of_parent(cache: RequestCache, caller: Caller, params: Params) -> Result<Json<List<String>>, Problem> {
    files(&cache, &caller, &params, params.query("path").unwrap_or_default()).await
}

async fn files(
    cache: &RequestCache,
    caller: &Caller,
    params: &Params,
    folder: &str,
) -> Result<Json<List<String>>, Problem> {
    let query = ListQuery::of(cache, params, folder, caller).await?;
    let found = query.visible(cache.files(&query.list).await?);
    let shown = if query.full_paths || query.list.recursive { found } else { below(folder, found) };
    Ok(Json(query.answer(shown)))
}

async fn all_files(
    State(state): State<AppState>,
    cache: RequestCache,
    caller: Caller,
    params: Params,
) -> Result<Response, Problem> {
    let mut query = ListQuery::of(&cache, &params, params.path("path"), &caller).await?;
    query.list.recursive = true;
    let found = query.visible(cache.files(&query.list).await?);
    if query.paged {
        return Ok(Json(query.answer(found)).into_response());
    }
    let timestamp = state.now_ms();
    Ok(Json(AllFiles { timestamp, file_count: found.items.len(), files: found.items }).into_response())
}

async fn folders(cache: RequestCache, caller: Caller, params: Params) -> Result<Json<List<String>>, Problem> {
    folders_below(&cache, &caller, &params, params.path("path")).await
}

async fn folders_of_parent(cache: RequestCache, caller: Caller, params: Params) -> Result<Json<List<String>>, Problem> {
    folders_below(&cache, &caller, &params, params.query("path").unwrap_or_default()).await
}

async fn folders_below(
    cache: &RequestCache,
    caller: &Caller,
    params: &Params,
    folder: &str,
) -> Result<Json<List<String>>, Problem> {
    let query = ListQuery::of(cache, params, folder, caller).await?;
    let mut found = query.visible(cache.folders(&query.list).await?);
    for name in &mut found.items {
        name.truncate(name.trim_end_matches('/').len());
    }
    let shown = if query.full_paths { found } else { below(folder, found) };
    Ok(Json(query.answer(shown)))
}

/// The parameters of a listing.
struct ListQuery<'a> {
    caller: &'a Caller,
    list: ListFiles<'a>,
    full_paths: bool,
    paged: bool,
}

impl<'a> ListQuery<'a> {
    /// Makes room for the list unless it is paged.
    async fn of(
        cache: &RequestCache,
        params: &'a Params,
        folder: &'a str,
        caller: &'a Caller,
    ) -> Result<Self, Problem> {
        let folder = folder.strip_suffix('/').unwrap_or(folder);
        if !folder.is_empty() {
            parse(folder)?;
        }
        let paging = params.paging()?;
        // A cursor would name what the caller may not see.
        if paging.is_some() && folder.is_empty() && !caller.is_unlimited() {
            return Err(Problem::paging_needs_folder());
        }
        if paging.is_none() {
            cache.reserve_whole_list().await?;
        }
        let list = ListFiles {
            folder,
            recursive: params.flag("recursive", false)?,
            limit: paging.map(|paging| paging.limit),
            cursor: paging.and_then(|paging| paging.cursor),
            physical: params.flag("physical", false)?,
        };
        Ok(Self { caller, list, full_paths: params.flag("return_full_path", false)?, paged: paging.is_some() })
    }

    /// What lies in namespaces that the caller manages. Within a folder, that was checked before.
    fn visible(&self, mut found: NamePage<String>) -> NamePage<String> {
        if self.list.folder.is_empty() && !self.caller.is_unlimited() {
            found.items.retain(|path| match resource::first_folder(path) {
                Resource::Namespace(namespace) => self.caller.permissions_on(&namespace).allow(Permission::Manage),
                Resource::Service | Resource::Elsewhere(_) => false,
            });
        }
        found
    }

    fn answer(&self, found: NamePage<String>) -> List<String> {
        if self.paged { List::Page(page(found)) } else { List::Whole(found.items) }
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
