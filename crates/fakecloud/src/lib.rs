//! An Azure that real clients accept, and Google's Cloud Asset Inventory: real HTTP and TLS, state in memory.
//!
//! Test support only. Speaks Azure Resource Manager (a generic store with long-running operations, paging and throttling),
//! Resource Graph, Microsoft Entra token endpoints, Microsoft Graph v1.0, the instance metadata services of both clouds and
//! `assets.list`. **Invariant**: binds 127.0.0.1 only; knows nothing of the product, so that it cannot share its mistakes.
//!
//! ```no_run
//! use yagura_fakecloud::{Fault, FakeCloud, Options};
//!
//! let cloud = FakeCloud::start(Options { seed: 100, ..Options::default() })?;
//! cloud.fault(Fault::on("/providers/Microsoft.KeyVault/").with(403, "AuthorizationFailed"));
//! // ... point the client at cloud.base_url, trusting cloud.ca_pem ...
//! assert_eq!(cloud.count("POST", "/providers/Microsoft.ResourceGraph/resources"), 1);
//! cloud.stop();
//! # Ok::<(), std::io::Error>(())
//! ```

mod arm;
mod clock;
mod control;
mod directory;
mod faults;
mod google;
mod google_login;
mod http;
mod jwt;
mod login;
mod metadata;
mod options;
mod running;
mod seed;
mod server;
mod service;
mod state;
mod tls;

pub use faults::Fault;
pub use options::Options;
pub use running::{FakeCloud, Logged, Running};
