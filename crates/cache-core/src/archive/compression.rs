//! The compression methods that a member can be read in: those that Python's `zipfile` reads.
//!
//! An archive that we write has only the first two, see `writing`.

use std::io::{self, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::DeflateDecoder;
use lzma_rust2::LzmaReader;
use rawzip::CompressionMethod;

/// Reads the content of a member.
pub(super) enum Decoder<'a> {
    Stored(&'a [u8]),
    Deflate(DeflateDecoder<&'a [u8]>),
    Bzip2(BzDecoder<&'a [u8]>),
    Lzma(Box<LzmaReader<&'a [u8]>>),
}

impl<'a> Decoder<'a> {
    /// A decoder of `data`, which is said to hold `size` bytes; `None` when the method is not supported.
    ///
    /// A decoder takes at most 7 MiB, and for LZMA `size` bytes more.
    pub(super) fn new(method: CompressionMethod, data: &'a [u8], size: u64) -> Option<io::Result<Self>> {
        match method {
            CompressionMethod::STORE => Some(Ok(Self::Stored(data))),
            CompressionMethod::DEFLATE => Some(Ok(Self::Deflate(DeflateDecoder::new(data)))),
            CompressionMethod::BZIP2 => Some(Ok(Self::Bzip2(BzDecoder::new(data)))),
            CompressionMethod::LZMA => Some(lzma(data, size).map(Box::new).map(Self::Lzma)),
            _ => None,
        }
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stored(data) => data.read(buffer),
            Self::Deflate(decoder) => decoder.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
            Self::Lzma(decoder) => decoder.read(buffer),
        }
    }
}

/// Reads the header of LZMA data in an archive (APPNOTE 6.3.10, 5.8.8): version of the packer (2 bytes), length of the
/// properties (2 bytes), and the properties: one byte of parameters, and the size of the dictionary.
fn lzma(data: &[u8], size: u64) -> io::Result<LzmaReader<&[u8]>> {
    let Some(([_, _, 5, 0, parameters, dictionary @ ..], stream)) = data.split_first_chunk::<9>() else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no LZMA header of 9 bytes"));
    };
    // No match reaches back further than to the beginning of the content. A dictionary as large as the header says could
    // take 4 GiB.
    let dictionary = u64::from(u32::from_le_bytes(*dictionary)).min(size);
    let dictionary = u32::try_from(dictionary).unwrap_or(u32::MAX);
    // The size ends the stream, whether or not an end marker follows.
    LzmaReader::new_with_props(stream, size, *parameters, dictionary, None)
}
