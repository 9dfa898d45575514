//! `ls`.

use cache_client::{EntryInfo, EntryRef, Namespace, Selector};
use serde_json::json;

use super::describe::describe_entry;
use super::{is_below, place};
use crate::args::Ls;
use crate::context::Context;
use crate::failure::{Failure, OK};
use crate::output::size;

/// How many entries are asked for at once.
const PAGE: usize = 200;

/// Lists namespaces, or the entries of one.
pub async fn ls(context: &Context<'_>, ls: Ls) -> Result<u8, Failure> {
    let Some(text) = &ls.place else {
        for name in context.client()?.namespaces().await? {
            context.output.result(&json!({"namespace": name}), &name)?;
        }
        return Ok(OK);
    };
    let (name, prefix) = place(text);
    let namespace = context.client()?.namespace(name)?;
    let mut shown = 0;
    each(&namespace, usize::MAX, |found| {
        if !is_below(&found.metadata.cache_key, prefix) {
            return Ok(true);
        }
        shown += 1;
        let metadata = &found.metadata;
        let line = format!("{}\t{}\t{}", found.entry.reference(), size(metadata.content_size), metadata.cache_key);
        context.output.result(&describe_entry(&found)?, line.trim_end())?;
        Ok(shown < ls.limit)
    })
    .await?;
    if shown == ls.limit {
        context.output.note(&format!("the first {shown}; --limit shows more"));
    }
    Ok(OK)
}

/// Goes over the entries of a namespace, page by page, until `limit`, or until `visit` says that it is enough.
pub async fn each(
    namespace: &Namespace,
    limit: usize,
    mut visit: impl FnMut(EntryInfo) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let (mut cursor, mut count) = (None::<String>, 0);
    loop {
        let page = namespace.ids(PAGE, cursor.as_deref()).await?;
        let selectors: Vec<Selector> = page.items.iter().map(Selector::from).collect();
        for found in namespace.find_many(&selectors).await? {
            // One that was deleted since it was listed is none.
            let Some(found) = found? else { continue };
            count += 1;
            if !visit(found)? || count == limit {
                return Ok(());
            }
        }
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(()),
        }
    }
}

/// The reference of an entry by its id.
pub fn by_id(namespace: &Namespace, id: &str) -> EntryRef {
    namespace.entry(id).reference()
}
