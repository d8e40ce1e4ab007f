//! Suites over data that nobody wrote for this project, and over labelled cases (`cases`).
//!
//! Those in `shared` read the folder that `YAGURA_SHARED` names, else `shared` beside the checkout; `cargo xtask test`
//! leaves them out, and says so by name, where it is not there.

mod identity;
mod shared;
