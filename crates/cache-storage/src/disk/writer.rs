//! Objects that are written in parts: a file of the working folder that grows, and is renamed to its place in the end.

use std::io::Write;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cache_core::storage::{ObjectKey, ObjectWriter, PutMode, StorageError, Version, WriteParts};

use super::store::Store;
use super::workspace::TmpFile;
use super::{Disk, path_encoding};

/// How many bytes are gathered before they are written, because each write is a hop to another thread.
const BUFFER_BYTES: usize = 1 << 20;

/// Names the file in errors: it has no key yet.
const UNNAMED: &str = "an object that is written in parts";

struct Writer {
    disk: Disk,
    /// `None` after a failed write.
    file: Option<TmpFile>,
    buffer: BytesMut,
}

#[async_trait]
impl WriteParts for Disk {
    async fn begin(&self) -> Result<Box<dyn ObjectWriter>, StorageError> {
        let file = self.run(UNNAMED, |store| store.workspace.create_file(&store.root)).await?;
        Ok(Box::new(Writer { disk: self.clone(), file: Some(file), buffer: BytesMut::new() }))
    }
}

impl Writer {
    async fn flush(&mut self) -> Result<(), StorageError> {
        let (file, bytes) = (self.file.take(), self.buffer.split().freeze());
        let write = move |_: &Store| {
            let file = file.ok_or_else(failed_before)?;
            (&*file).write_all(&bytes)?;
            Ok(file)
        };
        self.file = Some(self.disk.run(UNNAMED, write).await?);
        Ok(())
    }
}

#[async_trait]
impl ObjectWriter for Writer {
    async fn append(&mut self, part: Bytes) -> Result<(), StorageError> {
        self.buffer.extend_from_slice(&part);
        if self.buffer.len() < BUFFER_BYTES { Ok(()) } else { self.flush().await }
    }

    async fn create(mut self: Box<Self>, key: &ObjectKey) -> Result<Version, StorageError> {
        self.flush().await?;
        let (file, path) = (self.file.take(), path_encoding::path(key.as_str()));
        let create =
            move |store: &Store| store.put_file(&path, &PutMode::Create, || file.ok_or_else(|| failed_before().into()));
        self.disk.run(key.as_str(), create).await
    }
}

fn failed_before() -> std::io::Error {
    std::io::Error::other("an earlier part was not written")
}
