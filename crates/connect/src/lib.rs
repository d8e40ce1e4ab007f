//! Readers of estates: exports and recorded answers become resources; and the rights that reading needs.
//!
//! Takes files and the resource types of the content, fills a [`yagura_model::Sink`]. **Invariant**: knows neither
//! engines nor store; what cannot be read becomes a `Problem` and the rest goes on; no file is held whole in memory.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod events;
pub mod export;
pub mod live;
pub mod permissions;
