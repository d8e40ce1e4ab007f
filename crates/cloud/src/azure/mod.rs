//! Azure: Resource Manager, Resource Graph and Microsoft Graph over plain HTTPS, without Microsoft's own crates.
//!
//! [`AzureClient`] answers calls; the rest is what it is made of: [`credentials`] with their [`token`]s, [`endpoints`],
//! [`errors`], and long-running [`operation`]s.

mod certificate;
mod cli;
pub mod client;
pub mod credentials;
pub mod endpoints;
pub mod errors;
mod login;
mod managed;
pub mod operation;
mod query;
pub mod token;
mod wire;

pub use client::{AzureClient, AzureIdentity, AzureSettings, AzureSubscription, SubscriptionState, azure_limits};
pub use credentials::AzureSource;
pub use endpoints::{Api, AzureEndpoints};
pub use operation::Patience;
pub use token::AzureToken;
