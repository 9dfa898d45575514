//! The routes, a file for each group: its router on top, its handlers below.

pub mod admin;
pub mod auth;
pub mod data;
pub mod docs;
pub mod entries;
pub mod home;
pub mod info;
pub mod metrics;
pub mod namespace;
pub mod retrieve;
pub mod store;
pub mod testing;
pub mod update;
pub mod upload;
pub mod versions;
pub mod zip;
