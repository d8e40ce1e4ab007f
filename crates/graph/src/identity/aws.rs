//! Identity and Access Management of AWS: policies, requests, decisions.
//!
//! The rules are those of the IAM User Guide, "Policy evaluation logic" and "IAM JSON policy element reference".

mod condition;
mod context;
mod decision;
mod pattern;
mod policy;

pub use condition::Condition;
pub use context::{Context, KeyState, Keys, Rest};
pub use decision::{Caller, Decision, Layers, Outcome, PolicySet, Request, ResourceSide, StatementAt};
pub use pattern::Pattern;
pub use policy::{Effect, Form, Policy, Statement};

pub(crate) use condition::arn_parts;
pub(crate) use pattern::Reading;
pub(crate) use policy::ActionIndex;
