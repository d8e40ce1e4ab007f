//! The front end for Azure Policy: aliases, definitions, initiatives, assignments, single questions.

mod alias;
mod assigned;
pub(crate) mod definition;
mod effect;
mod question;

pub use alias::{Alias, AliasCatalogue, AliasPlace};
pub use assigned::{AssignedPolicy, PolicyFolder};
pub use definition::{CompiledPolicy, Definition, ParameterSpec, Triggered};
pub use effect::Effect;
pub use question::{Question, ask};
