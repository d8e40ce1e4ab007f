//! The condition language: Azure Policy's, and our own form of it with `related`.
//!
//! One compiled form, three-valued evaluation, evidence on request. **Invariant**: no clock, no network, no disk; a
//! rule that cannot be decided is unknown with its cause and never healthy; every evaluation ends.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod compile;
mod condition;
mod date;
mod datum;
mod diagnostic;
mod evaluate;
mod expression;
mod field;
mod ip;
mod operator;
mod record;
mod related;
mod rule;
mod text;

pub mod azure;

pub use diagnostic::{Diagnostic, PolicyError};
pub use rule::{Context, Rule, RuleSource};
