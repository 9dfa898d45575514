//! Bodies: of requests, which can be sent again, and of responses, which are read as they arrive.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncRead, ReadBuf};

use crate::error::BoxError;
use crate::progress::Progress;

/// A body on its way, in either direction.
pub type Body = BoxBody<Bytes, BoxError>;

/// How many bytes of a file are read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// What a request carries. It is opened anew for every attempt.
#[derive(Debug, Clone)]
pub(crate) enum RequestBody {
    Bytes(Bytes),
    File { path: PathBuf, size: u64, progress: Arc<Progress> },
}

impl RequestBody {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }

    pub(crate) async fn open(&self) -> io::Result<Body> {
        Ok(match self {
            Self::Bytes(bytes) => of_bytes(bytes.clone()),
            Self::File { path, size, progress } => {
                let file = tokio::fs::File::open(path).await?;
                progress.restart();
                BoxBody::new(FileBody { file, left: *size, progress: Arc::clone(progress) })
            }
        })
    }
}

/// A body of bytes that are there.
pub fn of_bytes(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A file as it is read. Its size is known, so it is sent with a Content-Length, which a presigned PUT needs.
struct FileBody {
    file: tokio::fs::File,
    left: u64,
    progress: Arc<Progress>,
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = CHUNK_BYTES.min(usize::try_from(self.left).unwrap_or(CHUNK_BYTES));
        let mut chunk = vec![0; size];
        let mut buffer = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.file).poll_read(context, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(Some(Err("the file became shorter while it was sent".into())));
        }
        chunk.truncate(read);
        self.left -= read as u64;
        self.progress.add(read as u64);
        Poll::Ready(Some(Ok(http_body::Frame::data(chunk.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.left)
    }
}
