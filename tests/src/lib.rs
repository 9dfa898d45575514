//! The package holds tests only: see `it/`.
