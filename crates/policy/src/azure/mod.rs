//! The front end for Azure Policy.

mod alias;

pub use alias::{Alias, AliasCatalogue};
