//! Pagination: limits and cursors.

/// The default number of items in a page.
pub const DEFAULT_LIMIT: u64 = 100;
/// The largest number of items in a page.
pub const MAX_LIMIT: u64 = 1000;

/// Which page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Paging<'a> {
    /// At most so many items.
    pub limit: usize,
    /// Where the page starts: the `next_cursor` of the previous page.
    pub cursor: Option<&'a str>,
}

impl Default for Paging<'_> {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT as usize, cursor: None }
    }
}
