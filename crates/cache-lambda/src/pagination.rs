//! Pages of a list, and how long they may be.

/// How many items a page shows unless asked for another number.
pub const DEFAULT_LIMIT: u64 = 100;
/// How many items a page shows at most.
pub const MAX_LIMIT: u64 = 1000;

/// Which page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Paging<'a> {
    /// At most so many items.
    pub limit: usize,
    /// After this place.
    pub cursor: Option<&'a str>,
}

impl Default for Paging<'_> {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT as usize, cursor: None }
    }
}
