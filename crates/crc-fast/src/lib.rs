//! The three CRCs that the AWS SDK names, in place of the crate `crc-fast`.
//!
//! That crate computes about a hundred CRCs with the widest instructions of the processor, and its tables are 0.7 MB
//! of the function's binary, which Lambda loads at each cold start. This project asks S3 for SHA-256 instead of a CRC,
//! so the speed is never used. Only what `aws-smithy-checksums` calls is here; with a new version of it that calls
//! more, the build fails.

use std::fmt;

use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, Crc};

static ISO_HDLC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
static ISCSI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
static NVME: Crc<u64> = Crc::<u64>::new(&CRC_64_NVME);

/// Which CRC, by its name in the catalogue of parametrised CRC algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrcAlgorithm {
    /// S3's `CRC32`.
    Crc32IsoHdlc,
    /// S3's `CRC32C`.
    Crc32Iscsi,
    /// S3's `CRC64NVME`.
    Crc64Nvme,
}

/// The CRC of bytes that arrive in parts.
pub struct Digest(Running);

enum Running {
    Crc32(crc::Digest<'static, u32>),
    Crc64(crc::Digest<'static, u64>),
}

impl Digest {
    /// A digest of no bytes.
    pub fn new(algorithm: CrcAlgorithm) -> Self {
        Self(match algorithm {
            CrcAlgorithm::Crc32IsoHdlc => Running::Crc32(ISO_HDLC.digest()),
            CrcAlgorithm::Crc32Iscsi => Running::Crc32(ISCSI.digest()),
            CrcAlgorithm::Crc64Nvme => Running::Crc64(NVME.digest()),
        })
    }

    /// Appends bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Running::Crc32(digest) => digest.update(bytes),
            Running::Crc64(digest) => digest.update(bytes),
        }
    }

    /// The CRC of all bytes; one of 32 bits is in the lower half.
    pub fn finalize(self) -> u64 {
        match self.0 {
            Running::Crc32(digest) => digest.finalize().into(),
            Running::Crc64(digest) => digest.finalize(),
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Running::Crc32(_) => "Digest(32 bits)",
            Running::Crc64(_) => "Digest(64 bits)",
        })
    }
}

/// The CRC of these bytes.
pub fn checksum(algorithm: CrcAlgorithm, bytes: &[u8]) -> u64 {
    let mut digest = Digest::new(algorithm);
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The column `check` of the catalogue (<https://reveng.sourceforge.io/crc-catalogue/all.htm>).
    #[test]
    fn the_check_values_are_those_of_the_catalogue() {
        let check = |algorithm| checksum(algorithm, b"123456789");
        assert_eq!(check(CrcAlgorithm::Crc32IsoHdlc), 0xcbf4_3926);
        assert_eq!(check(CrcAlgorithm::Crc32Iscsi), 0xe306_9283);
        assert_eq!(check(CrcAlgorithm::Crc64Nvme), 0xae8b_1486_0a79_9888);
    }

    #[test]
    fn parts_have_the_crc_of_the_whole() {
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        digest.update(b"1234");
        digest.update(b"56789");
        assert_eq!(digest.finalize(), checksum(CrcAlgorithm::Crc64Nvme, b"123456789"));
    }
}
