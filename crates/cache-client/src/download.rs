//! Downloads: a content as it arrives, compared with its SHA-256 at the end.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cache_api::kinds::ContentKind;
use flate2::write::MultiGzDecoder;
use http::{HeaderValue, header};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::body::Body;
use crate::error::{Error, Failure};
use crate::namespace::Namespace;
use crate::operations::{GET_RETRIEVE_ID_BINARY, GET_RETRIEVE_ID_JSON, GET_RETRIEVE_ID_STRING, Operation};
use crate::progress::Progress;
use crate::retrieved::{Content, EntryInfo, GZIP, Retrieved, wrong_bytes};
use crate::selector::Selector;

/// How errors name it.
const WHAT: &str = "a download";

/// A content to be downloaded. It is read in the form in which it was stored; gzip is undone.
#[derive(Debug)]
#[must_use = "end it with `open`, `to_file` or `to_bytes`"]
pub struct Download {
    namespace: Namespace,
    selector: Selector,
    progress: Arc<Progress>,
}

/// A content that is arriving.
#[derive(Debug)]
pub struct Incoming {
    info: EntryInfo,
    body: Body,
    hasher: Sha256,
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    progress: Arc<Progress>,
    limit: std::time::Duration,
    ended: bool,
}

/// The operation that returns the stored bytes.
fn operation(kind: ContentKind) -> &'static Operation {
    match kind {
        ContentKind::Json => &GET_RETRIEVE_ID_JSON,
        ContentKind::String => &GET_RETRIEVE_ID_STRING,
        ContentKind::Binary | ContentKind::Zip => &GET_RETRIEVE_ID_BINARY,
    }
}

impl Namespace {
    /// Reads a content as it arrives, or into a file, and compares it with its SHA-256.
    pub fn download(&self, selector: impl Into<Selector>) -> Download {
        Download { namespace: self.clone(), selector: selector.into(), progress: Arc::default() }
    }
}

impl Download {
    /// Counts the bytes as they arrive.
    pub fn progress(mut self, progress: Arc<Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Begins to read.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn open(self) -> Result<Option<Incoming>, Error> {
        let Some(info) = self.namespace.find(self.selector.clone()).await? else { return Ok(None) };
        let client = self.namespace.client();
        let is_gzip = info.metadata.content_encoding.as_deref() == Some(GZIP);
        let mut call = self.namespace.call(operation(info.kind), &[info.entry.id()])?;
        if is_gzip {
            call = call.header(header::ACCEPT_ENCODING, HeaderValue::from_static(GZIP));
        }
        let Some(response) = client.open(&call).await? else { return Ok(None) };
        self.progress.restart();
        if !is_gzip {
            self.progress.expect(info.metadata.content_size);
        }
        Ok(Some(Incoming {
            info,
            body: response.into_body(),
            hasher: Sha256::new(),
            gzip: is_gzip.then(|| MultiGzDecoder::new(Vec::new())),
            progress: self.progress,
            limit: client.policy().attempt_timeout,
            ended: false,
        }))
    }

    /// Downloads into memory.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn to_bytes(self) -> Result<Option<Bytes>, Error> {
        Ok(self.retrieved().await?.map(|retrieved| retrieved.bytes()))
    }

