//! How large the parts of a manifest and a key index may become.

/// Sizes at which contents become blobs, and at which rows and revisions move into pages. Processes with different limits can
/// work on one storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest content that is kept inline, in bytes. All inline contents of a manifest have at most twice as many.
    pub max_inline_bytes: u64,
    /// A head that is larger than this, in bytes, is made smaller after it was written. Below
    /// [`MAX_HEAD_BYTES`](super::MAX_HEAD_BYTES).
    pub spill_above_bytes: usize,
    /// About how many bytes of rows then stay in it, so that the newest versions are read without a page.
    pub keep_row_bytes: usize,
    /// How many references to pages of one level a head holds.
    pub max_page_refs: usize,
    /// How many revisions a row gathers before the older ones are moved into a page.
    pub max_row_revisions: usize,
}

impl Default for Limits {
    /// Contents of up to 64 KiB are inline: `docs/measurements/inline-contents.md` says why.
    fn default() -> Self {
        Self {
            max_inline_bytes: 64 * 1024,
            spill_above_bytes: 32 * 1024,
            keep_row_bytes: 8 * 1024,
            max_page_refs: 96,
            max_row_revisions: 8,
        }
    }
}
