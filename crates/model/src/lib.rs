//! The vocabulary of Yagura: what a resource, an estate, a verdict is.
//!
//! Takes and gives plain values. **Invariant**: no clock, no network, no disk; time is an argument.

pub mod assessment;
pub mod change;
pub mod document;
pub mod estate;
pub mod kind;
pub mod memory;
pub mod path;
pub mod problem;
pub mod resource;
pub mod scope;

pub use assessment::{Cause, Evidence, Severity, Status, Verdict};
pub use change::{Applied, EstateChange, Gone, is_called};
pub use document::{Document, Number, Value, View};
pub use estate::{Checkpoints, Estate, Listing, NoCheckpoints, Place, Sink, Within};
pub use kind::{Implied, Kind, KindCatalogue, KindFacts, Relation, Template};
pub use memory::{EstateBuilder, MemoryEstate, implied_id};
pub use path::{Path, PathError, Segment};
pub use problem::Problem;
pub use resource::{Answer, Attachment, Resource, ResourceId};
pub use scope::{Cloud, Scope, ScopeLevel};

/// A moment in time, UTC, RFC 3339 in text. Time is always an argument, never read from a clock in the core.
pub use jiff::Timestamp;
