//! Contents as they are in the archive.

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use super::error::ZipError;

/// The methods of a member, in the numbers of the format.
pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;

/// A content, deflated if that makes it smaller.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    pub(super) bytes: Bytes,
    pub(super) method: u16,
    pub(super) crc: u32,
    /// Unpacked, in bytes.
    pub(super) size: u32,
}

impl Packed {
    /// Packs a content.
    ///
    /// # Errors
    ///
    /// It has 4 GiB or more.
    pub(super) fn of(content: Bytes) -> Result<Self, ZipError> {
        let size = u32::try_from(content.len()).map_err(|_| ZipError::TooLarge(content.len()))?;
        let crc = crc(&content);
        let mut encoder = DeflateEncoder::new(Vec::with_capacity(content.len() / 2), Compression::fast());
        encoder.write_all(&content)?;
        let deflated = encoder.finish()?;
        Ok(if deflated.len() < content.len() {
            Self { bytes: deflated.into(), method: DEFLATED, crc, size }
        } else {
            // The bytes may be a part of a larger buffer; they are gone after the next rewrite.
            Self { bytes: content, method: STORED, crc, size }
        })
    }
}

/// Unpacks a content of this size.
///
/// # Errors
///
/// The bytes are not what was packed.
pub(super) fn unpack(packed: Vec<u8>, method: u16, size: u32, expected: u32) -> io::Result<Vec<u8>> {
    let content = match method {
        STORED => packed,
        DEFLATED => {
            let mut content = Vec::with_capacity(size as usize);
            DeflateDecoder::new(&packed[..]).take(u64::from(size) + 1).read_to_end(&mut content)?;
            content
        }
        other => return Err(io::Error::other(format!("compression method {other}"))),
    };
    if content.len() != size as usize || crc(&content) != expected {
        return Err(io::Error::other("the checksum does not match"));
    }
    Ok(content)
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
