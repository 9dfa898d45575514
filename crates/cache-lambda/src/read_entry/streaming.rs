//! Sends a large content in parts, as it is stored, so that it is never in memory as a whole.
//!
//! The first part is read before the response begins, so that a failure to read it has a status. When a later part cannot be read,
//! or the content turns out to be damaged, the connection is closed before the last bytes: the response is shorter than its
//! `Content-Length`, which tells the caller that it failed.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use cache_core::cache::ContentReader;
use cache_core::entry::Entry;
use cache_core::error::{Error, error_chain};
use cache_core::storage::ResponseHeaders;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use http_body::{Frame, SizeHint};

use super::{EntryRead, vary_on_encoding};
use crate::conditional::ETag;
use crate::in_flight::StreamedBytes;
use crate::problem::Problem;
use crate::redirect::{self, MAX_STREAMED_BYTES, Representation};

impl EntryRead {
    /// The content, or the requested range of its bytes, in parts; `None` when it is not there any more.
    ///
    /// # Errors
    ///
    /// 412 when it is not what the caller expects, 503 when the storage does not respond or there is no room in memory in time.
    pub(super) async fn stream(
        &self,
        entry: &Entry,
        etag: &ETag,
        headers: &ResponseHeaders,
        representation: Representation,
    ) -> Result<Option<Response>, Problem> {
        let (conditions, size) = (&self.reader.conditions, entry.content.size);
        let mut range = None;
        let response = conditions.respond(&self.validators(entry, etag), self.cache_policy(), || {
            let head = redirect::head(entry, headers);
            // A range is one of the bytes themselves, not of a text or of their gzip encoding.
            if representation != Representation::Binary || headers.content_encoding.is_some() {
                return Ok(head);
            }
            let (head, selected) = conditions.select_range(head, etag, size);
            range = selected;
            Ok(head)
        })?;
        let response = vary_on_encoding(response, entry);
        if self.reader.options.head_only || !response.status().is_success() {
            return Ok(Some(response));
        }
        let Some(mut reader) = self.cache.content_reader(entry, range) else { return Ok(None) };
        let remaining = reader.remaining();
        let in_memory = remaining.min(MAX_STREAMED_BYTES);
        self.reader.cache.reserve(in_memory).await?;
        let first = match reader.next_part(&self.cache).await {
            Ok(first) => first.unwrap_or_default(),
            // The entry was deleted after it was found, or its content is damaged. Reading it as a whole tells which.
            Err(Error::Corrupt { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let parts = stream::once(async { Ok(first) }).chain(self.rest(reader)).boxed();
        let mut response = response.map(|_| Body::new(StreamedBody { parts, remaining }));
        response.extensions_mut().insert(StreamedBytes(in_memory));
        Ok(Some(response))
    }

    /// The parts after the first one, each with a deadline of its own.
    fn rest(&self, reader: ContentReader) -> impl Stream<Item = Result<Bytes, Error>> + Send + use<> {
        let (cache, namespace) = (self.reader.cache.while_sending(), self.cache.name().clone());
        let span = tracing::Span::current();
        stream::try_unfold(reader, move |mut reader| {
            let cache = cache().namespace(&namespace);
            async move { Ok(reader.next_part(&cache).await?.map(|part| (part, reader))) }
        })
        .inspect(move |part| {
            if let Err(error) = part {
                span.in_scope(|| tracing::error!(error = error_chain(error), "a content was sent in part only"));
            }
        })
    }
}

/// The parts of a content as the body of a response.
struct StreamedBody {
    parts: BoxStream<'static, Result<Bytes, Error>>,
    remaining: u64,
}

impl HttpBody for StreamedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let part = ready!(self.parts.poll_next_unpin(context));
        if let Some(Ok(part)) = &part {
            self.remaining = self.remaining.saturating_sub(part.len() as u64);
        }
        Poll::Ready(part.map(|part| part.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    /// Exact: it becomes the `Content-Length`.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

#[cfg(test)]
mod tests;
