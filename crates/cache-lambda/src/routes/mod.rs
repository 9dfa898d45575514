//! The routes, a file for each group: its router on top, its handlers below.

pub mod entries;
pub mod info;
pub mod retrieve;
pub mod store;
pub mod versions;