    /// Downloads to a file, which is there once it is complete: it is written beside it first, and replaces an older one.
    /// What breaks off is begun again.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`. The file stays as it was.
    pub async fn to_file(self, path: &Path) -> Result<Option<EntryInfo>, Error> {
        let failed = |error| Error::file(path, "writing a download", error);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!(".{name}.{}.part", uuid::Uuid::new_v4()));
        let part = PartFile(&beside);
        let found = self.repeatedly(async |download| {
            let Some(mut incoming) = download.open().await? else { return Ok(None) };
            let mut file = tokio::fs::File::create(&beside).await.map_err(failed)?;
            while let Some(chunk) = incoming.chunk().await? {
                file.write_all(&chunk).await.map_err(failed)?;
            }
            file.flush().await.map_err(failed)?;
            file.sync_all().await.map_err(failed)?;
            Ok(Some(incoming.info))
        });
        let found = found.await?;
        if found.is_some() {
            tokio::fs::rename(&beside, path).await.map_err(failed)?;
        }
        drop(part);
        Ok(found)
    }

    /// Downloads into memory, with what is known about the entry.
    pub(crate) async fn retrieved(self) -> Result<Option<Retrieved>, Error> {
        self.repeatedly(async |download| {
            let Some(mut incoming) = download.open().await? else { return Ok(None) };
            let bytes = incoming.rest().await?;
            let content = Content::of_bytes(incoming.info.kind, bytes)?;
            Ok(Some(Retrieved { info: incoming.info, content }))
        })
        .await
    }

    /// Tries again what broke off, or what was updated meanwhile.
    async fn repeatedly<T>(self, run: impl AsyncFn(Self) -> Result<T, Error>) -> Result<T, Error> {
        let mut delays = self.namespace.client().policy().delays();
        loop {
            let again = Self {
                namespace: self.namespace.clone(),
                selector: self.selector.clone(),
                progress: Arc::clone(&self.progress),
            };
            match run(again).await {
                // A mismatch may be an update between the two requests; it is the same again if it is none.
                Err(error @ (Error::Temporary(_) | Error::Integrity(_))) => match delays.next() {
                    Some(delay) => tokio::time::sleep(delay).await,
                    None => return Err(error),
                },
                outcome => return outcome,
            }
        }
    }
}

impl Incoming {
    /// What is known about the entry.
    pub fn info(&self) -> &EntryInfo {
        &self.info
    }

    /// The next part of the content; `None` at its end, once all of it has the right SHA-256.
    ///
    /// # Errors
    ///
    /// [`Error::Temporary`] when it breaks off or stands still, [`Error::Integrity`] at the end when it is another content:
    /// then what was read before has to be thrown away.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.ended {
            let late = || {
                let message = format!("nothing arrived for {:.1} s", self.limit.as_secs_f64());
                Error::Temporary(Failure::new(WHAT, message))
            };
            let frame = tokio::time::timeout(self.limit, self.body.frame()).await.map_err(|_| late())?;
            let Some(frame) = frame else { return self.end().map(|rest| rest.filter(|rest| !rest.is_empty())) };
            let frame = frame.map_err(|error| {
                Error::Temporary(Failure::new(WHAT, format!("it broke off: {error}")).with_source(error))
            })?;
            let Ok(bytes) = frame.into_data() else { continue };
            self.hasher.update(&bytes);
            self.progress.add(bytes.len() as u64);
            let plain = self.inflated(bytes)?;
            if !plain.is_empty() {
                return Ok(Some(plain));
            }
        }
        Ok(None)
    }

    /// All that has not been read yet.
    ///
    /// # Errors
    ///
    /// As [`Incoming::chunk`].
    pub async fn rest(&mut self) -> Result<Bytes, Error> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if all.is_empty() {
                // Most contents arrive at once.
                all = chunk.into();
            } else {
                all.extend_from_slice(&chunk);
            }
        }
        Ok(all.into())
    }

    fn inflated(&mut self, bytes: Bytes) -> Result<Bytes, Error> {
        let Some(gzip) = &mut self.gzip else { return Ok(bytes) };
        gzip.write_all(&bytes).map_err(|error| Error::unreadable(WHAT, "the content is not gzip", error))?;
        Ok(std::mem::take(gzip.get_mut()).into())
    }

    fn end(&mut self) -> Result<Option<Bytes>, Error> {
        self.ended = true;
        let was = hex::encode(std::mem::take(&mut self.hasher).finalize());
        if was != self.info.sha256 {
            return Err(wrong_bytes(WHAT, &self.info.sha256, &was));
        }
        let rest = self.gzip.take().map(MultiGzDecoder::finish).transpose();
        Ok(rest.map_err(|error| Error::unreadable(WHAT, "the content is not gzip", error))?.map(Into::into))
    }
}

/// Removes a file that was not renamed.
struct PartFile<'a>(&'a Path);

impl Drop for PartFile<'_> {
    fn drop(&mut self) {
        // It is not there after a success.
        let _ = std::fs::remove_file(self.0);
    }
}
