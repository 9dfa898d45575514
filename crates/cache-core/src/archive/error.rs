//! Why an archive, or a change to one, is refused.

use thiserror::Error;

use super::names::UnsafeName;

/// Why bytes are not taken as an archive, or an archive cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidArchive {
    /// The end of central directory record is missing.
    #[error("the content is no ZIP archive, or its end is cut off: send the whole file")]
    NotAZip,
    /// The central directory cannot be read, or its number of entries is wrong.
    #[error("the archive's list of members is damaged or cut off: make the archive again")]
    BrokenDirectory,
    /// A member's checksum, size, location or name is not what the central directory says.
    #[error("member '{member}' is damaged: make the archive again")]
    Damaged {
        /// Its name.
        member: String,
    },
    /// Two members share bytes of the archive, as in a ZIP bomb.
    #[error("member '{member}' overlaps another member: make the archive again")]
    Overlap {
        /// The name of the second one.
        member: String,
    },
    /// A member needs a password.
    #[error("member '{member}' is encrypted: archive the files without a password")]
    Encrypted {
        /// Its name.
        member: String,
    },
    /// A member is packed by a method that is not supported.
    #[error("member '{member}' is compressed by method {method}: use deflate, or none")]
    UnknownMethod {
        /// Its name.
        member: String,
        /// The method's name or number.
        method: String,
    },
    /// A member's name could lead outside of the folder that the archive is unpacked to.
    #[error("the name of member '{member}' {reason}")]
    UnsafeName {
        /// Its name.
        member: String,
        /// What is wrong with it.
        reason: UnsafeName,
    },
    /// More members than allowed.
    #[error("the archive has more than {limit} members: split it")]
    TooManyMembers {
        /// The limit.
        limit: usize,
    },
    /// More content than allowed.
    #[error("the archive holds more than {limit} bytes of content: split it")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A compression ratio that is too high, as in a ZIP bomb.
    #[error("the archive's content is more than {limit} times as large as the archive: store it uncompressed")]
    TooCompressed {
        /// The limit.
        limit: u64,
    },
}

/// Why a change to an archive is refused. The archive is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// There is no such member.
    #[error("there is no member '{0}' in the archive")]
    NotFound(String),
    /// Another member already has the new name.
    #[error("there is a member '{0}' in the archive already: remove it first, or choose another name")]
    NameTaken(String),
    /// A folder was to get content or a file's name.
    #[error("'{0}' is a folder of the archive: name a file")]
    IsFolder(String),
    /// The archive would exceed a limit.
    #[error(transparent)]
    Limit(#[from] InvalidArchive),
}
