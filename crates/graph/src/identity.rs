//! Identities of the clouds and their permissions.

pub mod aws;
