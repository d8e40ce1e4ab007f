//! Google Cloud: Cloud Asset Inventory and direct calls over REST.
//!
//! [`GcpClient`] answers calls; the rest is what it is made of: which addresses may be asked ([`endpoint`]), one request
//! ([`wire`]), [`errors`], [`credentials`] with their files ([`account_file`]), signatures ([`assertion`]) and foreign
//! identities ([`external`]).

pub mod account_file;
pub mod assertion;
pub mod client;
pub mod credentials;
pub mod endpoint;
pub mod errors;
pub mod external;
pub mod wire;

pub use client::{GcpClient, GcpIdentity, GcpScope, GcpSettings};
pub use credentials::GcpSource;
