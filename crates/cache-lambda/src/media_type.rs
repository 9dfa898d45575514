//! Media types, as they stand in `Content-Type`.

/// JSON.
pub const JSON: &str = "application/json";
/// Text in any encoding.
pub const TEXT: &str = "text/plain";
/// Text in UTF-8.
pub const TEXT_UTF_8: &str = "text/plain; charset=utf-8";
/// A page.
pub const HTML: &str = "text/html";
/// A page in UTF-8.
pub const HTML_UTF_8: &str = "text/html; charset=utf-8";
/// Bytes of any kind.
pub const BYTES: &str = "application/octet-stream";
/// A ZIP archive.
pub const ZIP: &str = "application/zip";
