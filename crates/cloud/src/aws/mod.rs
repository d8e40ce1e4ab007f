//! AWS: signed HTTP by a trimmed service model, without AWS's own SDK crates.
//!
//! [`AwsClient`] answers calls; the rest is what it is made of: the [`model`], the five [`protocol`]s, [`endpoint`]s,
//! signatures ([`sign`]), [`credentials`].

pub mod client;
pub mod credentials;
pub mod endpoint;
pub mod errors;
pub mod model;
pub mod paging;
pub mod profile;
pub mod protocol;
pub mod sign;
pub mod wire;

pub use client::{AwsClient, AwsRegion, AwsSettings, CallerIdentity, MemberRole, OptIn};
pub use credentials::{AwsCredentials, AwsRole, AwsSource};
