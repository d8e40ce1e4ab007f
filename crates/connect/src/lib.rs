//! Readers of estates.
