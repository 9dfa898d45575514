//! Batch reads: many entries in one request, each with its own result, in the order of the request.
//!
//! The request is refused as a whole when an item names no entry. After that the response is 200, and each result has the status
//! that a request for its item alone would have: a miss is 404, and a storage that does not answer is 503 for that item alone.

mod request;
mod results;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cache_api::batch_reads::{BatchRead, ExistsBatch, RetrieveBatch};
use cache_core::cache::{BatchItem, NamespaceCache, RetrievedOrTooLarge, Selector};
use cache_core::entry::Entry;
use cache_core::strategy::ContentKind;
use http::header;

use self::request::Selectors;
use self::results::Results;
use crate::extract::Params;
use crate::media_type::JSON;
use crate::openapi::operation::Operation;
use crate::problem::Problem;
use crate::redirect::MAX_RESPONSE_BYTES;
use crate::request_cache::RequestCache;
use crate::routing::Routes;
use crate::state::AppState;

/// How many bytes of each content are read at first, at least. It is more than most contents have, and little enough that a
/// thousand of them can be in memory.
const MIN_INITIAL_READ: u64 = 16 * 1024;

/// The routes of this group.
pub fn routes() -> Routes {
    let batch = |op: Operation, summary| op.summary(summary).json_body::<BatchRead>();
    Routes::below("/{namespace}")
        .post("/retrieve/batch", retrieve, |op| {
            batch(op, "Retrieves up to 1,000 entries, each with its own status").response::<RetrieveBatch<'_>>()
        })
        .post("/exists/batch", exists, |op| {
            batch(op, "Whether up to 1,000 entries are there, each with its own status").response::<ExistsBatch>()
        })
}

async fn retrieve(
    State(state): State<AppState>,
    cache: RequestCache,
    params: Params,
    Selectors(selectors): Selectors,
) -> Result<Response, Problem> {
    let cache = cache.namespace_of(&params)?;
    let mut items = cache.retrieve_batch(&selectors, initial_read_limit(selectors.len())).await?;
    read_larger(&cache, &selectors, &mut items).await?;
    let mut results = Results::new(cache.name(), &selectors, state.config.max_body_bytes);
    for item in items {
        results.add_retrieved(item)?;
    }
    Ok(json(results))
}

async fn exists(
    State(state): State<AppState>,
    cache: RequestCache,
    params: Params,
    Selectors(selectors): Selectors,
) -> Result<Response, Problem> {
    let cache = cache.namespace_of(&params)?;
    let items = cache.entry_batch(&selectors).await?;
    let mut results = Results::new(cache.name(), &selectors, state.config.max_body_bytes);
    for item in items {
        results.add_existing(item)?;
    }
    Ok(json(results))
}

fn json(results: Results<'_>) -> Response {
    ([(header::CONTENT_TYPE, JSON)], results.finish()).into_response()
}

/// How many bytes of each content are read at first: an equal share of the response. Few contents are larger, so most batches
/// take no second round trip, and what turns out too large has cost little.
fn initial_read_limit(items: usize) -> u64 {
    (MAX_RESPONSE_BYTES / items.max(1) as u64).max(MIN_INITIAL_READ)
}

/// Reads the contents that were too large at first, as far as they fit into the response beside those before them.
async fn read_larger(
    cache: &NamespaceCache,
    selectors: &[Selector],
    items: &mut [BatchItem<RetrievedOrTooLarge>],
) -> Result<(), Problem> {
    let mut left = MAX_RESPONSE_BYTES;
    let mut wanted = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Ok(Some(found)) = item else { continue };
        let size = min_rendered_size(found.entry());
        match found {
            RetrievedOrTooLarge::Retrieved(_) => left = left.saturating_sub(size),
            RetrievedOrTooLarge::TooLarge(_) if size <= left => {
                left -= size;
                wanted.push(index);
            }
            RetrievedOrTooLarge::TooLarge(_) => {}
        }
    }
    let larger: Vec<Selector> = wanted.iter().map(|index| selectors[*index].clone()).collect();
    let read = cache.retrieve_batch(&larger, MAX_RESPONSE_BYTES).await?;
    wanted.into_iter().zip(read).for_each(|(index, item)| items[index] = item);
    Ok(())
}

/// How many bytes a content takes within JSON, at least. What gzip bytes inflate to is not known before.
fn min_rendered_size(entry: &Entry) -> u64 {
    let size = entry.content.size;
    match entry.content.kind {
        ContentKind::Binary | ContentKind::Zip if entry.content.content_encoding.is_none() => size.div_ceil(3) * 4,
        ContentKind::String | ContentKind::Json | ContentKind::Binary | ContentKind::Zip => size,
    }
}

#[cfg(test)]
mod tests;
