//! What principals can make of their permissions: which escalation primitives are open to them, and through what.

mod account;
mod derive;
mod judge;
mod primitives;

pub use account::{Account, Limits, Principal, Sort};
pub use derive::{ANSWER, derive};
pub use judge::{Escalation, HeldPermission, Judged, judge};
pub use primitives::Primitives;
