//! x
pub mod archive;
pub mod cache;
pub mod content;
pub mod error;
pub mod forms;
pub mod ids;
pub mod index;
pub mod json;
pub mod layout;
pub mod record;
pub mod settings;
pub mod storage;
pub mod strategy;
pub mod surroundings;
