//! The random number port: core never draws random numbers itself.

use std::fmt;

/// Random numbers, as the process around core provides them.
pub trait Rng: fmt::Debug + Send + Sync + 'static {
    /// 64 random bits, good enough that names drawn from them do not collide.
    fn next_u64(&self) -> u64;
}
