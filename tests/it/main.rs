//! The one integration test binary; one module a topic.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod builtin;
mod check;
mod dist;
mod syntax;
