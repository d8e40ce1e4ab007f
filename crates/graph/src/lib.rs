//! Who can do what: effective permissions of identities, and what they can escalate to.
//!
//! Takes policy documents as the clouds give them and compiles them; answers whether a request is allowed, and through
//! which statements; holds escalation primitives against all principals of an account. **Invariant**: no clock, no network, no disk; a document that cannot be read and a condition that
//! cannot be told leave the answer open, they never allow or deny silently; every evaluation ends.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod error;
mod truth;

pub mod escalation;
pub mod identity;

pub use error::GraphError;
pub use truth::Truth;
