//! One module a command.

pub mod completions;
pub mod compliance;
pub mod connect;
pub mod connect_test;
pub mod content;
pub mod explain;
pub mod inventory;
pub mod permissions;
pub mod policy;
pub mod recommendations;
pub mod scan;
pub mod score;
pub mod watch;
pub mod what_if;
